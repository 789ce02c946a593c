"""A workflow with a complete config, and what its stages are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from motools.compiler.step_code import StepCode
from motools.definition.instances import axes_in, base_of
from motools.definition.workflow import Workflow


@dataclass(frozen=True)
class Compiled:
    """A workflow with its config, ready to be written into a folder.

    Attributes:
        reference: how `motools step run` finds the workflow.
        config: step name -> complete section; where a sweep makes several of a step, of each instance.
        sections: what params.yaml says beside the workflow: a complete section a step, and the sweep.
        codes: step name -> the part of its key that the workflow gives.
        stages: the content of dvc.yaml; what a stage depends on is known better when it has run (`set_deps`).
        source: the file that defines the workflow, where that is the project's.
    """

    workflow: Workflow
    reference: str
    config: Mapping[str, Mapping[str, Any]]
    codes: Mapping[str, StepCode]
    stages: dict[str, Any]
    sections: Mapping[str, Any]
    source: Path | None = None

    def params_of(self, name: str) -> dict[str, Any]:
        """What params.yaml says that a stage depends on, as dvc.lock has it."""
        base, arm = base_of(name), axes_in(name).get("arm")
        of_arm = {} if arm is None else {f"sweep.arms.{arm}": self.sections["sweep"]["arms"][arm]}
        return {base: self.sections[base], **of_arm}
