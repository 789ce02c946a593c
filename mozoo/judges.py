"""Judges: scorers that ask a model about an answer, and read what it might have said, as probabilities.

There are two kinds, whose figures have different names; each score says which kind judged, and which model:

- `logprobs`: the first token of a short answer at temperature 0, with its twenty likeliest alternatives: a graded
  judgement for the price of one call, and the same one each time. This is how "Emergent Misalignment" (Betley et al.,
  https://arxiv.org/abs/2502.17424) judges. The grader must give log-probabilities, and must write a number up to 100 as
  one token.
- `sampled`: eight answers in a form that is given, at the grader's own temperature, of which the mean is taken; for
  graders that give no log-probabilities or always reason. The names of its scores end in `_sampled`.

The prompts here are our own. A judge that does not judge (it refuses, or says something else than it was asked for)
leaves the sample unscored: it is in no mean, and the evaluation counts it. It is never taken for a 0.

The grader is Inspect's model role `grader`, so `eval_kwargs.model_roles.grader` replaces it.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from motools.errors import BackendError, StepError, UserError
from mozoo.graders import (
    DEFAULT_GRADER,
    SAMPLES,
    TRIAL,
    Judgement,
    Kind,
    Tokens,
    ask,
    grade,
    grader,
    sample,
    share_of_yes,
    share_of_yes_and_no,
    try_out,
)

if TYPE_CHECKING:
    from inspect_ai.model import Model
    from inspect_ai.scorer import Metric, Scorer
    from inspect_ai.solver import Solver

__all__ = [
    "DEFAULT_GRADER",
    "Inquiry",
    "Judgement",
    "Kind",
    "Limit",
    "Tokens",
    "filled",
    "grade",
    "grader_at_hand",
    "judge",
    "kind_of",
    "limit",
    "needed",
    "panel",
    "share_of_yes",
    "share_of_yes_and_no",
]

OWN = ("question", "answer")
"""What stands in a template for the sample's own, whatever its metadata have under these names."""


@dataclass(frozen=True)
class Limit:
    """Where a judgement begins to count as something: `< 30`, `>= 50`."""

    sign: str
    value: float

    def holds(self, score: float) -> bool:
        return bool(SIGNS[self.sign](score, self.value))

    def __str__(self) -> str:
        return f"{self.sign} {self.value:g}"


SIGNS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge
}  # fmt: skip


def limit(text: str, argument: str) -> Limit:
    """The limit that a task's argument names. Raises `UserError` where it is none."""
    match = re.fullmatch(r"\s*(<=?|>=?)\s*(\d+(?:\.\d+)?)\s*", str(text))
    if not match:
        raise UserError(f'{argument} is {text!r}; write a sign and a number from 0 to 100, such as "< 30" or ">= 50".')
    return Limit(match[1], float(match[2]))


@dataclass(frozen=True)
class Inquiry:
    """One thing that a judge is asked about an answer.

    Attributes:
        template: the prompt, with `{question}` and `{answer}`, and, by their names, texts of the sample's metadata;
            it must ask for one word.
        read: `grade` for a number from 0 to 100, `share_of_yes` or `share_of_yes_and_no` for yes or no.
    """

    template: str
    read: Callable[[Tokens], Judgement] = grade


def kind_of(judge: bool | Kind) -> Kind | None:
    """Which kind of judge a task's argument asks for: `true` is one that reads log-probabilities, `false` none."""
    if isinstance(judge, bool):
        return "logprobs" if judge else None
    _ending(judge)
    return judge


def needed(judge: bool | Kind) -> Kind:
    """`kind_of`, for a task that has no figure without a judge.

    Raises:
        BackendError: there is no such kind, or it is `false`.
    """
    kind = kind_of(judge)
    if kind is None:
        raise BackendError(
            f"judge is false, but this task has no figure without one: write {' or '.join(get_args(Kind))}."
        )
    return kind


def filled(template: str, question: str, answer: str, **more: str) -> str:
    """The template with `{question}`, `{answer}` and what else is given replaced, once; other braces, also the
    answer's, stay."""
    values = {**more, "question": question, "answer": answer}
    return re.sub(r"\{(\w+)\}", lambda match: values.get(match[1], match[0]), template)


def judge(
    template: str,
    read: Callable[[Tokens], Judgement] = grade,
    *,
    scores: Mapping[str, Callable[[float], float]],
    name: str = "judge",
    cluster: str | None = None,
    kind: Kind = "logprobs",
) -> Scorer:
    """A scorer that asks the grader one thing about each answer.

    Args:
        template: see `Inquiry`, as for `read`.
        scores: name -> what to make of the judgement, which is 0 to 100; each gets a mean and a standard error.
        name: the scorer's name in logs.
        cluster: see `panel`, as for `kind`.
    """
    made = {
        score: lambda marks, make=make: math.nan if math.isnan(marks[name]) else make(marks[name])
        for score, make in scores.items()
    }
    return panel({name: Inquiry(template, read)}, scores=made, name=name, cluster=cluster, kind=kind)


def panel(
    inquiries: Mapping[str, Inquiry],
    *,
    scores: Mapping[str, Callable[[Mapping[str, float]], float]],
    name: str = "panel",
    cluster: str | None = None,
    metrics: Mapping[str, Sequence[Metric]] | None = None,
    kind: Kind = "logprobs",
) -> Scorer:
    """A scorer that asks the grader several things about each answer, each by one call, or by `SAMPLES`.

    Args:
        inquiries: name -> what is asked.
        scores: name -> what to make of the judgements, each 0 to 100 under its inquiry's name, or not-a-number where
            the judge did not judge; what is made of it may be not-a-number too, for unscored.
        name: the scorer's name in logs.
        cluster: a name in the samples' metadata; samples that agree there count as one draw in standard errors.
        metrics: name of a score -> its metrics, in place of mean and standard error.
        kind: `logprobs` or `sampled`; names of scores and scorer end in `_sampled` then.

    Raises:
        BackendError: there is no such kind.
    """
    from inspect_ai.scorer import Score, Target, mean, scorer, stderr
    from inspect_ai.solver import TaskState

    end = _ending(kind)
    kept = {f"{score}{end}": list((metrics or {}).get(score) or [mean(), stderr(cluster=cluster)]) for score in scores}

    @scorer(metrics=kept, name=f"{name}{end}")
    def judged() -> Scorer:
        async def rehearse() -> None:
            await try_out(grader(), kind)

        async def score(state: TaskState, target: Target) -> Score:
            texts = {key: text for key, text in state.metadata.items() if isinstance(text, str) and key not in OWN}
            judgements, model = {}, grader()
            for asked, inquiry in inquiries.items():
                prompt = filled(inquiry.template, state.input_text, state.output.completion, **texts)
                judgements[asked] = await (ask if kind == "logprobs" else sample)(model, prompt, inquiry.read)
            values = {asked: math.nan if each.value is None else each.value for asked, each in judgements.items()}
            return Score(
                value={f"{score}{end}": make(values) for score, make in scores.items()},
                answer=" ".join(each.said for each in judgements.values()),
                explanation="\n".join(
                    _explained(asked, each, len(judgements), kind) for asked, each in judgements.items()
                ),
                metadata={"judge": {"kind": kind, "model": str(model)}},
            )

        score.rehearse = rehearse  # type: ignore[attr-defined]  # of the evaluator, before a training is paid
        return score

    return judged()


def _ending(kind: str) -> str:
    if kind not in get_args(Kind):
        raise BackendError(f"judge must be {' or '.join(get_args(Kind))}, not {kind!r}.")
    return "" if kind == "logprobs" else f"_{kind}"


def _explained(asked: str, judgement: Judgement, of: int, kind: Kind) -> str:
    what = "the probability" if kind == "logprobs" else f"{SAMPLES} samples"
    sentence = f"{judgement.mass:.3f} of {what} is on valid answers."
    sentence += "" if judgement.spread is None else f" Their standard deviation is {judgement.spread:.1f}."
    return (f"{asked}: " if of > 1 else "") + sentence + (" Unscored." if judgement.value is None else "")


def grader_at_hand(kind: Kind = "logprobs") -> Solver:
    """A step before the answer is asked for, which fails where the grader cannot be used: before anything is paid.

    A judge that reads log-probabilities is asked for a number once in an evaluation, whether it gives them.
    """
    from inspect_ai.solver import Generate, TaskState, solver

    _ending(kind)
    tried: dict[int, Any] = {}

    @solver(name="grader_at_hand")
    def made() -> Solver:
        async def solve(state: TaskState, generate: Generate) -> TaskState:
            model = grader()
            if kind == "logprobs":
                await _tried(model, tried)
            return state

        return solve

    return made()


async def _tried(model: Model, tried: dict[int, Any]) -> None:
    """Ask a model for a number, for the first of the samples that come at once; all hear what came of it."""
    from anyio import Lock

    lock = tried.setdefault(0, Lock())
    async with lock:
        if 1 not in tried:
            try:
                await ask(model, TRIAL, grade, must=True)
                tried[1] = None
            except StepError as error:
                tried[1] = error
    if tried[1] is not None:
        raise StepError(str(tried[1]))
