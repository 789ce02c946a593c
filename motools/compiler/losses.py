"""What a person has written that compiling would write over, and the copy that is kept of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from motools.base import yaml12
from motools.base.files import set_aside
from motools.compiler.compiled import Compiled
from motools.compiler.dvc_yaml import OUR_KEYS, body_of, grouped, is_written_here
from motools.compiler.plots import loses_plots
from motools.definition.instances import base_of
from motools.repo import pipeline


def kept_copy(path: Path, private: Path) -> str:
    return f"{path} said something else, which is kept as {set_aside(path, private / 'replaced', copy=True)}."


def loses_params(compiled: Compiled, folder: Path, text: str) -> bool:
    """Whether values or comments of params.yaml are not in its new text."""
    path = folder / pipeline.PARAMS
    before = yaml12.load(path)
    wanted = {"workflow": compiled.reference, **compiled.sections}
    return before is not None and (not holds(wanted, before) or _loses_comments(path, text))


def loses_stages(compiled: Compiled, folder: Path, text: str) -> bool:
    """Whether dvc.yaml has comments, or in generated stages what is not generated, that its new text has not."""
    locked: Mapping[str, Any] | None = None
    stages = grouped(compiled)
    for name, written in pipeline.read_stages(folder).items():
        if not is_written_here(written):
            continue
        stage, now = body_of(written), body_of(stages.get(name, {}))
        if not holds(now, {key: value for key, value in stage.items() if key not in OUR_KEYS}) or "wdir" in stage:
            return True
        if any(param != name and not str(param).startswith("sweep.") for param in stage.get("params") or []):
            return True
        outs = [*(stage.get("outs") or []), *(stage.get("metrics") or [])]
        paths = [next(iter(out), "") if isinstance(out, dict) else str(out) for out in outs]
        if not all(path.startswith(("atoms/", "runs/", "logs/", "metrics/")) for path in paths):
            return True
        gone = [d for d in stage.get("deps") or [] if d not in now.get("deps", []) and not d.startswith("atoms/")]
        if gone and now:  # of what a step has read, dvc.lock knows
            locked = pipeline.read_lock(folder) if locked is None else locked
            entries = [entry for each, entry in locked.items() if base_of(each) == name]
            dep_paths = [dep.get("path") for entry in entries for dep in entry.get("deps", [])]
            if not all(dep in dep_paths for dep in gone):
                return True
    written = yaml12.load(folder / pipeline.STAGES) or {}
    return loses_plots(compiled, written.get("plots")) or _loses_comments(folder / pipeline.STAGES, text)


def holds(now: Any, before: Any) -> bool:
    """Whether all values of a mapping are in another one; 1 and 1.0 are one value here."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        return all(name in now and holds(now[name], value) for name, value in before.items())
    return bool(now == before)


def _loses_comments(path: Path, text: str) -> bool:
    before = path.read_text(encoding="utf-8").splitlines()
    return any(comment not in text for line in before if (comment := line.partition("#")[2].strip()))


def is_of_something_else(compiled: Compiled, folder: Path) -> bool:
    """Whether there is a params.yaml of another workflow, or of no workflow at all."""
    before = yaml12.load(folder / pipeline.PARAMS)
    if before is None:
        return False
    params = pipeline.read_params(folder)
    return params.workflow != compiled.reference if params else not set(before) <= set(compiled.sections)
