"""Sequences of tokens for text sources: token mappings, layouts, prompts."""
