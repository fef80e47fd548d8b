"""The names of our folders are ours alone; that imports point one way is a step of its own in `./run test`."""

from importlib.metadata import packages_distributions


def test_no_other_distribution_claims_a_top_level_name_of_ours() -> None:
    owners = packages_distributions()
    ours = ("evals", "graph", "migrations", "persistence", "server")
    assert [(name, owners[name]) for name in ours if set(owners.get(name, ())) - {"citeside"}] == []
