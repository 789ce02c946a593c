"""The results of pipelines as one table: what each end is now, told from files alone, as `outdated` tells it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from motools.atom import costs
from motools.atom.records import Record
from motools.code.search_path import PipelineFolder
from motools.compiler.stage_graph import StageNode
from motools.definition.instances import axes_in, base_of, instance, label_of
from motools.engine import failures
from motools.engine.outdated import Folder
from motools.repo import pipeline
from motools.repo.dvc_locks import PathLocks
from motools.repo.pipelines import pipelines_in
from motools.repo.project import Project
from motools.repo.settings import Settings, read_settings
from motools.repo.survey import Survey
from motools.report.known_figures import Figures
from motools.report.rows import Row, State
from motools.report.table import Table

__all__ = ["results"]


def results(*folders: Path | str, stale: bool = False) -> Table:
    """The results of pipelines, a row for each end: what nothing else is made of, such as each evaluation of a sweep.

    Nothing is executed, nor fetched. What a workflow or a variable is as an object, only `motools status` can tell.

    Args:
        folders: pipelines, or folders that hold some (default: the current folder).
        stale: also the figures of results that are out of date, and what params.yaml asks for no more.

    Raises:
        ProjectError: a folder outside of any project, or in which there is no pipeline.
        ConfigError: one of its files cannot be read.
    """
    asked = [Path(folder) for folder in folders or (".",)]
    project = Project.find(asked[0])
    collector = _Collector(project, stale)
    rows = [row for folder in pipelines_in(project, asked) for row in collector.rows(folder)]
    collector.figures.save()
    lacking = collector.lacking
    notes = [f"{lacking} results are not at hand: `motools pull` brings them."] if lacking else []
    return Table(rows, collector.settings.currency, notes)


class _Collector:
    """Rows of one project's pipelines."""

    def __init__(self, project: Project, stale: bool) -> None:
        self._project, self._stale = project, stale
        self.settings: Settings = read_settings(project)
        self.figures = Figures(Survey(project))
        self.lacking = 0
        self._written = PathLocks(project.root).written

    def rows(self, folder: Path) -> Iterator[Row]:
        standing = Folder(self._project, folder)
        troubles = [*self._failed(folder), *self._running(folder, standing)]
        for end in standing.graph.ends:
            asked = [instance(end.name, label) for label in standing.instances[end.name]]
            others = [stage for stage in standing.stages if base_of(stage) == end.name and stage not in {*asked}]
            above = {end.name, *standing.graph.above[end.name]}
            for stage in [*asked, *(others if self._stale else [])]:
                state, why = self._state(stage, standing, [each for each in troubles if base_of(each[0]) in above])
                for name in self._made(stage, end, standing):
                    yield self._row(folder, stage, name, state, why, standing)

    def _made(self, stage: str, end: StageNode, standing: Folder) -> list[str]:
        """The outputs of a stage, of which one execution may make several of each."""
        paths = [str(out["path"]) for out in standing.locked(stage).get("outs", [])]
        made = [pipeline.name_at(path) for path in paths if path.startswith("atoms/")]
        return made or [instance(output, label_of(stage)) for output in end.outputs]

    def _state(
        self, stage: str, standing: Folder, troubles: Sequence[tuple[str, State, str]]
    ) -> tuple[State, tuple[str, ...]]:
        """What a stage is: what happens to it or to what it needs says more than what it was."""
        here = axes_in(stage).items()
        mine = [each for each in troubles if axes_in(each[0]).items() <= here]
        running = next((each for each in mine if each[1] == "running"), None)
        why = standing.why(stage) if standing.locked(stage) else None
        if running is not None:
            return "running", (running[2],)
        if why == []:
            return "current", ()
        if mine:
            return "failed", tuple(each[2] for each in mine)
        return ("not run", ()) if why is None else ("stale", tuple(why))

    def _failed(self, folder: Path) -> Iterator[tuple[str, State, str]]:
        """The stages that failed when they were last tried here: name, state, and why in words."""
        place = PipelineFolder(self._project, folder)
        for stage, failure in failures.failures_of(place).items():
            yield stage, "failed", failure.told(stage).replace("it failed", f"{stage} failed", 1)

    def _running(self, folder: Path, standing: Folder) -> Iterator[tuple[str, State, str]]:
        """The stages whose outputs a process that lives has claimed."""
        inside = [os.path.relpath(path, folder) for path in self._written() if Path(path).is_relative_to(folder)]
        stages = {
            pipeline.name_at(path.removeprefix("runs/").removesuffix(".json"))
            for path in inside
            if path.startswith("runs/")
        }
        for stage in sorted(stages):
            yield stage, "running", f"{stage} is running"

    def _row(self, folder: Path, stage: str, name: str, state: State, why: tuple[str, ...], standing: Folder) -> Row:
        output, axes = base_of(name), axes_in(name)
        outs = {out["path"]: str(out.get("md5", "")) for out in standing.locked(stage).get("outs", [])}
        md5 = outs.get(pipeline.atom_path(name), "").removesuffix(".dir")
        told = folder.relative_to(self._project.root).as_posix()
        row = Row(told, output, axes, state, why)
        if not md5 or (state != "current" and not self._stale):
            return row
        of_atom, record = self.figures.of(md5), standing.record(stage)
        self.lacking += of_atom is None
        return Row(
            told,
            output,
            axes,
            state,
            why,
            {} if of_atom is None else of_atom.figures,
            md5 if of_atom is None else f"{of_atom.kind}-{md5}",
            models=() if of_atom is None else of_atom.models,
            **self._about(record),
        )

    def _about(self, record: Record | None) -> Mapping[str, Any]:
        if record is None:
            return {}
        spent = costs.spent(record.usage, record.config, self.settings)
        return {"made": record.started, "seconds": record.seconds, "cost": spent.cost, "tokens": spent.tokens}
