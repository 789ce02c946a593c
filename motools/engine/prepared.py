"""A pipeline made ready: workflow found, compiled, inputs checked; and written where asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from motools.atom.atom import Atom
from motools.code.search_path import Place, place_of
from motools.compiler import compile
from motools.compiler.compiled import Compiled
from motools.compiler.find_workflow import load_workflow
from motools.compiler.input_atoms import checked_inputs, put_in_place
from motools.definition.sweep import with_values
from motools.definition.workflow import Workflow
from motools.errors import ConfigError
from motools.repo import pipeline

__all__ = ["Prepared", "install", "prepare", "prepare_folder"]


@dataclass(frozen=True)
class Prepared:
    """A pipeline ready to be planned or run: its compiled workflow, its input atoms by name, and where it is."""

    compiled: Compiled
    place: Place
    inputs: Mapping[str, Atom]


def prepare(
    workflow: Workflow, reference: str, place: Place, config: Any, input_atoms: Mapping[str, str] | None = None
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


def prepare_folder(folder: Path, values: Mapping[str, Sequence[Any]] | None = None) -> Prepared:
    """Compile the pipeline of a folder from its own params.yaml. Raises `UserError` where there is none.

    Args:
        values: of keys such as train_model.suffix, in place of those that params.yaml has; several are a sweep's.
    """
    place = place_of(folder)
    params = pipeline.read_params(place.folder)
    if params is None:
        raise ConfigError(
            f"{place.folder} has no {pipeline.PARAMS} that names a workflow. Type `motools init`, or "
            "`motools workflow run NAME --config FILE`."
        )
    workflow = load_workflow(params.workflow, place)
    return prepare(workflow, params.workflow, place, with_values(params.config, values or {}))
