"""Fits the plain numbers that stand in `graph`, each by one command over a folder of judged cases."""
