"""A workflow with a complete config, and what its stages are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from motools.compiler.step_code import StepCode
from motools.definition.workflow import Workflow


@dataclass(frozen=True)
class Compiled:
    """A workflow with its config, ready to be written into a folder.

    Attributes:
        reference: how `motools step run` finds the workflow.
        config: step name -> complete section.
        codes: step name -> the part of its key that the workflow gives.
        stages: the content of dvc.yaml; what a stage depends on is known better when it has run (`set_deps`).
        source: the file that defines the workflow, where that is the project's.
    """

    workflow: Workflow
    reference: str
    config: Mapping[str, Mapping[str, Any]]
    codes: Mapping[str, StepCode]
    stages: dict[str, Any]
    source: Path | None = None
