"""Running jobs, each one training and its evaluations."""
