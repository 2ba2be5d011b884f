"""Noise of pretrained generators, made to depend on a class."""
