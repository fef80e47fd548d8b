"""Offers the documentation to programs that speak the Model Context Protocol: its search, its pages, and answers."""
