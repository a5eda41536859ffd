"""Records -> tables. Reads records alone: no torch, no plugin."""
