"""Episodes as data, and how an episode's rows are drawn, whatever those rows hold."""
