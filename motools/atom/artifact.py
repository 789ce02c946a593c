"""An output of a pipeline as an artifact of DVC and GTO: a name in dvc.yaml that versions can be of."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

from motools.atom.atom import Atom
from motools.base import yaml12, yaml_edit
from motools.base.files import replace_file
from motools.errors import AtomError, UserError, listed
from motools.repo import pipeline
from motools.repo.survey import Survey

__all__ = ["Artifact", "declare"]

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9/_-]*[A-Za-z0-9])?")


class Artifact(NamedTuple):
    """A named output.

    Attributes:
        file: the dvc.yaml that says so.
        path: beside it.
        registered: how GTO names it, seen from the repository's top: `folder:name`.
    """

    name: str
    file: Path
    path: str
    kind: str
    registered: str


def declare(atom: Atom, folder: Path, name: str | None = None) -> Artifact:
    """Name an output in the dvc.yaml of its pipeline, that of the folder where several have made it.

    Args:
        name: by default the output's; of an instance of a sweep it has to be given.

    Raises:
        AtomError: no pipeline here makes it.
        UserError: it is no name for an artifact, or it is another output's already.
    """
    outs = [out for out in Survey(atom.project).outs.get(f"{atom.md5}.dir", ()) if out.stage is not None]
    here = [out for out in outs if out.folder.resolve() == folder.resolve()] or outs
    if not here:
        raise AtomError(f"No pipeline of the work tree makes {atom.id}: only outputs of stages are artifacts.")
    if len(here) > 1:
        raise AtomError(f"{atom.id} is {listed([f'{out.folder}/{out.path}' for out in here])}. Go into one's folder.")
    (out,) = here
    name = pipeline.name_at(out.path) if name is None else name
    if not _NAME.fullmatch(name):
        raise UserError(f"{name!r} is no name for an artifact: letters, digits, - and _. Give one as the second word.")
    path = out.folder / pipeline.STAGES
    text = path.read_text(encoding="utf-8")
    content = yaml12.loads(text, str(path)) or {}
    artifacts = content.get("artifacts") or {}
    before = artifacts.get(name) or {}
    if before.get("path") not in (None, out.path):
        raise UserError(f"{path} has an artifact {name!r}, of {before['path']}. Give this one another name.")
    content["artifacts"] = {**artifacts, name: {**before, "path": out.path, "type": atom.kind}}
    replace_file(path, yaml_edit.updated(text, content))
    inside = Path(os.path.relpath(out.folder.resolve(), atom.project.git.top)).as_posix()
    return Artifact(name, path, out.path, atom.kind, name if inside == "." else f"{inside}:{name}")
