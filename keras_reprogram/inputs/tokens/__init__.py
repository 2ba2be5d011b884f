"""Sequences of tokens for text sources: token programs, layouts, prompts."""
