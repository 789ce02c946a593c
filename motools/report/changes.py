"""What differs between two states of a project's pipelines: parameters, results, and what their samples say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from motools.atom import costs, records
from motools.atom.atom import Atom, DatasetAtom, EvalAtom
from motools.atom.columns import columns_of
from motools.atom.comparison import Comparison, compare
from motools.atom.costs import Spent
from motools.atom.eval_differences import Arm
from motools.base import yaml12
from motools.base.values import flat, same_values
from motools.errors import ConfigError, MotoolsError
from motools.repo import pipeline
from motools.repo.history import History
from motools.repo.project import Project
from motools.repo.settings import Settings
from motools.repo.survey import Survey
from motools.report.choose import Shown, chosen
from motools.report.collect import Group

__all__ = ["ABSENT", "Changes", "Made", "PipelineChanges", "Revision", "changes", "revisions"]

ABSENT = "(absent)"
_FILES = (pipeline.PARAMS, pipeline.LOCK)


class Revision(NamedTuple):
    """A state of the project: a commit, or the work tree, whose `commit` is None."""

    name: str
    commit: str | None


@dataclass(frozen=True)
class Made:
    """What became of a stage's results.

    Attributes:
        how: `new`, `made anew` or `gone`.
        atoms: output -> the ids before and now; None where there is or was none.
        spent: what making the new ones used.
        comparison: of two evaluations, the first being the one before.
        samples: task -> the samples whose scores differ most.
        scores: (task, score) -> how many samples scored higher, lower and the same.
        rows: of two datasets, whatever `changes` was given to compare them with.
        unread: a sentence for each result that cannot be looked into.
    """

    stage: str
    how: str
    atoms: Mapping[str, tuple[str | None, str | None]]
    spent: Spent | None = None
    comparison: Comparison | None = None
    samples: Mapping[str, list[Shown]] = field(default_factory=dict)
    scores: Mapping[tuple[str, str], tuple[int, int, int]] = field(default_factory=dict)
    rows: Any = None
    unread: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {
            "stage": self.stage,
            "how": self.how,
            "atoms": {name: {"before": before, "now": now} for name, (before, now) in self.atoms.items()},
            "spent": self.spent.as_dict() if self.spent else None,
            "comparison": self.comparison.as_dict(["before", "now"]) if self.comparison else None,
            "scores": [
                {"task": task, "score": score, "higher": up, "lower": down, "same": same}
                for (task, score), (up, down, same) in self.scores.items()
            ],
            "rows": self.rows.as_dict() if self.rows else None,
            "unread": list(self.unread),
        }


@dataclass(frozen=True)
class PipelineChanges:
    """Of one folder: parameters by dotted name with the values before and now, and what became of its stages."""

    folder: str
    params: Mapping[str, tuple[Any, Any]]
    made: tuple[Made, ...]
    unread: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {
            "folder": self.folder,
            "params": {name: {"before": before, "now": now} for name, (before, now) in self.params.items()},
            "stages": [made.as_dict() for made in self.made],
            "unread": list(self.unread),
        }


@dataclass(frozen=True)
class Changes:
    """From the first revision to the second; only pipelines in which something differs."""

    first: Revision
    second: Revision
    pipelines: tuple[PipelineChanges, ...]

    @property
    def spent(self) -> Spent:
        return costs.total(made.spent for each in self.pipelines for made in each.made if made.spent is not None)

    def as_dict(self) -> dict[str, Any]:
        return {
            "first": self.first._asdict(),
            "second": self.second._asdict(),
            "pipelines": [each.as_dict() for each in self.pipelines],
            "spent": self.spent.as_dict(),
        }


def revisions(project: Project, text: str | None) -> tuple[Revision, Revision]:
    """The two states that `A..B`, `A...B` (from where the two have parted), `A` (to the work tree) or nothing (from the
    last commit to the work tree) names.

    Raises:
        ProjectError: no such commit, or none at all yet.
    """
    history = History(project.git)
    sign = "..." if text and "..." in text else ".."
    one, given, other = (text or "HEAD").partition(sign)
    one, other = one or "HEAD", other or "HEAD"
    first = history.commit(f"{one}...{other}" if sign == "..." else one)
    second = Revision(other, history.commit(other)) if given else Revision("the work tree", None)
    return Revision(f"{one} where {other} left it" if sign == "..." else one, first), second


def changes(
    project: Project,
    first: Revision,
    second: Revision,
    settings: Settings,
    rows: Callable[[Path, Path], Any] | None = None,
) -> Changes:
    """Compare what params.yaml and dvc.lock are in two states; results are looked into where the cache or the remote
    has them. Nothing is executed.

    Args:
        rows: compares the files of two datasets.
    """
    survey = Survey(project)
    before, now = _files(survey, first), _files(survey, second)
    folders = sorted({name.rpartition("/")[0] for name in before | now if before.get(name) != now.get(name)})
    look = partial(_pipeline, survey, before, now, settings, rows)
    pipelines = (look(folder) for folder in folders)
    return Changes(first, second, tuple(each for each in pipelines if each.params or each.made or each.unread))


def _files(survey: Survey, revision: Revision) -> dict[str, str]:
    """Path below the repository's top -> text, of the params.yaml and dvc.lock of the project's pipelines."""
    project, top = survey.project, survey.project.git.top
    if revision.commit is not None:
        files = survey.history.files_at(revision.commit, _FILES.__contains__)
        return {name: text for name, text in files.items() if (top / name).is_relative_to(project.root)}
    folders = {out.folder for out in survey.located if out.stage is not None}
    paths = {folder / name for folder in folders for name in _FILES}
    paths.update(path for name in _FILES for path in survey.history.in_work_tree(name))
    texts = {}
    for path in paths:
        if path.is_file() and path.is_relative_to(project.root):
            texts[path.relative_to(top).as_posix()] = path.read_text(encoding="utf-8", errors="replace")
    return texts


def _pipeline(
    survey: Survey,
    before: Mapping[str, str],
    now: Mapping[str, str],
    settings: Settings,
    rows: Callable[[Path, Path], Any] | None,
    folder: str,
) -> PipelineChanges:
    unread: list[str] = []
    params, locked = (_both(before, now, f"{folder}/{name}".removeprefix("/"), unread) for name in _FILES)
    flattened = [flat(each) for each in params]
    names = dict.fromkeys([*flattened[0], *flattened[1]])
    pairs = {name: (flattened[0].get(name, ABSENT), flattened[1].get(name, ABSENT)) for name in names}
    pairs = {name: both for name, both in pairs.items() if not same_values(*both)}
    stages = [_stages(each) for each in locked]
    made = (
        _made(survey, name, stages[0].get(name, {}), stages[1].get(name, {}), settings, rows)
        for name in dict.fromkeys([*stages[1], *stages[0]])
    )
    top = survey.project.git.top
    place = (top / folder).relative_to(survey.project.root).as_posix()
    return PipelineChanges(place, pairs, tuple(each for each in made if each is not None), tuple(unread))


def _both(
    before: Mapping[str, str], now: Mapping[str, str], name: str, unread: list[str]
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """A file in both states; nothing of either where one cannot be read: what it lacks would be taken for gone."""
    try:
        contents = [yaml12.loads(files.get(name, ""), name) for files in (before, now)]
    except ConfigError as error:
        unread.append(str(error))
        contents = [None, None]
    one, other = (content if isinstance(content, Mapping) else {} for content in contents)
    return one, other


def _stages(locked: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    stages = locked.get("stages")
    stages = stages if isinstance(stages, Mapping) else {}
    return {name: entry for name, entry in stages.items() if isinstance(entry, Mapping)}


def _made(
    survey: Survey,
    stage: str,
    before: Mapping[str, Any],
    now: Mapping[str, Any],
    settings: Settings,
    rows: Callable[[Path, Path], Any] | None,
) -> Made | None:
    """What became of a stage, None where its results are the same; its record and logs, and their numbers, are none."""
    beside = pipeline.beside(stage)
    outs = [pipeline.locked_outs(each) for each in (before, now)]
    paths = [path for path in dict.fromkeys([*outs[1], *outs[0]]) if path not in beside]
    differing = [path for path in paths if outs[0].get(path) != outs[1].get(path)]
    if not differing:
        return None
    how = "gone" if not now else "new" if not before else "made anew"
    unread: list[str] = []
    atoms: dict[str, tuple[str | None, str | None]] = {}
    more: dict[str, Any] = {}
    for path in differing:
        both = [_atom(survey.project, each.get(path), unread) for each in outs]
        ids = [each.id if isinstance(each, Atom) else each for each in both]
        name = pipeline.name_at(path) if path.startswith("atoms/") else path
        atoms[name] = (ids[0], ids[1])
        try:
            more |= _looked_into(both[0], both[1], rows)
        except MotoolsError as error:
            unread.append(str(error))
    spent = _spent(survey, outs[1].get(beside[0]), settings)
    return Made(stage, how, atoms, spent, unread=tuple(unread), **more)


def _atom(project: Project, md5: str | None, unread: list[str]) -> Atom | str | None:
    """The atom of a hash; the hash itself where it is none, or not at hand."""
    if md5 is None or not md5.endswith(".dir"):
        return md5
    try:
        return Atom.load(md5.removesuffix(".dir"), project=project)
    except MotoolsError as error:
        unread.append(str(error))
        return md5


def _looked_into(
    before: Atom | str | None, now: Atom | str | None, rows: Callable[[Path, Path], Any] | None
) -> dict[str, Any]:
    """What there is to tell of two results, as fields of `Made`."""
    if isinstance(now, DatasetAtom) and isinstance(before, DatasetAtom) and rows is not None:
        return {"rows": rows(before.get_rows_path(), now.get_rows_path())}
    if not isinstance(now, EvalAtom):
        return {}
    if not isinstance(before, EvalAtom):
        return {"comparison": compare([Arm(now, name="now")])}
    arms = (Arm(before, name="before"), Arm(now, name="now"))
    compared = compare(arms)
    tasks = tuple(task for task in now.metrics if task in before.metrics)
    shown = chosen(Group(tasks, arms, {}, compared, frozenset()), at_random=0)
    return {"comparison": compared, "samples": shown, "scores": dict(_scores(before, now))}


def _scores(before: EvalAtom, now: EvalAtom) -> Iterator[tuple[tuple[str, str], tuple[int, int, int]]]:
    """(task, score) -> how many of the samples that both have scored higher, lower and the same."""
    old = columns_of(before)
    for name, column in columns_of(now).items():
        if "/" in name[1]:  # the same by a longer name
            continue
        old_values = old[name].values if name in old else {}
        both = [(old_values[key], value) for key, value in column.values.items() if old_values.get(key) is not None]
        steps = [value - was for was, value in both if value is not None and was is not None]
        if steps:
            up, down = sum(step > 0 for step in steps), sum(step < 0 for step in steps)
            yield name, (up, down, len(steps) - up - down)


def _spent(survey: Survey, md5: str | None, settings: Settings) -> Spent | None:
    if md5 is None:
        return None
    survey.fetch({md5})
    record = records.read(survey.project, md5)
    return costs.spent(record.usage, record.config, settings) if record is not None else None
