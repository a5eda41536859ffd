"""Encoders: their contract, task-aware batch norms, and running an encoder over tasks."""
