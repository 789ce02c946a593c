"""A named experiment: a folder of its own whose params.yaml is another's with changes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from motools.code import references
from motools.code.search_path import PipelineFolder
from motools.compiler.find_workflow import load_workflow
from motools.compiler.params_yaml import params_text
from motools.engine.pipeline import Pipeline
from motools.engine.prepared import Changes, Prepared, params_of, prepare
from motools.errors import ConfigError
from motools.repo import pipeline
from motools.repo.pipelines import is_pipeline

__all__ = ["new_experiment"]

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
FOLDER = "experiments"
"""Where experiments of the pipeline at a project's root lie; those of any other lie beside it."""


@contextmanager
def new_experiment(place: PipelineFolder, name: str, changes: Changes) -> Iterator[Pipeline]:
    """The pipeline of a folder with changes, in a folder of another name, which goes where nothing is written into it.

    What its params.yaml says of files, by paths from the folder, it says of the same files; inputs are the same atoms.

    Raises:
        ConfigError: this cannot name a folder. When prepared: the folder is there with other parameters.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(f"--as {name}: an experiment is named with letters, digits, `.`, `_` and `-`.")
    above = place.project.root / FOLDER if place.folder == place.project.root else place.folder.parent
    there = PipelineFolder(place.project, above / name)

    def made() -> Prepared:
        params = params_of(place)
        workflow = load_workflow(params.workflow, place)
        config = _moved(changes.made(params.config, workflow), place, there)
        md5s = {name: pipeline.tracked(place.folder / pipeline.atom_path(name)) for name in workflow.inputs}
        inputs = {name: md5.removesuffix(".dir") for name, md5 in md5s.items() if md5 is not None}
        prepared = prepare(workflow, _moved(params.workflow, place, there), there, config, inputs)
        if is_pipeline(there.folder) and params_text(prepared.compiled, there.folder) is not None:
            raise ConfigError(
                f"--as {name}: {there.name} is there already, with other parameters. Give another name, or type "
                f"`motools run {os.path.relpath(there.folder)}` with what is to change in it."
            )
        return prepared

    new = [each for each in (above, there.folder) if not each.exists()]
    there.folder.mkdir(parents=True, exist_ok=True)  # what checks the steps looks for it
    try:
        yield Pipeline(there, made)
    finally:
        for folder in reversed(new):
            with suppress(OSError):  # it is not empty
                folder.rmdir()


def _moved(value: Any, place: PipelineFolder, there: PipelineFolder) -> Any:
    """A value of params.yaml in which texts that name a file of the project name it from another folder."""
    if isinstance(value, dict):
        return {name: _moved(each, place, there) for name, each in value.items()}
    if isinstance(value, list):
        return [_moved(each, place, there) for each in value]
    if not isinstance(value, str) or not value or os.path.isabs(value):
        return value
    reference = references.parse(value, place)
    if reference is not None:
        file, other = reference.file, references.parse(value, there)
        if file is None or not file.is_file() or (other is not None and other.file == file):
            return value
        return f"{_seen_from(there, file)}{value[-len(reference.name) - 1]}{reference.name}"
    if ("/" not in value and "." not in value) or not references.can_be_path(value):
        return value
    file = place.folder / value  # opened from there, since that is where steps are executed
    return _seen_from(there, file) if file.exists() else value


def _seen_from(place: PipelineFolder, path: Path) -> str:
    return Path(os.path.relpath(path, place.folder)).as_posix()
