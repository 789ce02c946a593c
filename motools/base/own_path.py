"""Where this interpreter looks for modules by itself: as PYTHONPATH, `.pth` files and editable installs have it do."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from importlib.machinery import PathFinder

__all__ = ["OWN_PATH", "folders_with"]

OWN_PATH = tuple(sys.path if sys.flags.safe_path else sys.path[1:])  # first is what Python has been told to start
_FINDERS = tuple(sys.meta_path)


def folders_with(module: str) -> list[str]:
    """The folders that hold a top-level module which Python would load if nobody added to its path; several hold parts
    of a package without `__init__.py`."""
    for finder in _FINDERS:
        path = OWN_PATH if finder is PathFinder else None
        spec = None
        with suppress(Exception):  # somebody's own finder, which is then asked when the module is loaded
            spec = finder.find_spec(module, path)
        if spec is not None:
            origin = [spec.origin] if spec.origin and spec.submodule_search_locations is None else []
            return [os.path.realpath(os.path.dirname(each)) for each in spec.submodule_search_locations or origin]
    return []
