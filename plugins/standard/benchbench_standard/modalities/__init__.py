"""Kinds of samples: how each is fitted to an encoder, tried and shown, and its raw inputs."""
