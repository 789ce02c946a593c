"""What is refused before anything starts: what the steps themselves say of the config that they would be executed with.

`motools.engine.checks` is where commands ask for both: first all checks, then, in workers, all rehearsals.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from motools.base.configs import parse
from motools.code.search_path import PipelineFolder
from motools.compiler.compiled import Compiled
from motools.compiler.find_workflow import load_workflow
from motools.definition.context import StepContext, executing, working_in
from motools.definition.sweep import instances_of
from motools.definition.workflow import Workflow
from motools.errors import ConfigError, MotoolsError
from motools.repo import pipeline

__all__ = ["check_steps", "rehearse_steps"]


def check_steps(compiled: Compiled, place: PipelineFolder, names: Iterable[str]) -> None:
    """Let steps refuse the config that they would be executed with.

    That is what `compile_workflow` cannot know: a backend's hyperparameters and options, an entry that only a
    registry knows, a key that is not in the environment.

    Raises:
        UserError: with what the first of them refuses.
    """
    _let_refuse(compiled.workflow, compiled.config, place, names)


def rehearse_steps(reference: str, sections: Mapping[str, Any], place: PipelineFolder, names: Iterable[str]) -> None:
    """The same with what only trying can tell, in a worker's process, where the workflow has to be found again.

    What needs an atom of the pipeline, which a run will make, cannot be told yet, and is let pass.

    Raises:
        ConfigError: with what the first step refuses, or with what it failed with.
    """
    with place.importable():
        workflow, config = instances_of(load_workflow(reference, place), sections)
    for name in names:
        context = StepContext("rehearsal", name, place.folder, place.project)  # which code may ask for
        try:
            with executing(context):
                _let_refuse(workflow, config, place, [name], rehearse=True)
        except MotoolsError as error:
            path = _lacking(error, place)
            if path is not None and path.is_relative_to(place.folder / pipeline.atom_path("")):
                continue
            bring = _how_to_bring(path, place.project.root) if path is not None else ""
            raise ConfigError(f"{error}{bring}") from None  # whatever it is, nothing has run


def _let_refuse(
    workflow: Workflow,
    config: Mapping[str, Mapping[str, Any]],
    place: PipelineFolder,
    names: Iterable[str],
    rehearse: bool = False,
) -> None:
    with place.importable(), working_in(place.folder):  # where the steps themselves will run
        for name in names:
            workflow.refuse(name, lambda of: parse(workflow.step(of).config_class, config[of], of), rehearse)


def _lacking(error: BaseException | None, place: PipelineFolder) -> Path | None:
    """The file that is not there, where that is what an error is due to."""
    while error is not None:
        if isinstance(error, FileNotFoundError) and error.filename is not None:
            return Path(os.path.abspath(place.folder / os.fsdecode(error.filename)))
        error = error.__cause__ or error.__context__
    return None


def _how_to_bring(path: Path, root: Path) -> str:
    """What brings a file that `dvc add` tracks, as a sentence; "" where nothing does."""
    around = [each for each in (path, *path.parents) if root in each.parents]
    tracked_path = next((each for each in around if pipeline.tracked(each)), None)
    return "" if tracked_path is None else f" `dvc pull {os.path.relpath(tracked_path, root)}.dvc` brings it."
