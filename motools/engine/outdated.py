"""Whether results are what their pipelines ask for now, told from files alone: nothing of a repository is executed.

It is what `dvc status` would say, but that a changed file counts only where the step has used what changed of it.
What a workflow or a function is as an object, and what variables hold, only `motools status` can tell.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from motools.atom import records
from motools.atom.records import Record
from motools.base import yaml12
from motools.base.values import flat, same_values
from motools.code import trace
from motools.code.search_path import PipelineFolder
from motools.code.world import World
from motools.compiler import dvc_yaml
from motools.compiler.stage_graph import StageGraph, graph_of
from motools.definition.axes import is_named
from motools.definition.instances import axes_in, base_of, label_of
from motools.definition.sweep import values_of_instances
from motools.engine.plan import MISSING, differences
from motools.errors import ConfigError
from motools.repo import pipeline
from motools.repo.file_hashes import FileHashes
from motools.repo.project import Project
from motools.repo.survey import Survey

__all__ = ["Folder", "reasons", "sentence"]

_UNREAD = "its files cannot be read"


def reasons(survey: Survey, text: str, folder: Path, md5: str) -> list[str]:
    """Why the result with this hash, which a text names in a folder, is out of date; empty where it is not.

    One that is named by its id is so where it is so wherever it stands; what no lock file names never is.
    """
    here, path = Folder(survey.project, folder), pipeline.atom_path(text)
    if path in here.makers:
        return here.why(here.makers[path])
    places = survey.outs.get(md5, [])
    named = os.path.normpath(folder / text)
    places = [out for out in places if os.path.normpath(out.folder / out.path) == named] or places
    told = [Folder(survey.project, out.folder).why(out.stage) if out.stage else [] for out in places]
    return told[0] if told and all(told) else []


def sentence(name: str, why: Sequence[str]) -> str:
    """For a person."""
    may = "may be" if any(each.startswith(_UNREAD) for each in why) else "is"
    more = f"; and {len(why) - 3} more" if len(why) > 3 else ""
    return f"{name} {may} out of date: {'; '.join(why[:3])}{more}. `motools status` says what a run would do."


class Folder:
    """The results of a pipeline's folder, as its files are when they are first looked at."""

    def __init__(self, project: Project, folder: Path) -> None:
        self._project, self._folder = project, folder
        self._why: dict[str, list[str]] = {}
        self._records: dict[str, Record | None] = {}
        self._digest = cache(self._digest_now)
        self._content = cache(yaml12.load)

    @cached_property
    def _locked(self) -> dict[str, Any]:
        try:
            return pipeline.read_lock(self._folder)
        except ConfigError:  # then nothing of it is shown
            return {}

    @cached_property
    def _stages(self) -> dict[str, Any]:
        return pipeline.read_stages(self._folder)

    @cached_property
    def _params(self) -> pipeline.Params | None:
        return pipeline.read_params(self._folder)

    @cached_property
    def graph(self) -> StageGraph:
        """The steps that dvc.yaml has."""
        return graph_of(self._stages)

    @cached_property
    def instances(self) -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
        """Step -> label of each instance that params.yaml asks for now -> the values that its sweep gives it."""
        return values_of_instances(self._params.sweep if self._params is not None else None, self.graph)

    def locked(self, stage: str) -> Mapping[str, Any]:
        """What dvc.lock has of a stage; empty where it has nothing."""
        entry: Mapping[str, Any] = self._locked.get(stage, {})
        return entry

    @property
    def stages(self) -> list[str]:
        """Those that dvc.lock has."""
        return list(self._locked)

    @cached_property
    def makers(self) -> dict[str, str]:
        """Path of an output -> the stage that dvc.lock has it from."""
        return {out["path"]: stage for stage, entry in self._locked.items() for out in entry.get("outs", [])}

    def why(self, stage: str) -> list[str]:
        """Why what a stage has made is out of date, in words."""
        if stage not in self._why:
            self._why[stage] = []  # where it waits for itself
            try:
                self._why[stage] = list(self._reasons(stage, self._locked.get(stage, {})))
            except (ConfigError, OSError, ValueError) as error:
                self._why[stage] = [f"{_UNREAD}: {error}".removesuffix(".")]
        return self._why[stage]

    def _reasons(self, stage: str, locked: Mapping[str, Any]) -> Iterator[str]:
        name = base_of(stage)  # of the stages of a matrix
        written = self._stages.get(name, {})
        base = self._folder / str(written.get("wdir", ""))
        if not locked or written.get("frozen") or "$" in str(written.get("wdir", "")):
            return
        if not written:
            yield f"{pipeline.STAGES} has no stage {name} any more"
            return
        command = self._command(stage, written)
        if command is not None and command != locked.get("cmd"):
            yield f"its command changed: {locked.get('cmd')} -> {command}"
        for file, before in locked.get("params", {}).items():
            yield from _parameters(base / file, self._content, before)
        if dvc_yaml.is_generated(locked.get("cmd")):
            yield from self._swept(stage, locked)
        yield from self._inputs(stage, locked, base)

    def _swept(self, stage: str, locked: Mapping[str, Any]) -> Iterator[str]:
        """What the sweep gives an instance now, and gave it otherwise: dvc.lock has the section that all share."""
        label, asked = label_of(stage), self.instances.get(base_of(stage), {"": {}})
        if label not in asked:
            sweep = "has no sweep any more" if self._params is None or self._params.sweep is None else "asks for others"
            yield f"{pipeline.PARAMS} {sweep}"
            return
        if not label or (record := self.record(stage)) is None:
            return
        step, axes = base_of(stage), axes_in(stage)
        section = self._params.sections.get(step, {}) if self._params is not None else {}
        varied = [f"{step}.{name}" for name in flat(record.config)]
        varied = [key for key in varied if any(is_named(axis, key) for axis in axes)]
        for key in dict.fromkeys([*asked[label], *varied]):
            before = _at(record.config, key)
            now = asked[label][key] if key in asked[label] else _at(section, key)
            if not _same(before, now):
                yield from differences(key, before, now)

    def record(self, stage: str) -> Record | None:
        """Of the execution that made what dvc.lock has of a stage, where it is at hand."""
        if stage not in self._records:
            outs = [out for out in self.locked(stage).get("outs", []) if out["path"].startswith("runs/")]
            recorded = next((out for out in outs if "md5" in out), None)
            path = recorded and self._folder / recorded["path"]
            self._records[stage] = recorded and records.read(self._project, recorded["md5"], path)
        return self._records[stage]

    def _command(self, name: str, written: Mapping[str, Any]) -> str | None:
        """What it is now; None where only DVC can put it together."""
        command = dvc_yaml.body_of(written).get("cmd")
        params = self._params if dvc_yaml.is_generated(command) else None
        if params is not None:
            gone = "do" in written and label_of(name) not in written.get("foreach", {})
            return dvc_yaml.command(params.workflow, base_of(name) if gone else name)
        return command if isinstance(command, str) and "$" not in command else None

    def _inputs(self, stage: str, locked: Mapping[str, Any], base: Path) -> Iterator[str]:
        changed = []
        for dep in locked.get("deps", []):
            path = os.path.normpath(os.path.join(base, dep["path"]))
            maker = self._maker(path)
            if maker is not None and self.why(maker):
                yield f"{dep['path']}, which {maker} has made, is out of date"
            elif "md5" in dep and self._now(path, maker) != dep["md5"]:
                changed.append(dep["path"])
        used = self._used(stage) if changed else None
        yield from (f"{path} changed" for path in changed) if used is None else used

    def _maker(self, path: str) -> str | None:
        """The stage here that has made a file, or the folder that it lies in."""
        name = os.path.relpath(path, self._folder)
        while name and name not in self.makers:
            name = os.path.dirname(name)
        return self.makers.get(name)

    def _now(self, path: str, maker: str | None) -> str | None:
        """What the lock files name, where that is a stage's output: it need not lie there."""
        for out in self._locked[maker].get("outs", []) if maker is not None else []:
            if os.path.join(self._folder, out["path"]) == path:
                return str(out.get("md5"))
        return self._digest(path)

    def _digest_now(self, path: str) -> str | None:
        out = self._index.folder(path) or self._index.file(path)
        return out.md5 if out is not None else pipeline.tracked(Path(path))

    @cached_property
    def _index(self) -> FileHashes:
        return FileHashes(self._project.private / "index.json", self._project.store.large)

    def _used(self, stage: str) -> list[str] | None:
        """What is not as its execution has used it; None where that left no trace."""
        record = self.record(stage)
        used = trace.from_dict(record.trace) if record is not None and record.trace else None
        if used is None:
            return None
        world = World(PipelineFolder(self._project, self._folder), self._digest)
        roles = {name: role for name, role in used.inputs.items() if role is not None}
        return world.changes(replace(used, env={}), roles)


def _at(section: Any, key: str) -> Any:
    """What stands under a key of a step in its section."""
    for part in key.split(".")[1:]:
        section = section.get(part, MISSING) if isinstance(section, Mapping) else MISSING
    return section


def _same(one: Any, other: Any) -> bool:
    """Whether a config may have made the one of the other: a whole number is a number, too."""
    numbers = [isinstance(each, (int, float)) and not isinstance(each, bool) for each in (one, other)]
    return bool(one == other) if all(numbers) else same_values(one, other)


def _parameters(path: Path, load: Callable[[Path], Any], before: Mapping[str, Any]) -> Iterator[str]:
    """What dvc.lock has of a file of parameters, by dotted names, and the file has otherwise."""
    if path.suffix not in (".yaml", ".yml", ".json"):
        return
    content = load(path)
    for name, value in before.items():
        now = content
        for part in [name] if isinstance(content, dict) and name in content else name.split("."):
            now = now.get(part, MISSING) if isinstance(now, dict) else MISSING
        yield from differences(name, value, now)
