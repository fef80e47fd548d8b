"""Loads the functions of an operator's own that a setting names as `module:function`."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from graph.errors import ConfigurationError


def load_hook(variable: str, name: str) -> Callable[..., Any]:
    """Return the function that `variable` names. Raises ConfigurationError when there is none to be found, and what
    its module itself raises."""
    module, _, function = name.partition(":")
    try:
        found = getattr(import_module(module), function, None)
    except ModuleNotFoundError as error:
        if not f"{module}.".startswith(f"{error.name}."):
            raise  # the hook's module is there, what it needs is not
        raise ConfigurationError(
            f"{variable}={name}: there is no module {error.name}. Install it beside Citeside, or name its folder in "
            "PYTHONPATH."
        ) from error
    if found is None:
        raise ConfigurationError(f"{variable}={name}: the module {module} has no {function}.")
    if not callable(found):
        raise ConfigurationError(f"{variable}={name} is no function.")
    return found
