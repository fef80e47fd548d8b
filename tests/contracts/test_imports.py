"""The arrows between the folders hold, and their names are ours alone."""

from importlib.metadata import packages_distributions

from importlinter.cli import lint_imports


def test_imports_point_one_way() -> None:
    assert lint_imports(no_cache=True) == 0


def test_no_other_distribution_claims_a_top_level_name_of_ours() -> None:
    owners = packages_distributions()
    ours = ("evals", "graph", "migrations", "persistence", "server")
    assert [(name, owners[name]) for name in ours if set(owners.get(name, ())) - {"citeside"}] == []
