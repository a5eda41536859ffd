"""From an initial encoder to a trained one: contracts of pretexts and learners, chains of stages, the loop."""
