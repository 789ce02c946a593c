"""Which pipelines a person means: folders that are one, and folders that hold some."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from motools.errors import ConfigError, ProjectError
from motools.repo import pipeline
from motools.repo.outs import is_walked
from motools.repo.project import Project

__all__ = ["is_pipeline", "pipelines_at", "pipelines_in"]


def is_pipeline(folder: Path) -> bool:
    """Whether a folder's params.yaml names a workflow; one that cannot be read counts, so that somebody says why."""
    try:
        return pipeline.read_params(folder) is not None
    except ConfigError:
        return True


def pipelines_in(project: Project, asked: Sequence[Path]) -> list[Path]:
    """The pipelines among folders, each once, in the order asked for: one that is none stands for all below it.

    Raises:
        ProjectError: a folder of another project, or without a pipeline in it or below.
    """
    found: dict[Path, None] = {}
    for path in asked:
        folder = path.resolve()
        if not folder.is_dir():
            raise ProjectError(f"There is no folder {path}.")
        if not folder.is_relative_to(project.root):
            raise ProjectError(f"{path} is not in the project at {project.root}: give folders of one project.")
        below = pipelines_at(folder)
        if not below:
            raise ProjectError(
                f"{path} has no {pipeline.PARAMS} that names a workflow, in it or below. Type `motools init {path}`, "
                "or `motools workflow run NAME --config FILE`."
            )
        found |= dict.fromkeys(below)
    return list(found)


def pipelines_at(folder: Path) -> list[Path]:
    """The folder where it is a pipeline, else all pipelines below it."""
    return [folder] if is_pipeline(folder) else sorted(_below(folder))


def _below(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        if pipeline.PARAMS in files and parent != str(folder) and is_pipeline(Path(parent)):
            yield Path(parent)
        outs = {os.path.join(parent, name) for name in _MADE} if pipeline.PARAMS in files else set()
        folders[:] = sorted(name for name in folders if is_walked(parent, name, outs))


_MADE: Iterable[str] = ("atoms", "runs", "logs", "metrics")
