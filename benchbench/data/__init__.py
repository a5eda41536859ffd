"""Sample tables, class splits, preparation and pools."""
