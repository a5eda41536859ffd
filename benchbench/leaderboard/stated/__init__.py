"""What was stated before it was trained, published numbers and findings or a study of our own, beside our records."""
