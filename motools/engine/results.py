"""What a run tells of a step: its metrics, and what it used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from motools.atom import costs
from motools.atom.costs import Spent
from motools.engine.state import StepState
from motools.repo import pipeline
from motools.repo.settings import Settings


def used(state: StepState, folder: Path, settings: Settings) -> Spent | None:
    """What a step used in this run; None where it was not executed in it."""
    path = folder / pipeline.record_path(state.step_name)
    if state.status != "finished" or not path.is_file():
        return None
    record = json.loads(path.read_text(encoding="utf-8"))
    return costs.spent(record["usage"], record["config"], settings)


def as_dict(state: StepState, folder: Path, used: Spent | None = None) -> dict[str, Any]:
    """What `--json` says of a step, with the metrics that its folder has."""
    path = folder / pipeline.metrics_path(state.step_name)
    metrics = json.loads(path.read_text(encoding="utf-8")) if state.output_atoms and path.is_file() else {}
    return {
        "stage": state.step_name,
        "status": state.status,
        "seconds": state.seconds,
        "atoms": dict(state.output_atoms),
        "metrics": metrics,
        "used": used.as_dict() if used and used.tokens else None,
        "error": state.error,
        "log": str(state.log) if state.log else None,
    }
