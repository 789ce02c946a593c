"""MOTools: train and evaluate model organisms as git and DVC pipelines.

Importing this package is quick and silent: no SDK is loaded, no `.env` is read, no logging is set up.
"""

from typing import TYPE_CHECKING

from motools.errors import MotoolsError

if TYPE_CHECKING:
    from motools.engine.results_table import results
    from motools.version import __version__

__all__ = ["MotoolsError", "__version__", "results"]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name == "__version__":
            from motools.version import __version__

            return __version__
        if name == "results":
            from motools.engine.results_table import results

            return results
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
