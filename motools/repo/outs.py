"""The outputs that lock files name, in the work tree and in commits."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from motools.base import yaml12
from motools.errors import ConfigError


class Located(NamedTuple):
    """Where an output stands: its pipeline folder, its stage (None for a `.dvc` file), path and lock entry."""

    folder: Path
    stage: str | None
    path: str
    md5: str
    siblings: dict[str, str]  # path -> md5 of all outs of that stage


def is_within(path: Path, root: Path) -> bool:
    """Whether a path that a lock file names is one of the project's: what others wrote into it may lead anywhere."""
    path, root = Path(os.path.normpath(path)), root.resolve()
    path = path.parent.resolve() / path.name
    if path == root or not path.is_relative_to(root):
        return False
    return {".git", ".dvc"}.isdisjoint(part.lower() for part in path.relative_to(root).parts)


def located_in(path: Path, unread: list[str]) -> list[Located]:
    """Those of a file of the work tree; of one that cannot be read, a sentence for `unread`."""
    try:
        return list(_located(path, yaml12.load(path)))
    except ConfigError as error:
        unread.append(str(error))
    except OSError as error:
        unread.append(f"{path} cannot be read: {error}.")
    return []


def outs_in(path: Path, text: str) -> Iterator[Located]:
    """Those of what a file held at some time."""
    return _located(path, yaml12.loads(text, str(path)))


def _located(path: Path, content: Any) -> Iterator[Located]:
    content = {} if content is None else content
    try:
        stages: Mapping[Any, Any] = {None: content} if path.suffix == ".dvc" else content.get("stages") or {}
        for stage, entry in stages.items():
            hashed = [out for out in entry.get("outs") or [] if "md5" in out]
            outs = {str(out["path"]): str(out["md5"]) for out in hashed}
            for name, md5 in outs.items():
                yield Located(path.parent, None if stage is None else str(stage), name, md5, outs)
    except (AttributeError, TypeError, KeyError):
        raise ConfigError(f"{path}: not a DVC file.") from None
