"""MOTools: train and evaluate model organisms as git and DVC pipelines.

Importing this package is quick and silent: no SDK is loaded, no `.env` is read, no logging is set up.
"""

from typing import TYPE_CHECKING

from motools.errors import MotoolsError

if TYPE_CHECKING:
    from motools.engine.results_table import results

__version__ = "0.1.0"
__all__ = ["MotoolsError", "__version__", "results"]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name == "results":  # by its name, for this package is below all others
            from importlib import import_module

            return import_module("motools.engine.results_table").results
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
