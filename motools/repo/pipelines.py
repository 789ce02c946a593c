"""Which pipelines a person means: folders that are one, and folders that hold some."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from motools.errors import ConfigError, ProjectError, did_you_mean
from motools.repo import pipeline
from motools.repo.project import Project
from motools.repo.walking import with_params

__all__ = ["is_pipeline", "no_folder", "pipelines_at", "pipelines_in"]


def is_pipeline(folder: Path) -> bool:
    """Whether a folder's params.yaml names a workflow; one that cannot be read counts, so that somebody says why."""
    try:
        return pipeline.read_params(folder) is not None
    except ConfigError:
        return True


def no_folder(path: Path) -> str:
    """What is wrong with a path that is to be a pipeline's folder, and is none."""
    if path.exists():
        return f"{path} is a file: name the folder of its pipeline, {path.parent}."
    there = [each.name for each in path.parent.iterdir() if each.is_dir()] if path.parent.is_dir() else []
    hint = did_you_mean(path.name, there) or f" Type: mkdir -p {shlex.quote(str(path))}"
    return f"There is no folder {path}.{hint}"


def pipelines_in(project: Project, folders: Sequence[Path]) -> list[Path]:
    """The pipelines among folders, each once, in the order asked for: one that is none stands for all below it.

    Raises:
        ProjectError: a folder of another project, or without a pipeline in it or below.
    """
    pipelines: dict[Path, None] = {}
    for path in folders:
        folder = path.resolve()
        if not folder.is_dir():
            raise ProjectError(no_folder(path))
        if not folder.is_relative_to(project.root):
            raise ProjectError(f"{path} is not in the project at {project.root}: give folders of one project.")
        below = pipelines_at(folder)
        if not below:
            raise ProjectError(
                f"{path} has no {pipeline.PARAMS} that names a workflow, in it or below. Type `motools init {path}`, "
                "or `motools workflow run NAME --config FILE`."
            )
        pipelines |= dict.fromkeys(below)
    return list(pipelines)


def pipelines_at(folder: Path) -> list[Path]:
    """The folder where it is a pipeline, else all pipelines below it."""
    if is_pipeline(folder):
        return [folder]
    return sorted(below for each in with_params(str(folder)) if is_pipeline(below := Path(each)))
