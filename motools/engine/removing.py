"""Removing an experiment: a pipeline's folder, or what instances of a sweep have left in one; decided, told, done."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from motools.atom import garbage
from motools.atom.garbage import Garbage
from motools.base import yaml12
from motools.base.files import replace_file
from motools.code.search_path import PipelineFolder, pipeline_folder
from motools.definition.instances import axes_in
from motools.engine import failures, snapshot
from motools.engine.prepared import prepare_folder
from motools.errors import ConfigError, ProjectError, listed
from motools.repo import pipeline
from motools.repo.outs import Located, is_within
from motools.repo.project import Project
from motools.repo.walking import MADE

__all__ = ["Removal", "plan_removal", "remove"]


@dataclass(frozen=True)
class Removal:
    """What is removed.

    Attributes:
        folder: the pipeline's.
        stages: instances of a sweep; None for the whole folder.
        paths: files and folders.
        garbage: what nothing needs then.
        unsaved: files among `paths` that no commit has as they are.
    """

    project: Project
    folder: Path
    stages: list[str] | None
    paths: list[Path]
    garbage: Garbage
    unsaved: list[str]


def plan_removal(experiment: str, commits: bool = True) -> Removal:
    """What removing a folder, or `FOLDER@axis=value,...`, would remove; nothing is written.

    Args:
        commits: keep objects of the cache that commits name.

    Raises:
        UserError: there is no such experiment, it is the project itself, or params.yaml still asks for it.
    """
    name, _, label = experiment.partition("@")
    folder = Path(name or ".").resolve()
    if not any((folder / file).is_file() for file in (pipeline.PARAMS, pipeline.STAGES, pipeline.LOCK)):
        raise ConfigError(f"{name or '.'} is no experiment: it has no {pipeline.PARAMS}. `motools rm experiments/a`.")
    place = pipeline_folder(folder)
    if label:
        return _of_instances(place, axes_in(f"@{label}"), label, commits)
    if folder == place.project.root:
        raise ConfigError(f"{folder} is the project itself. Name the folder of an experiment in it.")
    if folder in (Path.cwd(), *Path.cwd().parents):
        raise ConfigError(f"You are in {folder}. Go up first: cd {os.path.relpath(folder.parent)}.")
    gone = [out for out in place.project.outs() if out.folder.is_relative_to(folder)]
    unneeded = garbage.of_outs(place.project, gone, commits)
    return Removal(place.project, folder, None, [folder], unneeded, _unsaved(place.project, folder, gone))


def _of_instances(place: PipelineFolder, axes: Mapping[str, str], label: str, commits: bool) -> Removal:
    """What all instances have left for which this holds."""
    folder = place.folder
    locked = pipeline.read_lock(folder)
    stages = [stage for stage in locked if axes.items() <= axes_in(stage).items()]
    if not stages:
        labels = sorted({f"{axis}={text}" for stage in locked for axis, text in axes_in(stage).items()})
        told = f"It has some of {listed(labels, 12)}." if labels else "It has no sweep, and so none to tell apart."
        raise ConfigError(f"{folder} has no results of {label}. {told}")
    asked = {step.name for step in prepare_folder(folder).compiled.workflow.steps}
    if still := [stage for stage in stages if stage in asked]:
        raise ConfigError(
            f"{folder / pipeline.PARAMS} still asks for {still[0]}: take the value out of its sweep first, or write "
            f"exclude: [{{{', '.join(f'{axis}: {text}' for axis, text in axes.items())}}}] there."
        )
    gone = [out for out in place.project.outs() if out.folder == folder and out.stage in stages]
    paths = [folder / out.path for out in gone]
    paths += [folder / path for stage in stages for path in (pipeline.metrics_path(stage), pipeline.logs_path(stage))]
    unneeded = garbage.of_outs(place.project, gone, commits)
    if outside := [path for path in paths if not is_within(path, place.project.root)]:
        raise ProjectError(f"{folder / pipeline.LOCK} names {outside[0]}, which is no output of a project.")
    return Removal(place.project, folder, stages, sorted({path for path in paths if path.exists()}), unneeded, [])


def _unsaved(project: Project, folder: Path, outs: Sequence[Located]) -> list[str]:
    """Files of a folder that no commit has as they are, but for what its pipelines make."""
    words = ("status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", "--ignored", "--", str(folder))
    try:
        lines = os.fsdecode(project.git(*words)).split("\0")
    except ProjectError:  # no git
        return []
    made = {out.folder / out.path for out in outs} | {out.folder / name for out in outs for name in MADE}
    ignored = (line for line in lines if line.startswith("!!"))
    made_again = {line for line in ignored if "__pycache__" in line or _is_within(project.git.top / line[3:], made)}
    return [line[3:] for line in lines if line and not line.startswith(_GONE) and line not in made_again]


_GONE = (" D", "D ", "AD", "MD")
"""How git tells of a file that is not there any more."""


def _is_within(path: Path, paths: Set[Path]) -> bool:
    return not paths.isdisjoint((path, *path.parents))


def remove(removal: Removal) -> None:
    """Do it; the caller holds the lock of runs."""
    project, folder = removal.project, removal.folder
    snapshot.forget(project.root, folder)
    if removal.stages is None:
        for what in ("logs", "failed"):
            shutil.rmtree(project.private / what / folder.relative_to(project.root), ignore_errors=True)
        shutil.rmtree(folder)
    else:
        _drop_from_lock(folder, removal.stages)
        place = pipeline_folder(folder)
        for stage in removal.stages:
            failures.forget(place, stage)
            failures.log_path(place, stage).unlink(missing_ok=True)
        for path in removal.paths:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
            _drop_empty(path.parent)
    garbage.sweep(project, removal.garbage)


def _drop_from_lock(folder: Path, stages: list[str]) -> None:
    content = pipeline.load_lock(folder / pipeline.LOCK)
    for stage in stages:
        content["stages"].pop(stage, None)
    replace_file(folder / pipeline.LOCK, yaml12.dumps_lock(content))


def _drop_empty(path: Path) -> None:
    """Remove folders of instances that have nothing in them any more."""
    while "=" in path.name:
        with suppress(OSError):
            path.rmdir()
        path = path.parent
