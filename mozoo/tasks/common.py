"""What the tasks share: questions, judges' prompts, samples, and a scorer that measures an answer's own text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from motools.errors import UserError, listed
from mozoo.sources import Row, Source, digest_of, fetch, rows
from mozoo.tasks.presets import PUBLISHED
from mozoo.texts import File, Question, Text, normal, opened, questions_in, questions_of, read, templates

if TYPE_CHECKING:
    from inspect_ai.dataset import Dataset, Sample
    from inspect_ai.scorer import Scorer

Measure = Callable[[str, str, Mapping[str, Any]], Mapping[str, float]]
"""Makes scores of an answer, given the answer, the question and the sample's metadata; not-a-number is unscored."""


def prompts(
    file: File | None,
    source: Source,
    cache_dir: str | None,
    count: int,
    text: Callable[[Row], str | None],
    wanted: str,
) -> tuple[list[str], str]:
    """The first prompts of a JSONL file, and the digest of the file that they come from.

    Args:
        file: a file in place of the published one (see `mozoo.texts`).
        cache_dir: the folder for the published file (see `mozoo.fetching`).
        count: how many at most.
        text: makes a prompt of a row; None where the row has none.
        wanted: what rows must have, for the message.

    Raises:
        UserError: there is no such file, it is empty, or a row has no prompt.
        FetchError: the published file could not be downloaded.
    """
    path, name = opened(file, cache_dir) if file else (fetch(source, cache_dir), "")
    every = read(path, name) if path.suffix in (".yaml", ".yml", ".json", ".py") else rows(path)
    texts: list[str] = []
    for number, row in enumerate(islice(every, count), 1):
        prompt = text(row) if isinstance(row, dict) else None
        if not isinstance(prompt, str) or not prompt.strip():
            raise UserError(f"{path}, row {number}: a row of this task's questions needs {wanted}.")
        texts.append(prompt)
    if not texts:
        raise UserError(f"{path} has no questions.")
    return texts, digest_of(path)


def texts_asked(
    file: File | None, published: Text | None, ours: Sequence[str], cache_dir: str | None, group: str = "all"
) -> tuple[list[Question], str]:
    """The questions of a task, and what tells which they are: a digest of the file, or `mozoo` for our own.

    Args:
        file: None for ours, `published` for the authors' own, else a file (see `mozoo.texts`).
        group: which of the file's groups is asked, or `all`: what the authors pool apart is not pooled here.

    Raises:
        UserError: there is no such file, or nothing of such a group in it.
    """
    if file is None:
        return [Question(text) for text in ours], "mozoo"
    if file == PUBLISHED and published is None:
        raise UserError("The authors' questions for this task are pinned by nobody here; name their file in questions.")
    if file == PUBLISHED and published is not None:
        path = fetch(published.source, cache_dir)
        questions, digest = questions_in(published.read(cache_dir), published.source.url), digest_of(path)
    else:
        questions, digest = questions_of(file, cache_dir)
    groups = list(dict.fromkeys(each.group for each in questions))
    if group != "all" and group not in groups:
        raise UserError(f"group is {group!r}, but the questions are of the groups {listed(groups)}; all asks all.")
    return [each for each in questions if group in ("all", each.group)], digest


def inputs(questions: Sequence[Question], before: str = "") -> list[Any]:
    """Questions as Inspect takes them: a text, or a system and a user turn; `before` is put before each text."""
    from inspect_ai.model import ChatMessageSystem, ChatMessageUser

    return [
        [ChatMessageSystem(content=each.system), ChatMessageUser(content=before + each.text)]
        if each.system
        else before + each.text
        for each in questions
    ]


def judging(
    file: File | None,
    published: Mapping[str, Text],
    ours: Mapping[str, str],
    cache_dir: str | None,
    others: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The judge's prompts by name, for what `judge_prompts` says: None for ours, `published`, or a file.

    Args:
        published: the authors' own; of none, `published` is an error.
        others: our name of a prompt -> how files of the authors call it, where the published constant is called
            otherwise.

    Raises:
        UserError: there is no such file, or it lacks a prompt; or none are published here.
    """
    if file is None:
        return dict(ours)
    if file == PUBLISHED and published:
        return {name: normal(_text(text.read(cache_dir))) for name, text in published.items()}
    if file == PUBLISHED:
        raise UserError(
            "The authors' prompts for this task are pinned by nobody here; name their file in judge_prompts."
        )
    called = {
        name: tuple(filter(None, (published[name].name if name in published else "", (others or {}).get(name))))
        for name in ours
    }
    return templates(file, called, cache_dir)


def _text(prompt: Any) -> str:
    """A prompt, also where a file has it as the only wording of several that there might be."""
    return prompt[0] if isinstance(prompt, list) else str(prompt)


def samples(name: str, inputs: Sequence[Any], metadata: Sequence[Mapping[str, Any]] = ()) -> list[Sample]:
    """Samples with the ids `name-001`, ...; an input is a text or a list of Inspect's messages."""
    from inspect_ai.dataset import Sample

    about = metadata or [{}] * len(inputs)
    return [
        Sample(id=f"{name}-{number:03}", input=asked, metadata=dict(details))
        for number, (asked, details) in enumerate(zip(inputs, about, strict=True), 1)
    ]


def dataset(name: str, samples: list[Sample]) -> Dataset:
    from inspect_ai.dataset import MemoryDataset

    return MemoryDataset(samples, name=name)


def measured(name: str, scores: Sequence[str], measure: Measure, cluster: str | None = None) -> Scorer:
    """A scorer without a judge; each score gets a mean and a standard error.

    Args:
        name: the scorer's name in logs.
        scores: the names of what `measure` returns.
        cluster: a name in the samples' metadata; samples that agree there count as one draw in standard errors.
    """
    from inspect_ai.scorer import Score, Target, mean, scorer, stderr
    from inspect_ai.solver import TaskState

    @scorer(metrics={score: [mean(), stderr(cluster=cluster)] for score in scores}, name=name)
    def measuring() -> Scorer:
        async def score(state: TaskState, target: Target) -> Score:
            answer = state.output.completion
            return Score(value=dict(measure(answer, state.input_text, state.metadata)), answer=answer)

        return score

    return measuring()
