"""Graphs for graph networks: features, edges, added nodes, aggregators."""
