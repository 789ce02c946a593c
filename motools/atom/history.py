"""History: every value that an output or a metric had, with the commit that brought it, and what had changed for it.

Git's history is read once, of lock files alone; a stage's part of one is parsed once, however many commits have it.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache, partial
from typing import Any, NamedTuple

from motools.atom import records
from motools.atom.atom import OF_ATOM, EvalAtom, at_hand
from motools.atom.records import Record
from motools.base import yaml12
from motools.base.foreign_text import read_json
from motools.base.values import flat, same_values
from motools.errors import AtomError, ConfigError, MotoolsError, did_you_mean, listed
from motools.repo import pipeline
from motools.repo.history import Version
from motools.repo.lock_text import all_parts, made_by, of_stages
from motools.repo.survey import Survey

__all__ = ["Step", "history"]

NOTHING = "nothing that dvc.lock names"


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
        rewritten: whether this repository no longer has that commit: it was amended, squashed or rebased away; of a
            shallow clone nobody can tell.
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
    versions = survey.history.versions()
    if not versions:
        raise AtomError("No commit has a dvc.lock yet, so nothing has a history. Type: git add --all && git commit")
    wanted = {path for path in {each.path for each in versions} if folder in (None, _folder(survey, path))}
    versions = [each for each in versions if each.path in wanted]
    subject = _asked(survey, versions, what)
    changed = [each for version in versions for stage in subject.stages if (each := _changed(subject, version, stage))]
    _bring(survey, changed)
    steps = [step for each in changed for step in _steps(survey, each, subject.metric)]
    if subject.only is not None:  # of an output or an atom: those in which it became another
        steps = [step for step in steps if _names(step, subject.only)]
    return _with_commits(survey, steps)


class _Asked(NamedTuple):
    """What a text is about.

    Attributes:
        blocks: git's id of a lock file -> stage -> its part.
        metric: the one that it names.
        only: the output or atom that it names.
    """

    stages: Sequence[str]
    blocks: Mapping[str, Mapping[str, str]]
    metric: str | None = None
    only: str | None = None

    def block(self, blob: str, stage: str) -> str:
        return self.blocks.get(blob, {}).get(stage, "")


class _Changed(NamedTuple):
    """A stage whose results a commit has changed: its entry in a lock file before and now, empty where it has none."""

    version: Version
    stage: str
    before: Mapping[str, Any]
    now: Mapping[str, Any]

    @property
    def made(self) -> list[dict[str, str]]:
        """Path -> hash of its results before and now."""
        return [_made(self.stage, each) for each in (self.before, self.now)]


def _changed(subject: _Asked, version: Version, stage: str) -> _Changed | None:
    """None where the results are those of before, in a merge those of one side."""
    blocks = [subject.block(blob, stage) for blob in version.before]
    if (block := subject.block(version.after, stage)) in blocks:
        return None
    now, entries = _parsed(block), [_parsed(each) for each in blocks]
    made = _made(stage, now)
    return _Changed(version, stage, entries[0], now) if all(_made(stage, each) != made for each in entries) else None


def _made(stage: str, entry: Mapping[str, Any]) -> dict[str, str]:
    beside = pipeline.beside(stage)
    return {path: md5 for path, md5 in pipeline.locked_outs(entry).items() if path not in beside}


def _bring(survey: Survey, changed: Sequence[_Changed]) -> None:
    """From the remote, all at once: what tells what atoms are, their metrics, and the records."""
    made = {md5 for each in changed for outs in each.made for md5 in outs.values()}
    survey.fetch_files({md5 for md5 in made if md5.endswith(".dir")}, OF_ATOM)
    recorded = (pipeline.locked_outs(each.now).get(pipeline.record_path(each.stage)) for each in changed)
    survey.fetch({md5 for md5 in recorded if md5 is not None})


def _folder(survey: Survey, path: str) -> str:
    top, root = survey.project.git.top, survey.project.root
    place = (top / path).parent
    return place.relative_to(root).as_posix() if place.is_relative_to(root) else str(place)


def _names(step: Step, what: str) -> bool:
    return what in step.atoms or any(
        what in (id[: len(what)], id.rpartition("-")[2][: len(what)]) for id in step.atoms.values()
    )


def _asked(survey: Survey, versions: list[Version], what: str) -> _Asked:
    """The stages that a text is about, as each lock file has them.

    Texts are searched, not parsed, and once: a thousand lock files of three hundred stages are 200 MB.
    """
    blobs = {blob: None for each in versions for blob in (each.after, *each.before)}
    parts, last = survey.history.parts, _last(versions)
    tips = [each.after for each in last]
    metric, asked = None, list[str]()
    if not any(parts(tips, partial(made_by, what)).values()):
        metric, asked = _fitting(what, _with_metrics(survey, parts(tips, all_parts), last))
    in_blob = parts(blobs, lambda text: (made_by(what, text), of_stages(asked, text)))
    stages = list(dict.fromkeys(stage for each, _ in in_blob.values() for stage in each))
    if what in stages:
        return _Asked([what], {blob: each for blob, (each, _) in in_blob.items()})
    if stages:
        making = {blob: each for blob, (each, _) in in_blob.items()}
        lacking = [blob for blob in blobs if len(making.get(blob, ())) < len(stages)]
        return _Asked(stages, making | parts(lacking, partial(of_stages, stages)), only=what)
    if metric is None:  # that of a stage that is gone, perhaps
        blocks = parts(blobs, all_parts)
        having = _with_metrics(survey, blocks)
        metric, asked = _fitting(what, having)
        in_blob = {
            blob: ({}, {stage: each[stage] for stage in asked if stage in each}) for blob, each in blocks.items()
        }
    if metric is None:
        named = [*(stage for each in blocks.values() for stage in each), *(n for each in having.values() for n in each)]
        hint = did_you_mean(what, dict.fromkeys(named))
        raise AtomError(f"No commit has a stage, an output, an atom or a metric called {what!r}.{hint}")
    return _Asked(asked, {blob: each for blob, (_, each) in in_blob.items()}, metric)


def _last(versions: list[Version]) -> list[Version]:
    """Of each lock file what came last, on every branch: what no commit has changed as often as it came."""
    left = Counter(each.after for each in versions)
    left.subtract(blob for each in versions for blob in each.before)
    newest = {each.path: each for each in reversed(versions)}
    unreplaced = {each.after: each for each in versions if left[each.after] > 0}
    return [*({each.after: each for each in newest.values()} | unreplaced).values()]


def _fitting(what: str, having: Mapping[str, Mapping[str, Any]]) -> tuple[str | None, list[str]]:
    """The metric that a text names whole or by its end, and the stages that have it."""
    named = {name for metrics in having.values() for name in metrics}
    fitting = {what} & named or {name for name in named if name.endswith(f".{what}")}
    if len(fitting) > 1:
        more = ", …" if len(fitting) > 10 else ""
        raise AtomError(f"{what} may be {listed(sorted(fitting)[:10])}{more}: write more of it.")
    return next(((metric, [s for s, metrics in having.items() if metric in metrics]) for metric in fitting), (None, []))


def _with_metrics(
    survey: Survey, blocks: Mapping[str, Mapping[str, str]], versions: Sequence[Version] = ()
) -> dict[str, dict[str, Any]]:
    """The stages that some lock files have with metrics -> these, as far as they are at hand.

    Args:
        versions: whose files of metrics are looked for in git first; no remote is asked for these.
    """
    entries = {
        (stage, block): pipeline.locked_outs(_parsed(block))
        for each in blocks.values()
        for stage, block in each.items()
        if f"path: {pipeline.metrics_path(stage)}" in block
    }
    by_stage: dict[str, dict[str, Any]] = {}
    for version in versions:
        held = blocks.get(version.after, {})
        for stage, metrics in _in_git(survey, version, {s: o for (s, b), o in entries.items() if held.get(s) == b}):
            by_stage[stage] = metrics | by_stage.get(stage, {})
            entries.pop((stage, held[stage]))
    survey.fetch_files({md5 for outs in entries.values() for md5 in outs.values() if md5.endswith(".dir")}, OF_ATOM)
    for (stage, _), outs in entries.items():
        by_stage[stage] = _metrics(survey, outs) | by_stage.get(stage, {})
    return by_stage


def _in_git(
    survey: Survey, version: Version, entries: Mapping[str, Mapping[str, str]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The metrics of stages with one evaluation as a commit itself has them, where they are those of its lock file."""
    paths = {stage: pipeline.metrics_path(stage) for stage in entries}
    names = {path.rpartition("/")[2] for path in paths.values()}
    texts = survey.history.files_at(version.commit, names.__contains__) if names else {}
    folder = version.path.rpartition("/")[0]
    for stage, outs in entries.items():
        text = texts.get(f"{folder}/{paths[stage]}".removeprefix("/"))
        is_one = sum(path.startswith("atoms/") for path in outs) == 1
        if (
            is_one
            and text is not None
            and hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() == outs.get(paths[stage])
        ):
            with suppress(ValueError):
                metrics = read_json(text)
                if isinstance(metrics, dict):
                    yield stage, flat(metrics)


def _metrics(survey: Survey, outs: Mapping[str, str]) -> dict[str, Any]:
    for path, md5 in outs.items():
        if path.startswith("atoms/") and md5.endswith(".dir"):
            try:
                atom = at_hand(survey, md5.removesuffix(".dir"))
                if isinstance(atom, EvalAtom):
                    return flat(atom.metrics)
            except MotoolsError:
                continue
    return {}


def _steps(survey: Survey, changed: _Changed, metric: str | None) -> Iterator[Step]:
    """One where a commit has changed a stage's results, or the metric of it; none where it has not."""
    version, stage, before, now = changed
    old, new = changed.made
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
        changes=(tuple(_changes(before, now)) or (NOTHING,)) if before and now else ("gone",) if before else (),
        made=made,
        made_at=record.commit if record else None,
        rewritten=False,
        or_before=version.commit in survey.shallow,
    )


def _with_commits(survey: Survey, steps: list[Step]) -> list[Step]:
    gone = survey.missing_commits({step.made_at for step in steps if step.made_at})
    return [Step(**{**vars(step), "rewritten": step.made_at in gone and not survey.shallow}) for step in steps]


def _name(path: str) -> str:
    return pipeline.name_at(path) if path.startswith("atoms/") else path


def _id(survey: Survey, md5: str) -> str:
    if not md5.endswith(".dir"):
        return md5
    try:
        atom = at_hand(survey, md5.removesuffix(".dir"))
    except MotoolsError:
        atom = None
    return atom.id if atom is not None else md5


def _record(survey: Survey, entry: Mapping[str, Any], stage: str) -> Record | None:
    md5 = pipeline.locked_outs(entry).get(pipeline.record_path(stage))
    if md5 is None:
        return None
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
    return json.dumps(values[name], ensure_ascii=False, default=str) if name in values else "(none)"


@cache
def _parsed(block: str) -> Mapping[str, Any]:
    try:
        content = yaml12.loads(block, "dvc.lock")
    except ConfigError:
        return {}
    sound = isinstance(content, Mapping) and all(isinstance(content.get(n) or [], list) for n in ("outs", "deps"))
    return content if sound else {}
