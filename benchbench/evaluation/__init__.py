"""Scoring what was trained: the contract of protocols, targets, and how their images are divided."""
