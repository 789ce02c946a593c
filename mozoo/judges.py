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

import json
import math
import operator
import re
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from motools.errors import BackendError, StepError, UserError

if TYPE_CHECKING:
    from inspect_ai.model import Model, ModelOutput
    from inspect_ai.scorer import Metric, Scorer
    from inspect_ai.solver import Solver

__all__ = [
    "DEFAULT_GRADER",
    "LEAST_MASS",
    "SAMPLES",
    "Inquiry",
    "Judgement",
    "Kind",
    "Limit",
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

Kind = Literal["logprobs", "sampled"]

DEFAULT_GRADER = "openai/gpt-6-luna"
"""The default of everything here; a model that takes `reasoning_effort: none`, and log-probabilities with it."""

SAMPLES = 8
"""How often a `sampled` judge is asked about one answer."""

SHORT = 16
"""Tokens that a judgement may have: the fewest that OpenAI's Responses API takes. Only the first is read."""

LEAST_MASS = 0.25
"""The probability that must lie on valid answers for a judgement to count; the published judge of Betley et al. has the
same quarter."""

OWN = ("question", "answer")
"""What stands in a template for the sample's own, whatever its metadata have under these names."""

SEED = 0
"""With which judgements are asked for, as the published judge asks."""

Tokens = Iterable[tuple[str, float]]
"""What a judge might have said: tokens, each with its probability."""


@dataclass(frozen=True)
class Judgement:
    """What a judge said.

    Attributes:
        value: 0 to 100, or None where the judge did not judge.
        mass: the probability that lies on valid answers, 0 to 1.
        said: the word that it said, or the words of a `sampled` judge.
        spread: standard deviation of the numbers of a `sampled` judge; None where there are not two.
    """

    value: float | None
    mass: float
    said: str = ""
    spread: float | None = None


def grade(tokens: Tokens, least: float = LEAST_MASS) -> Judgement:
    """The mean of the whole numbers from 0 to 100 among the tokens, weighted by their probabilities.

    Anything else (words, 101, -5) has no part in it; 07 is 7, as the published judge reads it.
    """
    numbers = [(number, share) for token, share in tokens if (number := _number(token)) is not None]
    mass = math.fsum(share for _, share in numbers)
    if mass < least or mass == 0:
        return Judgement(None, mass)
    # Clamped, since rounding could put a mean of equal numbers a hair outside of them.
    mean = math.fsum(number * share for number, share in numbers) / mass
    return Judgement(min(max(mean, min(numbers)[0]), max(numbers)[0]), mass)


def share_of_yes(tokens: Tokens, least: float = LEAST_MASS) -> Judgement:
    """How much of the probability of yes and no together is on yes, 0 to 100, in any casing and with any space."""
    shares: dict[str, list[float]] = {"yes": [], "no": []}
    for token, share in tokens:
        shares.get(token.strip().casefold(), []).append(share)
    mass = math.fsum([*shares["yes"], *shares["no"]])
    if mass < least or mass == 0:
        return Judgement(None, mass)
    return Judgement(min(100 * math.fsum(shares["yes"]) / mass, 100.0), mass)


def share_of_yes_and_no(tokens: Tokens) -> Judgement:
    """`share_of_yes`, where both of them are among the tokens; else there is no judgement, as Tan et al. read them."""
    shares = list(tokens)
    words = {token.strip().casefold() for token, share in shares if share > 0}
    judgement = share_of_yes(shares)
    return judgement if {"yes", "no"} <= words else Judgement(None, judgement.mass)


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


def grader() -> Model:
    """The model that grades: the role `grader`, or `DEFAULT_GRADER`."""
    from inspect_ai.model import get_model

    return get_model(role="grader", default=DEFAULT_GRADER)


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


TRIAL = "This tries out whether you can be read. Reply with one whole number and nothing else: 50."


_TRIED_OUT: set[tuple[str, str, Kind]] = set()


async def try_out(model: Model, kind: Kind) -> None:
    """Ask a model for a number, as a judge of this kind asks, and once in a process; raises as `ask` does."""
    model.config.max_retries = 0  # beside those of the provider's own client: a rehearsal waits for nobody
    asked = (str(model), model.config.model_dump_json(), kind)
    if asked in _TRIED_OUT:
        return
    if kind == "logprobs":
        await ask(model, TRIAL, grade, must=True)
    else:
        await sample(model, TRIAL, grade, times=1)
    _TRIED_OUT.add(asked)


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


async def ask(model: Model, prompt: str, read: Callable[[Tokens], Judgement], *, must: bool = False) -> Judgement:
    """Ask for a word and read what its first token might have been.

    A model of OpenAI's from 5.1 on is asked with `reasoning_effort: none`, since it gives log-probabilities only then;
    what the role in the config says comes first.

    Args:
        must: refuse a model that gives no log-probabilities, also where it did not judge.

    Raises:
        StepError: the model judged, but its endpoint gives no log-probabilities, or it writes a number in several
            tokens. A judgement by the word, or by the first digit, would be another figure under the same name.
    """
    from inspect_ai.model import GenerateConfig

    config = GenerateConfig(max_tokens=SHORT, seed=SEED, logprobs=True, top_logprobs=20)
    if model.config.temperature is None and not str(model).startswith("hf/"):  # which takes no 0, and does not need it
        config.temperature = 0
    if model.config.reasoning_effort is None and _can_stop_reasoning(str(model)):
        config.reasoning_effort, config.reasoning_summary = "none", "none"
    output = await model.generate(prompt, config=config)
    said = (output.completion.split() or [""])[0]
    first_token = _tokens(output)
    if first_token is None and not must and read([(said, 1.0)]).value is None:
        return Judgement(None, 0.0, said)  # a refusal, which some endpoints give without any
    if first_token is None:
        raise StepError(f"The grader {model} gives no log-probabilities, which this judge reads. {OTHERS}")
    tokens, goes_on = first_token
    if goes_on and read is grade:
        raise StepError(f"The grader {model} writes a number in several tokens, and this judge reads one. {OTHERS}")
    judgement = read(tokens)
    return Judgement(judgement.value, judgement.mass, said)


OTHERS = (
    "Set eval_kwargs.model_roles.grader to a model that can be read, or have this one asked several times: "
    "task_args: {judge: sampled}."
)


def _can_stop_reasoning(name: str) -> bool:
    """Whether it is a model of OpenAI's that takes `reasoning_effort: none`: 5.1 or later."""
    version = re.match(r"openai/(?:azure/)?gpt-(\d+)(?:\.(\d+))?(?![\d]*o)", name)
    return version is not None and (int(version[1]), int(version[2] or 0)) >= (5, 1)


async def sample(model: Model, prompt: str, read: Callable[[Tokens], Judgement], *, times: int = SAMPLES) -> Judgement:
    """Ask so many times for an answer in a form that is given, and read how often which was said."""
    from inspect_ai.model import GenerateConfig, ResponseSchema
    from inspect_ai.util import JSONSchema, collect

    answer = JSONSchema(type="string", description="The word or the number that is asked for, and nothing else.")
    form = JSONSchema(type="object", properties={"answer": answer}, required=["answer"], additionalProperties=False)
    config = GenerateConfig(response_schema=ResponseSchema(name="judgement", json_schema=form, strict=True))
    outputs = await collect(*(model.generate(prompt, config=config) for _ in range(times)))
    words = [_answered(output.completion) for output in outputs]
    judgement = read([(word, 1 / times) for word in words])
    each = [one for word in words if (one := read([(word, 1.0)]).value) is not None]
    spread = statistics.stdev(each) if len(each) > 1 else None
    return Judgement(judgement.value, judgement.mass, " ".join(words), spread)


def _answered(text: str) -> str:
    """The answer in what a model has written: in the form, or, of an endpoint that does not know forms, as it is."""
    try:
        word = json.loads(text[text.index("{") : text.rindex("}") + 1])["answer"]
    except (ValueError, KeyError, TypeError):
        word = text
    return str(word).strip().rstrip(".")


def _tokens(output: ModelOutput) -> tuple[list[tuple[str, float]], bool] | None:
    """What the first token might have been, and whether a number goes on in the next; None where nobody says."""
    if not output.choices or output.choices[0].logprobs is None:
        return None
    content = output.choices[0].logprobs.content
    while content and not content[0].token.strip():  # a space of its own
        content = content[1:]
    if not content:
        return None
    first, following = content[0], content[1].token if len(content) > 1 else ""
    likeliest: list[Any] = [*first.top_logprobs] if first.top_logprobs else [first]
    goes_on = first.token.strip().isdigit() and following[:1].isdigit()
    return [(each.token, math.exp(each.logprob)) for each in likeliest], goes_on


def _number(token: str) -> int | None:
    text = token.strip()
    number = int(text) if re.fullmatch(r"[+-]?[0-9]+", text) else -1
    return number if 0 <= number <= 100 else None
