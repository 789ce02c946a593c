"""What a page is about: the evaluations, models and datasets of pipelines, as their lock files name them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from motools.atom import records
from motools.atom.atom import Atom, EvalAtom, at_hand
from motools.atom.comparison import Comparison, compare
from motools.atom.eval_differences import Arm
from motools.atom.lineage import Ancestry, trace
from motools.atom.outputs import is_atom
from motools.atom.records import Record
from motools.atom.trainings import dose_above, training_of
from motools.base.values import flat
from motools.definition.instances import axes_in
from motools.errors import AtomError, ConfigError, DamagedError, ProjectError, did_you_mean
from motools.repo import pipeline
from motools.repo.outs import Located
from motools.repo.project import Project
from motools.repo.survey import Survey

__all__ = ["Entry", "Group", "Results", "axes_of", "collect", "folders_of"]

Why = Callable[[Path, str], Sequence[str]]
"""Why what a stage of a folder has made is out of date, in words; nothing where it is not."""


@dataclass(frozen=True)
class Entry:
    """A result where it stands.

    Attributes:
        folder: the pipeline's, below the project's root.
        axes: what varies: the axes of a sweep's instance, and the dose of its dataset.
        why: why it is out of date.
    """

    atom: Atom
    folder: str
    stage: str
    output: str
    record: Record | None
    axes: Mapping[str, str] = field(default_factory=dict)
    why: tuple[str, ...] = ()


@dataclass(frozen=True)
class Group:
    """Evaluations of the same tasks, side by side; the first arm is what the others are compared with."""

    tasks: tuple[str, ...]
    arms: tuple[Arm, ...]
    entries: Mapping[str, list[Entry]]
    comparison: Comparison
    fixed: frozenset[str]
    in_distribution: bool = False


@dataclass
class Results:
    """Everything that a page may tell of."""

    project: Project
    survey: Survey
    folders: list[Path]
    entries: list[Entry]
    missing: list[str]
    control: str | None = None
    in_distribution: Sequence[str] = ()

    @cached_property
    def evaluations(self) -> list[Entry]:
        """Those of answers, each once wherever it stands; not comparisons of evaluations, which have no samples."""
        by_id: dict[str, Entry] = {}
        for entry in self.entries:
            derived = any(id.startswith("eval-") for id in entry.atom.made_from.values())
            if isinstance(entry.atom, EvalAtom) and entry.atom.metrics and not (derived and not entry.atom.samples()):
                by_id.setdefault(entry.atom.id, entry)
        return [*by_id.values()]

    def of_kind(self, kind: str) -> list[Entry]:
        """Each once, in the order of the pipelines."""
        by_id: dict[str, Entry] = {}
        for entry in self.entries:
            if entry.atom.kind == kind:
                by_id.setdefault(entry.atom.id, entry)
        return [*by_id.values()]

    @cached_property
    def groups(self) -> list[Group]:
        """One for each set of tasks; raises `AtomError` for a control that is no arm."""
        of_tasks: dict[tuple[str, ...], list[Entry]] = {}
        for entry in self.evaluations:
            assert isinstance(entry.atom, EvalAtom)
            tasks = tuple(task for task in entry.atom.metrics)
            of_tasks.setdefault(tasks, []).append(entry)
        groups = [self._group(tasks, entries) for tasks, entries in of_tasks.items()]
        names = list(dict.fromkeys(name for group in groups for name in group.entries))
        if self.control is not None and self.control not in names:
            raise AtomError(
                f"--control {self.control}: there is no such arm.{did_you_mean(self.control, names)} "
                f"There are: {', '.join(names)}."
            )
        return sorted(groups, key=lambda group: not group.in_distribution)

    def _group(self, tasks: tuple[str, ...], entries: list[Entry]) -> Group:
        arms: dict[str, list[Entry]] = {}
        models: dict[str, set[str]] = {}
        fixed = set()
        for entry in entries:
            assert isinstance(entry.atom, EvalAtom)
            training, name = training_of(entry.atom), self.name_of(entry)
            if training.model is not None and training.model in models.get(name, set()):
                name = f"{name} ({entry.stage})"  # another evaluation of the same model
            models.setdefault(name, set()).add(str(training.model))
            arms.setdefault(name, []).append(entry)
            if training.fixed:
                fixed.add(name)
        bases = [name for name in arms if name in fixed]
        first = [self.control] if self.control in arms else bases[:1]
        arms = {name: arms[name] for name in dict.fromkeys([*first, *arms])}
        compared = [
            Arm(*(each.atom for each in members if isinstance(each.atom, EvalAtom)), name=name)
            for name, members in arms.items()
        ]
        inside = all(task in self.in_distribution for task in tasks)
        return Group(tasks, tuple(compared), arms, compare(compared), frozenset(fixed), inside)

    def name_of(self, entry: Entry) -> str:
        """What an evaluation is called: its folder, its output, and what varies but the seed."""
        words = [entry.output.partition("@")[0]]
        if len(self.folders) > 1:
            words[0] = f"{entry.folder}/{words[0]}"
        words += [f"{axis}={value}" for axis, value in entry.axes.items() if axis != "seed"]
        return " ".join(words)

    def ancestry(self, entry: Entry) -> Ancestry:
        """What it was made from; looked up once."""
        if entry.atom.id not in self._traced:
            self._traced[entry.atom.id] = trace(entry.atom, self.survey)
        return self._traced[entry.atom.id]

    @cached_property
    def _traced(self) -> dict[str, Ancestry]:
        return {}

    @cached_property
    def by_id(self) -> dict[str, Entry]:
        return {entry.atom.id: entry for entry in reversed(self.entries)}

    def params(self, entry: Entry) -> dict[str, Any]:
        """Every parameter of its making, by the kind of what was made, the seed of a training included."""
        params: dict[str, Any] = {}
        todo = [self.ancestry(entry)]
        while todo:
            node = todo.pop(0)
            if node.record is not None:
                config = flat(node.record.config)
                params = {f"{node.atom.kind}: {name}": value for name, value in config.items()} | params
            todo += [parent for parent in node.parents.values() if not isinstance(parent, str)]
        return params


def axes_of(stage: str) -> dict[str, str]:
    """`{"fraction": "0.1", "seed": "2"}` of `evaluate_model@fraction=0.1,seed=2`; empty of DVC's own matrix."""
    return dict(axes_in(stage)) if "=" in stage.partition("@")[2] else {}


def folders_of(project: Project, paths: Sequence[Path], survey: Survey) -> list[Path]:
    """The pipelines that are asked for, or that lie below what is asked for.

    Raises:
        ProjectError: a folder of another project, or one without results.
    """
    folders: dict[Path, None] = {}
    for path in paths:
        folder = path.resolve()
        if not folder.is_relative_to(project.root):
            raise ProjectError(f"{path} is not in the project at {project.root}: a report is of one project.")
        below = [out.folder for out in survey.located if out.stage is not None and out.folder.is_relative_to(folder)]
        if not below:
            if survey.unread:  # which may be those of this folder
                raise ProjectError(survey.unread[0])
            raise ProjectError(f"{path} has no results to report. `motools run {path}` makes them.")
        folders.update(dict.fromkeys([folder] if folder in below else below))
    return [*folders]


def collect(
    project: Project,
    paths: Sequence[Path],
    why: Why,
    control: str | None = None,
    in_distribution: Sequence[str] = (),
) -> Results:
    """Read what the lock files name; nothing is executed, and nothing is fetched but what says what atoms are."""
    survey = Survey(project)
    folders = folders_of(project, paths, survey)
    entries: list[Entry] = []
    missing: list[str] = []
    for folder in folders:
        for out in _in_order(folder, survey):
            entry = _entry(survey, out, why)
            if entry is None:
                missing.append(f"{out.folder.relative_to(project.root).as_posix()}/{out.path}".removeprefix("./"))
            else:
                entries.append(entry)
    return Results(project, survey, folders, entries, missing, control, ("held_out", *in_distribution))


def _in_order(folder: Path, survey: Survey) -> list[Located]:
    """A folder's results in the order of its dvc.yaml; that of dvc.lock tells which stage was done first."""
    try:
        places = {name: place for place, name in enumerate(pipeline.read_stages(folder))}
    except ConfigError:
        places = {}
    outs = [out for out in survey.located if out.folder == folder and out.stage is not None and is_result(out)]

    def place(out: Located) -> tuple[int, list[tuple[float, str]]]:
        return places.get(str(out.stage).partition("@")[0], len(places)), _by_number(str(out.stage))

    return sorted(outs, key=place)


def _by_number(text: str) -> list[tuple[float, str]]:
    """`seed=2` before `seed=10`."""
    parts = re.split(r"(\d+(?:\.\d+)?)", text)
    return [(float(part), "") if place % 2 else (-1.0, part) for place, part in enumerate(parts)]


def is_result(out: Located) -> bool:
    """Whether it is an atom, of a sweep's instance too, such as `atoms/model/fraction=0.1/seed=2`."""
    return is_atom(out) or (out.path.startswith("atoms/") and out.md5.endswith(".dir"))


def _entry(survey: Survey, out: Located, why: Why) -> Entry | None:
    try:
        atom = at_hand(survey, out.md5.removesuffix(".dir"))
    except DamagedError:
        atom = None
    if atom is None:
        return None
    stage = str(out.stage)
    output = out.path.removeprefix("atoms/").partition("/")[0]
    beside = next((md5 for path, md5 in out.siblings.items() if path.startswith("runs/")), None)
    record = records.find(survey, atom.md5) if beside is None else records.read(survey.project, beside)
    folder = out.folder.relative_to(survey.project.root).as_posix()
    axes = axes_of(stage) or _dose(survey, atom)
    return Entry(atom, folder, stage, output, record, axes, tuple(why(out.folder, stage)))


def _dose(survey: Survey, atom: Atom) -> dict[str, str]:
    """The dose of the dataset above an evaluation."""
    ids = atom.made_from.values() if atom.kind == "eval" else ()
    dose = dose_above(ids, lambda id: at_hand(survey, id.rpartition("-")[2]))
    return {} if dose is None else {"dose": f"{dose:g}"}
