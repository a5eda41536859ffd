"""Meta-Dataset's official files: specifications, records and pictures, read and written without TensorFlow."""
