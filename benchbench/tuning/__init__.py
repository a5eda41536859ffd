"""Searching the settings of a method's components by validation; see `benchbench.tuning.search`."""
