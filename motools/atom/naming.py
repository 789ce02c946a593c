"""Results by where they stand: a pipeline's folder, a stage, an output or a path, now or at a commit (`REV:folder`)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from motools.base import yaml12
from motools.errors import AtomError, ConfigError, ProjectError
from motools.repo import pipeline
from motools.repo.project import Project

__all__ = ["Named", "at_both", "named"]

_BOTH = re.compile(r"(?P<one>[^:]*[^:./])\.\.(?P<other>[^:./][^:]*)(?::(?P<what>.*))?")


@dataclass(frozen=True)
class Named:
    """A result by its hash, and what it is called where it stands: `eval_results@seed=0`."""

    name: str
    md5: str

    @property
    def axes(self) -> dict[str, str]:
        return _split(self.name)[1]


def at_both(text: str, folder: Path) -> list[str] | None:
    """`["main:folder", "HEAD:folder"]` of `main..HEAD:folder`; of `main..HEAD` alone what stands in the folder itself.

    None where the text is no such range.
    """
    match = _BOTH.fullmatch(text)
    if match is None or (folder / text).exists():
        return None
    return [f"{rev}:{match['what'] or '.'}" for rev in (match["one"], match["other"])]


def named(text: str, folder: Path) -> list[Named]:
    """The atoms that a text names by where they stand; none where it names no such place.

    A folder names the ends of its pipeline: what nothing else there is made of. A stage, or an output, of which a sweep
    makes several, names all of them; `evaluate_model@seed=0` those where that holds.

    Raises:
        AtomError: there is no such commit, or nothing of that name at it.
    """
    rev, colon, rest = text.partition(":")
    try:
        project = Project.find(folder)
    except ProjectError:
        return []
    if not colon:
        return list(_at(_WorkTree(), project, folder, text))
    commit = _commit(project, rev)
    matches = list(_at(_Commit(project, commit), project, folder, rest or "."))
    if not matches:
        raise AtomError(
            f"{text}: at {rev} ({commit[:10]}) no lock file names {rest or 'this folder'}. Write REV:FOLDER, REV:STAGE "
            "or the path of an output, seen from here."
        )
    return matches


class _WorkTree:
    """Files as they are."""

    def text(self, path: Path) -> str | None:
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None


class _Commit:
    """Files as a commit has them."""

    def __init__(self, project: Project, commit: str) -> None:
        self._git, self._commit = project.git, commit

    @cached_property
    def _files(self) -> set[str]:
        return set(
            os.fsdecode(self._git("ls-tree", "-r", "-z", "--name-only", "--full-tree", self._commit)).split("\0")
        )

    def text(self, path: Path) -> str | None:
        name = Path(os.path.relpath(path, self._git.top)).as_posix()
        if name not in self._files:
            return None
        return self._git("cat-file", "blob", f"{self._commit}:{name}").decode(errors="replace")


def _commit(project: Project, rev: str) -> str:
    try:
        return project.git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}").decode().strip()
    except ProjectError:
        raise AtomError(f"git knows no commit {rev!r}. `git log` and `git branch` show those there are.") from None


def _at(files: _WorkTree | _Commit, project: Project, folder: Path, text: str) -> Iterator[Named]:
    """What a text names, seen from a folder: in its own pipeline, else in that of a folder that a path leads into."""
    target = Path(os.path.normpath(folder.resolve() / text))
    own = _stages(files, folder.resolve())
    if text != "." and (matches := _matching(own, text)):
        yield from matches
        return
    for place in (target, *target.parents):
        if not place.is_relative_to(project.root):
            return
        inside = Path(os.path.relpath(target, place)).as_posix()
        if matches := _matching(_stages(files, place), inside):
            yield from matches
            return


def _stages(files: _WorkTree | _Commit, folder: Path) -> Mapping[str, Any]:
    """What a folder's dvc.lock has of the stages that its dvc.yaml has, too; of others nothing is asked any more."""
    text, written = files.text(folder / pipeline.LOCK), files.text(folder / pipeline.STAGES)
    if text is None:
        return {}
    try:
        locked = (yaml12.loads(text, str(folder / pipeline.LOCK)) or {}).get("stages") or {}
        stages = (yaml12.loads(written, str(folder / pipeline.STAGES)) or {}).get("stages") if written else None
        return {name: entry for name, entry in locked.items() if stages is None or _is_written(name, stages)}
    except (ConfigError, AttributeError, TypeError):
        return {}


def _is_written(name: str, stages: Mapping[str, Any]) -> bool:
    base, _, label = name.partition("@")
    group = stages.get(base)
    several = group.get("foreach") if isinstance(group, dict) else None
    return group is not None and (label in several if isinstance(several, dict) else True)


def _matching(stages: Mapping[str, Any], text: str) -> list[Named]:
    """The atoms among stages' outputs that a text names: `.` for the ends, a stage, an output, or a path in one."""
    outs = [
        (stage, str(out["path"]), str(out["md5"]).removesuffix(".dir"))
        for stage, entry in stages.items()
        for out in entry.get("outs") or []
        if str(out.get("path")).startswith("atoms/") and str(out.get("md5")).endswith(".dir")
    ]
    if text == ".":
        taken = {str(dep.get("path")) for entry in stages.values() for dep in entry.get("deps") or []}
        return [Named(pipeline.name_at(path), md5) for _, path, md5 in outs if path not in taken]
    paths = (pipeline.atom_path(text), text)
    exact = [each for each in outs if each[0] == text or each[1] in paths or text.startswith(f"{each[1]}/")]
    base, axes = _split(text)
    fitting = [
        (stage, path, md5)
        for stage, path, md5 in outs
        for own in (stage, pipeline.name_at(path))
        if _split(own)[0] == base and axes.items() <= _split(own)[1].items()
    ]
    by_path = {path: Named(pipeline.name_at(path), md5) for _, path, md5 in exact or fitting}
    return [*by_path.values()]


def _split(name: str) -> tuple[str, dict[str, str]]:
    base, _, label = name.partition("@")
    return base, dict(part.split("=", 1) for part in label.split(",") if "=" in part)
