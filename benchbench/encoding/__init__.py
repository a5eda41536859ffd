"""Encoders: their contract, batch norms that know tasks, and running one over tasks."""
