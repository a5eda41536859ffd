"""A matrix -> trainings and cells with their keys. Nothing is computed or written."""
