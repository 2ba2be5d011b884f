"""Time series for language models: patches, prototypes, statistics."""
