"""Running jobs: one training and its evaluations each."""
