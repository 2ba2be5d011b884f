"""The choice of a model for few samples, by cross-validation."""
