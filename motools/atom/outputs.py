"""The outputs of stages, as lock files and the step cache tell of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from motools.atom.atom import at_hand
from motools.errors import ConfigError, DamagedError, MotoolsError
from motools.repo import pipeline
from motools.repo.hashing import hash_file
from motools.repo.outs import Located
from motools.repo.project import Project
from motools.repo.survey import Survey

__all__ = ["Output"]


@dataclass(frozen=True)
class Output:
    """What a stage that a person wrote into dvc.yaml has made, as dvc.lock names it.

    Attributes:
        id: its path below the project's root.
        metadata: its stage, command and hash.
        made_from: path of a dependency -> the id of the atom or output that it is; else how dvc.lock names the file.
    """

    id: str
    project: Project
    md5: str
    metadata: Mapping[str, Any]
    made_from: Mapping[str, str]
    kind: str = "output"


class Outputs:
    """The outputs of stages, by their paths below the project's root."""

    def __init__(self, survey: Survey) -> None:
        self.survey, self.root = survey, survey.project.root
        self._stages = cache(stages_of)
        self._locked = cache(pipeline.read_lock)

    @cached_property
    def _located(self) -> dict[str, Located]:
        return {self._name(self._place(out) / out.path): out for out in self.survey.located if out.stage is not None}

    def _name(self, path: Path) -> str:
        return Path(os.path.relpath(os.path.normpath(path), self.root)).as_posix()

    def _place(self, out: Located) -> Path:
        """The folder that a stage's paths start from: the pipeline's, or the `wdir` that dvc.yaml gives the stage."""
        stage = self._stages(out.folder).get(str(out.stage).partition("@")[0])
        within = stage.get("wdir") if isinstance(stage, dict) else None
        return out.folder / within if isinstance(within, str) and "$" not in within else out.folder

    def above(self, path: Path) -> Located | None:
        """The output that a path is, or lies in."""
        name = self._name(path)
        names = [name, *(parent.as_posix() for parent in Path(name).parents)]
        return next((self._located[each] for each in names if each in self._located), None)

    def at(self, id: str) -> Output | None:
        """The output of a path that `Output.made_from` names; None where it is no path of one."""
        out = self._located.get(id)
        return self.of(out) if out is not None and not is_atom(out) else None

    def of(self, out: Located) -> Output:
        entry = self._locked(out.folder).get(str(out.stage), {})
        made_from = {}
        for dep in entry.get("deps") or []:
            if isinstance(dep, dict) and "path" in dep:
                made_from[str(dep["path"])] = self._origin(self._place(out) / str(dep["path"]), str(dep.get("md5", "")))
        about = {"stage": out.stage, "command": entry.get("cmd"), "md5": out.md5}
        return Output(self._name(self._place(out) / out.path), self.survey.project, out.md5, about, made_from)

    def _origin(self, path: Path, md5: str) -> str:
        """The id of what a dependency is now; where that is no longer what the stage has read, the file as it was."""
        source, name = self.above(path), self._name(path)
        if source is None:
            return f"{name} ({md5 or 'no hash'})"
        inside = os.path.relpath(path, self._place(source) / source.path)
        if md5 != (source.md5 if inside == "." else self._md5_in(source, Path(inside).as_posix())):
            return f"{name} ({md5}, which {source.stage} has made anew)"
        if not is_atom(source):
            return self._name(self._place(source) / source.path)
        try:
            atom = at_hand(self.survey, source.md5.removesuffix(".dir"))
        except DamagedError:
            atom = None
        return atom.id if atom is not None else f"{name} ({md5})"

    def _md5_in(self, source: Located, inside: str) -> str | None:
        try:
            return self.survey.project.store.tree(source.md5).get(inside)
        except (FileNotFoundError, MotoolsError):
            path = self._place(source) / source.path / inside
            return hash_file(path) if path.is_file() else None


def is_atom(out: Located) -> bool:
    return (
        out.path.startswith("atoms/")
        and out.path == pipeline.atom_path(pipeline.name_at(out.path))
        and (out.md5.endswith(".dir"))
    )


def stages_of(folder: Path) -> Mapping[str, Any]:
    try:
        return pipeline.read_stages(folder)
    except ConfigError:
        return {}
