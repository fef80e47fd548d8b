"""Examines a deployment as the checklist of the documentation demands, and says how to mend what fails.

`checklist` is the list itself, in the order of the page `guides/checklist`; the other modules hold its checks by what
they look at. `examination` runs them, `report` tells what they found.
"""
