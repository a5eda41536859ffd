"""From an encoder as it begins to a trained one: contracts of pretexts and learners, chains of stages, the loop."""
