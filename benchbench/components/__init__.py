"""What is installed, and its settings: the registry of components, references to them, hashes of their code."""
