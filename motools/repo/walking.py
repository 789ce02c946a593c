"""Where pipelines may lie: which folders are walked, and which of them have a params.yaml. Imports nothing of ours."""

from __future__ import annotations

import os
from collections.abc import Iterator

__all__ = ["MADE", "is_walked", "with_params"]

MADE = ("atoms", "runs", "logs", "metrics")
"""What a run makes in a pipeline's folder."""
_PARAMS = "params.yaml"
# Folders that hold no pipeline and are not worth walking.
_NOT_WALKED = {".git", ".hg", ".dvc", ".motools", "node_modules", "__pycache__", "site-packages"}


def is_walked(parent: str, name: str, outs: set[str]) -> bool:
    """Whether pipelines may lie below a folder: no output, atom, cache, environment of Python or other project."""
    path = os.path.join(parent, name)
    marks = ("atom.json", "CACHEDIR.TAG", "pyvenv.cfg", ".dvc/config")
    return name not in _NOT_WALKED and path not in outs and not any(os.path.exists(f"{path}/{mark}") for mark in marks)


def with_params(folder: str) -> Iterator[str]:
    """The folders below one, in which there is a params.yaml."""
    for parent, folders, files in os.walk(folder):
        if _PARAMS in files and parent != folder:
            yield parent
        outs = {os.path.join(parent, name) for name in MADE} if _PARAMS in files else set()
        folders[:] = sorted(name for name in folders if is_walked(parent, name, outs))
