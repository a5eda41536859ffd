"""What a results folder holds on disk: records, checkpoints, plans, and an index of the records."""
