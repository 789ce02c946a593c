"""YAML 1.2, read and written, quick and strict."""

from __future__ import annotations

from motools.base.yaml12.reading import Conflicted, compose, load, loads
from motools.base.yaml12.writing import dumps, dumps_lock

__all__ = ["Conflicted", "compose", "dumps", "dumps_lock", "load", "loads"]
