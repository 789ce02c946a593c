"""A pipeline: a folder with params.yaml, dvc.yaml, dvc.lock and its outs. Where things lie in it, and nothing more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from motools import yaml12
from motools.errors import ConfigError

PARAMS = "params.yaml"
STAGES = "dvc.yaml"
LOCK = "dvc.lock"


def atom_path(name: str) -> str:
    """Where an output or a workflow's input lies, relative to the pipeline's folder."""
    return f"atoms/{name}"


def record_path(stage: str) -> str:
    return f"runs/{stage}.json"


def logs_path(stage: str) -> str:
    return f"logs/{stage}"


def metrics_path(stage: str) -> str:
    return f"metrics/{stage}.json"


@dataclass(frozen=True)
class Params:
    """params.yaml: which workflow the folder runs, and one section a step."""

    workflow: str
    sections: Mapping[str, Any]


def read_params(folder: Path) -> Params | None:
    """The folder's params.yaml, or None where there is none or it names no workflow.

    Raises:
        ConfigError: it is not YAML with a text under `workflow`.
    """
    path = folder / PARAMS
    content = yaml12.load(path)
    if content is None:
        return None
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected one section a step, found {type(content).__name__}.")
    if "workflow" not in content:
        return None
    workflow = content.pop("workflow")
    if not isinstance(workflow, str):
        raise ConfigError(f"{path}: workflow must be a name or path/to/file.py:name, not {workflow!r}.")
    return Params(workflow, content)


def read_stages(folder: Path) -> dict[str, Any]:
    """The stages of the folder's dvc.yaml by name; empty where there is none."""
    return _stages(folder / STAGES)


def read_lock(folder: Path) -> dict[str, Any]:
    """The stages of the folder's dvc.lock by name; empty where there is none."""
    return _stages(folder / LOCK)


def _stages(path: Path) -> dict[str, Any]:
    content = yaml12.load(path) or {}
    stages = content.get("stages") or {} if isinstance(content, dict) else None
    if not isinstance(stages, dict) or not all(isinstance(stage, dict) for stage in stages.values()):
        raise ConfigError(f"{path}: not a file of DVC's: it has no stages, or one that is no mapping.")
    return stages


def tracked(path: Path) -> str | None:
    """The hash of what `dvc add` was given under this path; None where it was not."""
    file = path.with_name(f"{path.name}.dvc")
    content = yaml12.load(file) if file.is_file() else None
    outs = content.get("outs") if isinstance(content, dict) else None
    return next((str(out["md5"]) for out in outs or [] if out.get("path") == path.name and "md5" in out), None)
