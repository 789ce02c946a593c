"""A step's call: what it is asked to do and where, as one small value, and the key that it makes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from motools.atom.atom import Atom
from motools.code.search_path import PipelineFolder
from motools.compiler.step_code import StepCode, of_step
from motools.definition.config import without_idle
from motools.definition.instances import as_seen, base_of
from motools.definition.step import Step
from motools.definition.sweep import instances_of
from motools.definition.workflow import Workflow
from motools.errors import AtomError, ConfigError, a_kind
from motools.repo import pipeline, step_cache
from motools.repo.step_cache import roles_of

__all__ = ["StepCall", "make_call", "read_call", "step_key"]


@dataclass(frozen=True)
class StepCall:
    """What a step is asked to do, in the folder where its outputs go; small, and can be sent to a worker."""

    workflow: str  # the reference, as the stage's command has it
    name: str
    takes: Mapping[str, str]  # input name -> kind
    outputs: Mapping[str, str]  # output name -> kind
    keeps_logs: bool
    values: Mapping[str, Any]
    code: StepCode
    inputs: Mapping[str, str]  # input name -> atom id
    place: PipelineFolder
    key: str
    gathers: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        return self.place.folder

    def step_in(self, workflow: Workflow) -> Step:
        """The step of a workflow, as it was written, that this is a call of, or of an instance of which it is one."""
        return replace(workflow.step(base_of(self.name)), name=self.name, inputs=self.takes, outputs=self.outputs)

    @cached_property
    def roles(self) -> dict[str, str]:
        """Input name, as the step's function knows it -> role; and under "" the order of those of several kinds, which
        is in no key either."""
        roles = roles_of(as_seen(self.takes, self.gathers))
        return {**roles, "": ", ".join(roles.values())} if len({*self.takes.values()}) > 1 else roles

    @property
    def cache_slot(self) -> tuple[str, list[str], bool]:
        """What the step cache files a result under: command, outputs by role, logs."""
        return step_cache.step_command(self.key), list(roles_of(self.outputs).values()), self.keeps_logs


def make_call(
    reference: str,
    step: Step,
    values: Mapping[str, Any],
    code: StepCode,
    inputs: Mapping[str, str],
    place: PipelineFolder,
) -> StepCall:
    key = step_key(step, values, code, inputs)
    return StepCall(
        reference,
        step.name,
        step.inputs,
        step.outputs,
        step.keeps_logs,
        values,
        code,
        inputs,
        place,
        key,
        tuple(step.gathers),
    )


def read_call(reference: str, workflow: Workflow, name: str, place: PipelineFolder) -> StepCall:
    """What a step needs, from its pipeline's folder: its section of params.yaml and its input atoms.

    Raises:
        UserError: params.yaml is wrong or an input is missing or of the wrong kind.
    """
    workflow.step(base_of(name))
    params = pipeline.read_params(place.folder)
    if params is None or base_of(name) not in params.sections:
        raise ConfigError(
            f"{place.folder / pipeline.PARAMS} has no section {base_of(name)!r}. `motools run` writes it."
        )
    if params.sweep is None and not any(step.varies for step in workflow.steps):
        values = workflow.resolve({name: params.sections[name]}, only=name)[name]
    else:
        workflow, sections = instances_of(workflow, {**workflow.resolve(params.sections), "sweep": params.sweep})
        values = dict(sections.get(name, {}))
    step = workflow.step(name)
    inputs = {}
    for given, kind in step.inputs.items():
        atom = Atom.from_folder(place.folder / pipeline.atom_path(given), place.project)
        if atom.kind != kind:
            raise AtomError(
                f"The step {name!r} takes {given!r} as {a_kind(kind)}, but {atom.id} is {a_kind(atom.kind)}."
            )
        inputs[given] = atom.id
    return make_call(reference, step, values, of_step(step, values, place), inputs, place)


def step_key(step: Step, values: Mapping[str, Any], code: StepCode, inputs: Mapping[str, str]) -> str:
    """The key under which results are kept for ever.

    Args:
        inputs: input name -> atom id.
    """
    roles = roles_of(step.inputs)
    everything = {
        "function": code.function,
        "versions": dict(code.versions),
        "config": without_idle(step.config_class, values),
        "inputs": {roles[name]: atom for name, atom in inputs.items()},
        "outputs": list(roles_of(step.outputs).values()),
        "logs": step.keeps_logs,
    }
    return hashlib.sha256(json.dumps(everything, sort_keys=True).encode()).hexdigest()
