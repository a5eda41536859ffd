"""Records -> tables. Reads only records: no torch, no plugins."""
