"""What is made in a pipeline's folder, kept out of git."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from motools.base.files import replace_file
from motools.repo.project import Project

_MADE = ("atoms", "runs", "logs")
"""The folders of a pipeline in which all is DVC's, but for what keeps it so."""
_AS_IT_IS = "surrogateescape"  # a person's lines, in whichever encoding
_IGNORED = ("/*", "!/.gitignore", "!/*.dvc")


def ignore_made(project: Project, folder: Path, tops: Iterable[str]) -> None:
    """Have git ignore all that the pipeline of a folder makes in some of its folders: by a `.gitignore`, for all who
    have this branch, and in this clone, where another branch lacks that file and the outputs still lie about."""
    tops = sorted(set(tops) & set(_MADE))
    for top in tops:
        path = folder / top / ".gitignore"
        lines = path.read_text(encoding="utf-8", errors=_AS_IT_IS).splitlines() if path.exists() else []
        if not set(lines) >= set(_IGNORED):
            path.parent.mkdir(exist_ok=True)
            own = [line for line in lines if line not in _IGNORED]  # what a person added holds over it
            replace_file(path, "\n".join([*_IGNORED, *own]) + "\n", _AS_IT_IS)
    with suppress(OSError):  # a repository that may not be written to
        project.git.ignore_here(folder, [line.replace("/", f"/{top}/") for top in tops for line in _IGNORED])
