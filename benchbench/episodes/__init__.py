"""Episodes as data, and how the rows of one are drawn, whatever they are rows of."""
