"""Samples on a canvas of any rank: placements, regions, patterns, bases."""
