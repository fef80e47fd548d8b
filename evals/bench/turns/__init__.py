"""Measures streamed turns: this application beside two plain servers, in one run against the same stand-in model."""
