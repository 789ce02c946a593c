"""History: every value that an output or a metric had, with the commit that brought it, and what had changed for it.

Git's history is read once, of lock files alone; a stage's part of one is parsed once, however many commits have it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from motools.atom import records
from motools.atom.atom import EvalAtom, at_hand
from motools.atom.records import Record
from motools.base import yaml12
from motools.base.values import flat, same_values
from motools.errors import AtomError, ConfigError, MotoolsError, did_you_mean
from motools.repo import pipeline
from motools.repo.history import Version
from motools.repo.survey import Survey

__all__ = ["Step", "history"]


@dataclass(frozen=True)
class Step:
    """A commit in which a stage's results, or one metric of them, became others.

    Attributes:
        folder: the pipeline's, below the project's root.
        atoms: output -> id, or the hash of what is no atom or not at hand; empty where the stage is gone.
        value: of the metric that was asked for; None where none was, or it is not at hand.
        changes: what differs from before in parameters, command and files, in words.
        made: who made it and when, and at which commit; None where nobody recorded it.
        made_at: that commit.
        rewritten: whether this repository no longer has that commit: it was amended, squashed or rebased away.
        or_before: whether the history of this clone begins here, as a shallow one's does.
    """

    commit: str
    author: str
    date: str
    subject: str
    folder: str
    stage: str
    atoms: Mapping[str, str]
    value: Any
    changes: tuple[str, ...]
    made: str | None
    made_at: str | None
    rewritten: bool
    or_before: bool

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def history(survey: Survey, what: str, folder: str | None = None) -> list[Step]:
    """Of a stage, an output, an atom or a metric, newest first, on all branches.

    Args:
        what: a stage's name, an output's, an atom's id, or a metric's, such as `hello_world.includes.accuracy`, or its
            end.
        folder: of this pipeline only, below the project's root; None: of all.

    Raises:
        AtomError: nothing in the history of the project has this name.
    """
    versions = [each for each in survey.history.versions() if folder in (None, _folder(survey, each.path))]
    stages, metric = _asked(survey, versions, what)
    steps = [step for version in versions for stage in stages for step in _steps(survey, version, stage, metric)]
    if what not in stages and metric is None:  # of an output or an atom: those in which it became another
        steps = [step for step in steps if _names(step, what)]
    return _with_commits(survey, steps)


def _folder(survey: Survey, path: str) -> str:
    top, root = survey.project.git.top, survey.project.root
    place = (top / path).parent
    return place.relative_to(root).as_posix() if place.is_relative_to(root) else str(place)


def _names(step: Step, what: str) -> bool:
    return what in step.atoms or any(
        what in (id[: len(what)], id.rpartition("-")[2][: len(what)]) for id in step.atoms.values()
    )


def _asked(survey: Survey, versions: list[Version], what: str) -> tuple[list[str], str | None]:
    """The stages that a text is about, and the metric that it names, if it names one."""
    blocks = {stage: set[str]() for version in versions for stage in _blocks(version.before) | _blocks(version.after)}
    for version in versions:
        for text in (version.before, version.after):
            for stage, block in _blocks(text).items():
                blocks[stage].add(block)
    if what in blocks:
        return [what], None
    md5 = what.rpartition("-")[2]
    signs = [f"path: {pipeline.atom_path(what)}\n"]
    signs += [f"md5: {md5}"] if len(md5) >= 4 and all(digit in "0123456789abcdef" for digit in md5) else []
    for sign in signs:
        if having := [stage for stage, texts in blocks.items() if any(sign in text for text in texts)]:
            return having, None
    metrics = {metric: stage for stage in blocks for metric in _metrics_now(survey, versions, stage)}
    fitting = [metric for metric in metrics if metric == what or metric.endswith(f".{what}")]
    if len(fitting) == 1:
        return [metrics[fitting[0]]], fitting[0]
    if fitting:
        raise AtomError(f"{what} may be {', '.join(fitting)}: write more of it.")
    hint = did_you_mean(what, [*blocks, *metrics])
    raise AtomError(f"No commit has a stage, an output, an atom or a metric called {what!r}.{hint}")


def _metrics_now(survey: Survey, versions: list[Version], stage: str) -> dict[str, Any]:
    for version in versions:
        metrics = _metrics(survey, pipeline.locked_outs(_entry(version.after, stage)))
        if metrics:
            return metrics
    return {}


def _metrics(survey: Survey, outs: Mapping[str, str]) -> dict[str, Any]:
    for path, md5 in outs.items():
        if path.startswith("atoms/") and md5.endswith(".dir"):
            _look(survey, md5)
            try:
                atom = at_hand(survey, md5.removesuffix(".dir"))
                if isinstance(atom, EvalAtom):
                    return flat(atom.metrics)
            except MotoolsError:
                continue
    return {}


def _steps(survey: Survey, version: Version, stage: str, metric: str | None) -> Iterator[Step]:
    """One where a commit has changed a stage's results; none where it has not."""
    before, now = (_entry(text, stage) for text in (version.before, version.after))
    beside = pipeline.beside(stage)
    old, new = (
        {path: md5 for path, md5 in pipeline.locked_outs(each).items() if path not in beside} for each in (before, now)
    )
    if old == new:
        return
    value = None
    if metric is not None:
        was, value = (_metrics(survey, outs).get(metric) for outs in (old, new))
        if was == value:
            return
    record = _record(survey, now, stage)
    made = None if record is None else f"{record.user}, {record.started}"
    yield Step(
        commit=version.commit,
        author=version.author,
        date=version.date,
        subject=version.subject,
        folder=_folder(survey, version.path),
        stage=stage,
        atoms={_name(path): _id(survey, md5) for path, md5 in new.items()},
        value=value,
        changes=tuple(_changes(before, now)) if before and now else ("gone",) if before else (),
        made=made,
        made_at=record.commit if record else None,
        rewritten=False,
        or_before=version.commit in survey.shallow,
    )


def _with_commits(survey: Survey, steps: list[Step]) -> list[Step]:
    gone = survey.missing_commits({step.made_at for step in steps if step.made_at})
    return [Step(**{**vars(step), "rewritten": step.made_at in gone}) for step in steps]


def _name(path: str) -> str:
    return pipeline.name_at(path) if path.startswith("atoms/") else path


def _id(survey: Survey, md5: str) -> str:
    if not md5.endswith(".dir"):
        return md5
    _look(survey, md5)
    try:
        atom = at_hand(survey, md5.removesuffix(".dir"))
    except MotoolsError:
        atom = None
    return atom.id if atom is not None else md5


def _look(survey: Survey, md5: str) -> None:
    """Bring what tells what an atom is, and its metrics, where they are not here."""
    survey.fetch_files({md5}, ("atom.json", "data/metrics.json"))


def _record(survey: Survey, entry: Mapping[str, Any], stage: str) -> Record | None:
    md5 = pipeline.locked_outs(entry).get(pipeline.record_path(stage))
    if md5 is None:
        return None
    survey.fetch({md5})
    return records.read(survey.project, md5)


def _changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """What a stage's entry says of parameters, its command and files, and said otherwise."""
    if before.get("cmd") != now.get("cmd"):
        yield f"its command: {before.get('cmd')} -> {now.get('cmd')}"
    old, new = (flat(each.get("params") or {}) for each in (before, now))
    for name in dict.fromkeys([*old, *new]):
        one, other = old.get(name), new.get(name)
        if not same_values(one, other) or (name in old) != (name in new):
            yield f"{name.removeprefix('params.yaml.')}: {_said(old, name)} -> {_said(new, name)}"
    read = [{str(dep.get("path")): dep.get("md5") for dep in each.get("deps") or []} for each in (before, now)]
    for path in dict.fromkeys([*read[0], *read[1]]):
        if path in read[0] and path in read[1] and read[0][path] != read[1][path]:
            yield path
        elif path not in read[0] or path not in read[1]:
            yield f"{path} ({'new' if path in read[1] else 'no more'})"


def _said(values: Mapping[str, Any], name: str) -> str:
    return repr(values[name]) if name in values else "(absent)"


# -- parts of a lock file --------------------------------------------------------


@cache
def _blocks(text: str) -> dict[str, str]:
    """A lock file's text in parts, by stage: a key two spaces in, and what is indented further."""
    found: dict[str, str] = {}
    stage, lines = None, list[str]()
    for line in text.splitlines():
        if line.startswith("  ") and not line.startswith("   ") and line.endswith(":"):
            if stage is not None:
                found[stage] = "\n".join(lines)
            stage, lines = _key(line[2:-1]), []
        elif stage is not None and line.startswith("  "):
            lines.append(line)
    if stage is not None:
        found[stage] = "\n".join(lines)
    return found


@cache
def _key(text: str) -> str:
    return str(yaml12.loads(text, "a stage's name")) if text[:1] in "'\"" else text


def _entry(text: str, stage: str) -> Mapping[str, Any]:
    return _parsed(_blocks(text).get(stage, ""))


@cache
def _parsed(block: str) -> Mapping[str, Any]:
    try:
        content = yaml12.loads(block, "dvc.lock")
    except ConfigError:
        return {}
    sound = isinstance(content, Mapping) and all(isinstance(content.get(n) or [], list) for n in ("outs", "deps"))
    return content if sound else {}
