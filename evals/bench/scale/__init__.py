"""`bench scale`: what a turn, a waiting reader and a passage cost, and what it takes to serve many of each."""
