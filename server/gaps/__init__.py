"""Shows whoever writes the docs what readers asked in vain: questions that mean the same together, the widest first."""
