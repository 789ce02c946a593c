"""A pipeline: a folder with params.yaml, dvc.yaml, dvc.lock and its outs. Where things lie in it, and nothing more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from motools.base import yaml12
from motools.errors import ConfigError

PARAMS = "params.yaml"
STAGES = "dvc.yaml"
LOCK = "dvc.lock"

_MENDED = "`git checkout` it, or delete it: what has run is in the cache, and `motools run` finds it there."


def atom_path(name: str) -> str:
    """Where an output or a workflow's input lies, relative to the pipeline's folder: `atoms/model`, and of an instance
    of a sweep `atoms/model/fraction=0.1/seed=2`."""
    return f"atoms/{in_folders(name)}"


def record_path(stage: str) -> str:
    return f"runs/{in_folders(stage)}.json"


def logs_path(stage: str) -> str:
    return f"logs/{in_folders(stage)}"


def metrics_path(stage: str) -> str:
    return f"metrics/{in_folders(stage)}.json"


def beside(stage: str) -> tuple[str, str, str]:
    """What a stage leaves beside its results: its record, logs and metrics."""
    return record_path(stage), logs_path(stage), metrics_path(stage)


def locked_outs(entry: Mapping[str, Any]) -> dict[str, str]:
    """Path -> MD5 of the outs of a stage's entry in a dvc.lock of any commit, as far as they can be read."""
    outs = entry.get("outs")
    readable = [out for out in outs if isinstance(out, Mapping)] if isinstance(outs, list) else []
    return {str(out.get("path")): str(out["md5"]) for out in readable if "md5" in out}


def in_folders(name: str) -> str:
    """The name of an instance, or what holds for one, as folders: `model/fraction=0.1/seed=2`."""
    return name.replace("@", "/").replace(",", "/")


def name_at(path: str) -> str:
    """The output that lies at a path, such as `atoms/model/fraction=0.1/seed=2`: what `atom_path` is of."""
    base, _, label = path.removeprefix("atoms/").partition("/")
    return f"{base}@{label.replace('/', ',')}" if label else base


@dataclass(frozen=True)
class Params:
    """params.yaml: which workflow the folder runs, one section a step, and what varies, where something does."""

    workflow: str
    sections: Mapping[str, Any]
    sweep: Any = None

    @property
    def config(self) -> dict[str, Any]:
        """All of it but the workflow's name."""
        return {**self.sections, **({"sweep": self.sweep} if self.sweep is not None else {})}


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
    return Params(workflow, content, content.pop("sweep", None))


def read_stages(folder: Path) -> dict[str, Any]:
    """The stages of the folder's dvc.yaml by name; empty where there is none."""
    path = folder / STAGES
    content = yaml12.load(path) or {}
    stages = content.get("stages") or {} if isinstance(content, dict) else None
    if not isinstance(stages, dict) or not all(isinstance(stage, dict) for stage in stages.values()):
        raise ConfigError(f"{path}: not a file of DVC's: it has no stages, or one that is no mapping.")
    return stages


def read_lock(folder: Path) -> dict[str, Any]:
    """The stages of the folder's dvc.lock by name; empty where there is none.

    Raises:
        ConfigError: it is no lock file of DVC, or damaged.
    """
    stages: dict[str, Any] = load_lock(folder / LOCK)["stages"]
    return stages


def load_lock(path: Path) -> dict[str, Any]:
    """A dvc.lock as it is, its `stages` and whatever stands beside them; raises what `read_lock` does."""
    try:
        content = yaml12.load(path) or {"schema": "2.0"}
    except yaml12.Conflicted as error:
        raise ConfigError(f"{error} Either side will do: `motools run` finds in the cache what has run.") from None
    except ConfigError as error:
        raise ConfigError(f"{error} {_MENDED}") from None
    if not isinstance(content, dict) or content.get("schema") != "2.0":
        raise ConfigError(f"{path} is not a lock file of DVC 2 or 3. {_MENDED}")
    stages = content.get("stages") or {}
    if not isinstance(stages, dict):
        raise ConfigError(f"{path} is damaged: its stages are no mapping. {_MENDED}")
    for stage, entry in stages.items():
        if not _is_entry(entry):
            raise ConfigError(f"{path} is damaged at the stage {stage}. {_MENDED}")
    return {**content, "stages": stages}


def _is_entry(entry: Any) -> bool:
    """Whether it is of the form that DVC gives a stage's entry."""
    if not isinstance(entry, dict) or not isinstance(params := entry.get("params", {}), dict):
        return False
    listings = [entry.get("deps", []), entry.get("outs", [])]
    return (
        all(isinstance(values, dict) for values in params.values())
        and all(isinstance(listing, list) for listing in listings)
        and all(_is_file(file) for listing in listings for file in listing)
    )


def _is_file(file: Any) -> bool:
    if not isinstance(file, dict) or not isinstance(file.get("path"), str):
        return False
    if "md5" not in file:  # of a custom stage, on a storage that has hashes of its own
        return True
    return isinstance(file["md5"], str) and isinstance(file.get("size"), int) and file.get("hash", "md5") == "md5"


def tracked(path: Path) -> str | None:
    """The hash of what `dvc add` was given under this path; None where it was not."""
    file = path.with_name(f"{path.name}.dvc")
    content = yaml12.load(file) if file.is_file() else None
    outs = content.get("outs") if isinstance(content, dict) else None
    return next((str(out["md5"]) for out in outs or [] if out.get("path") == path.name and "md5" in out), None)
