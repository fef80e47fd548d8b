"""Notebooks that take the graph apart, and the little they share."""
