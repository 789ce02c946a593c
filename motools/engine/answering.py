"""Whether nothing has changed in any pipeline that is asked for: told from their snapshots, without reading YAML."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from motools.engine import snapshot
from motools.repo.walking import with_params

__all__ = ["unchanged_in"]


def unchanged_in(folders: Iterable[Path]) -> Mapping[str, list[dict[str, Any]]] | None:
    """What there is to say of each stage of the pipelines that folders are or hold, by the pipeline's name, if nothing
    has changed in any of them; None where that cannot be proven, or a folder is in no project, or in another one."""
    by_name: dict[str, list[dict[str, Any]]] = {}
    stats: dict[str, bytes] = {}  # most of what one pipeline rests on, such as what is installed, all do
    root = None
    for asked in folders:
        folder = asked.resolve()
        inside = list(_pipelines(folder))
        root = root or snapshot.find_root(folder)
        if root is None or not inside:
            return None
        for each in inside:
            proven = snapshot.unchanged(each, stats) if snapshot.find_root(each) == root else None
            if proven is None:
                return None
            by_name[each.relative_to(root).as_posix()] = proven
    return by_name


def _pipelines(folder: Path) -> Iterator[Path]:
    """As `pipelines_at` has them, and whatever else has a params.yaml: of that nothing can be proven."""
    if os.path.lexists(folder / "params.yaml"):
        yield folder
    else:
        yield from sorted(map(Path, with_params(str(folder))))
