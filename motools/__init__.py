"""MOTools: train and evaluate model organisms as git and DVC pipelines.

Importing this package is quick and silent: no SDK is loaded, no `.env` is read, no logging is set up.
"""

from motools.errors import MotoolsError

__version__ = "0.1.0"
__all__ = ["MotoolsError", "__version__"]
