"""The folder that an atom is: its data and what it says of itself."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from motools.errors import AtomError
from motools.repo.hashing import files_in

__all__ = ["write_atom"]

_NOT_DATA = {".git", ".hg", ".dvc", ".dvcignore"}


def write_atom(
    folder: Path,
    kind: str,
    made_from: Mapping[str, str],
    metadata: Mapping[str, Any],
    source: Path | None,
    workspace: Path | None = None,
) -> None:
    """Write an atom's files into a new folder, from a file or folder that is copied.

    Args:
        workspace: a folder whose files may be had without a copy: nobody will write to them.

    Raises:
        AtomError: the source does not exist, holds a link or something that is no file, or the metadata is not JSON.
    """
    folder.mkdir(parents=True)
    about = {"kind": kind, "made_from": dict(made_from), "metadata": dict(metadata)}
    try:
        text = json.dumps(about, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
        content = text.encode()
    except (TypeError, ValueError) as error:
        raise AtomError(f"The metadata of a {kind} is not JSON: {error}.") from None
    (folder / "atom.json").write_bytes(content)
    data = folder / "data"
    if source is None:
        return
    if not source.exists():
        raise AtomError(f"{source} does not exist.")
    check_files(source)
    right_in = source.parent == workspace and source.name != ".."  # and no link, as was just checked
    ours = workspace is not None and (right_in or source.resolve().is_relative_to(workspace.resolve()))
    made = None
    for file, name in files_in(source) if source.is_dir() else [(str(source), source.name)]:
        target = os.path.join(data, name)
        if made != (made := os.path.dirname(target)):
            os.makedirs(made, exist_ok=True)
        _take(file, target, ours)


def check_files(source: Path) -> None:
    """Raises `AtomError` where a file or folder holds what DVC does not keep, or keeps as something else."""
    _check_file(source, source.is_symlink(), source.is_file() or source.is_dir())
    folders = [str(source)] if source.is_dir() else []
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                is_folder = entry.is_dir()
                _check_file(entry, entry.is_symlink(), is_folder or entry.is_file())
                if entry.name in _NOT_DATA:
                    raise AtomError(f"{entry.path}: DVC does not keep what has the name {entry.name}. Give it another.")
                if is_folder:
                    folders.append(entry.path)


def _check_file(path: os.PathLike[str], is_link: bool, is_plain: bool) -> None:
    shown = os.fspath(path).encode(errors="backslashreplace").decode()
    if is_link or not is_plain:
        raise AtomError(f"{shown} is a link or no plain file: an atom holds files only.")
    if shown != os.fspath(path):
        raise AtomError(f"{shown}: its name is not UTF-8, and DVC could not read it again. Give it another.")


def _take(file: str, target: str, ours: bool) -> None:
    """A second name for a file, where it is ours alone and the file system can do it; else a copy."""
    if ours and os.stat(file).st_nlink == 1:
        with suppress(OSError):
            os.link(file, target)
            return
    shutil.copyfile(file, target)
