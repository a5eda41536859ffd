"""What lies on disk of results: records, checkpoints, plans, and the index over them."""
