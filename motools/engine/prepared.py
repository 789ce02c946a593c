"""A pipeline made ready: workflow found, compiled, inputs checked; and written where asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from motools.atom.atom import Atom
from motools.code.search_path import PipelineFolder, pipeline_folder
from motools.compiler import compile
from motools.compiler.compiled import Compiled
from motools.compiler.find_workflow import load_workflow
from motools.compiler.input_atoms import checked_inputs, put_in_place
from motools.definition.config_changes import key_of_seeds, with_seeds, with_values
from motools.definition.workflow import Workflow
from motools.errors import ConfigError
from motools.repo import pipeline
from motools.repo.pipelines import pipelines_at, pipelines_in
from motools.repo.project import Project

__all__ = ["Changes", "Prepared", "install", "params_of", "places_of", "prepare", "prepare_folder"]


@dataclass(frozen=True)
class Prepared:
    """A pipeline ready to be planned or run: its compiled workflow, its input atoms by name, and where it is."""

    compiled: Compiled
    place: PipelineFolder
    inputs: Mapping[str, Atom]

    def within(self, project: Project) -> Prepared:
        """The same, looking at the project through this one, with all that it has looked up."""
        return replace(self, place=replace(self.place, project=project))


def prepare(
    workflow: Workflow, reference: str, place: PipelineFolder, config: Any, input_atoms: Mapping[str, str] | None = None
) -> Prepared:
    """Compile a workflow for a folder, and find its inputs; writes nothing. Raises `UserError`."""
    compiled = compile.compile_workflow(workflow, reference, config, place)
    return Prepared(compiled, place, checked_inputs(workflow, place, input_atoms or {}))


def install(prepared: Prepared) -> list[str]:
    """Write a pipeline's folder: params.yaml, dvc.yaml, input atoms; only what changes.

    Returns:
        A sentence for all that a person had there in its place: where it is now.
    """
    place = prepared.place
    kept = compile.write(prepared.compiled, place.folder, place.project.private)
    for name, atom in prepared.inputs.items():
        kept += put_in_place(atom, name, place)
    return kept


@dataclass(frozen=True)
class Changes:
    """What is to stand in a params.yaml in place of what it has.

    Attributes:
        values: of keys such as train_model.suffix; several are a sweep's.
        seeds: with how many seeds to train, in a sweep.
    """

    values: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    seeds: int | None = None

    def made(self, config: Mapping[str, Any], workflow: Workflow) -> dict[str, Any]:
        """A config with them; raises `ConfigError`."""
        changed = with_values(config, self.values, workflow)
        if self.seeds is None:
            return changed
        if key := key_of_seeds(self.values, workflow):
            raise ConfigError(
                f"--seeds {self.seeds} and --set {key} both say which seeds to train with: leave one of them out."
            )
        return with_seeds(changed, self.seeds, workflow)


def prepare_folder(folder: Path, changes: Changes | None = None) -> Prepared:
    """Compile the pipeline of a folder from its own params.yaml. Raises `UserError` where there is none."""
    place = pipeline_folder(folder)
    params = params_of(place)
    workflow = load_workflow(params.workflow, place)
    return prepare(workflow, params.workflow, place, (changes or Changes()).made(params.config, workflow))


def params_of(place: PipelineFolder) -> pipeline.Params:
    """A folder's params.yaml; raises `ConfigError` where it has none that names a workflow."""
    params = pipeline.read_params(place.folder)
    if params is None:
        raise ConfigError(
            f"{place.folder} has no {pipeline.PARAMS} that names a workflow. Type `motools init`, or "
            "`motools workflow run NAME --config FILE`."
        )
    return params


def places_of(folders: Sequence[Path]) -> list[PipelineFolder]:
    """The pipelines that folders are or hold, each once. One folder alone may be none: whoever prepares it says so.

    Raises:
        ConfigError: there is no such folder.
        ProjectError: several, of which one is none and holds none, or lies in another project.
    """
    places = [pipeline_folder(folder) for folder in folders]
    pipelines = pipelines_in(places[0].project, folders) if len(places) > 1 else pipelines_at(places[0].folder)
    return [pipeline_folder(folder) for folder in pipelines] or places
