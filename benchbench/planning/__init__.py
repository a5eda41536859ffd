"""From a matrix to trainings and cells with their keys. Computes and writes no results."""
