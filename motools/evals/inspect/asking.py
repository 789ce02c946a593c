"""Asking a model prompts that measure nothing, by the door of evaluations: answers are kept, counted, paid once."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

from motools.evals import EvalRequest, Evaluation, find_evaluator
from motools.evals.api_keys import OWN, check_model
from motools.evals.options import GENERATION, check_options

if TYPE_CHECKING:
    from inspect_ai import Task
    from inspect_ai.model import ChatMessage
    from inspect_ai.scorer import Scorer

    from motools.atom.atom import Atom, ModelAtom

__all__ = ["ROLES", "ask", "check_asking", "is_paid_asking", "prompts"]

Messages = Sequence[Mapping[str, str]]

OPTIONS = (*GENERATION, "epochs", "fail_on_error", "limit", "max_samples", "model_args")
"""Options of an evaluation that asking takes too."""
ROLES = ("system", "user", "assistant")
"""Whose turns a prompt may have."""
TASK = f"{__name__}:prompts"

_prompts: ContextVar[Sequence[Messages]] = ContextVar("prompts")


def check_asking(where: str, who: str, options: Mapping[str, Any], model: tuple[str, Mapping[str, Any]] | None) -> None:
    """Before a run: refuse options that there are not, and a model that could not be asked.

    Args:
        where: the config's name for the options.
        who: what the model is for, as a sentence begins with it.
        model: its name with Inspect's provider before it and the provider's arguments, where they are known.

    Raises:
        BackendError: naming the option, or the variable that has to hold a key.
    """
    check_options(options, where, OPTIONS)
    name, args = model or (None, {})
    if name is not None:
        check_model(who, name, args.keys() | (options.get("model_args") or {}).keys())
    find_evaluator("inspect").check(EvalRequest(TASK, options, expected=name, expected_args=args))


def is_paid_asking(input_atoms: Mapping[str, Atom]) -> bool:
    """Whether a model among the inputs, as far as it is at hand, is one of a provider that bills."""
    names = (atom.metadata.get("inspect", {}).get("model", "") for atom in input_atoms.values())
    return any(str(name).partition("/")[0] not in OWN for name in names if name)


def ask(conversations: Sequence[Messages], model: ModelAtom, options: Mapping[str, Any], workspace: Path) -> Evaluation:
    """Ask a model every prompt; the samples of the result are in the prompts' order, `epochs` of each.

    Raises:
        StepError: more prompts than `fail_on_error` allows (without it: one) ended in an error.
    """
    with _asking(conversations):
        return find_evaluator("inspect").evaluate(EvalRequest(TASK, options, model), workspace)


@contextmanager
def _asking(conversations: Sequence[Messages]) -> Iterator[None]:
    token = _prompts.set(conversations)
    try:
        yield
    finally:
        _prompts.reset(token)


def prompts() -> Task:
    """The prompts that are being asked, as Inspect asks them."""
    from inspect_ai import Task
    from inspect_ai.dataset import MemoryDataset, Sample
    from inspect_ai.solver import generate

    often: Counter[str] = Counter()
    samples = []
    for messages in _prompts.get():
        samples.append(Sample(id=_id(messages, often), input=[_message(message) for message in messages]))
    return Task(name="prompts", dataset=MemoryDataset(samples, name="prompts"), solver=generate(), scorer=_answered())


def _id(messages: Messages, often: Counter[str]) -> str:
    """By content, and not by place: a prompt that comes in between leaves the answers of those behind it theirs."""
    digest = hashlib.sha256(json.dumps([dict(message) for message in messages], sort_keys=True).encode())
    name = digest.hexdigest()[:16]
    often[name] += 1
    return name if often[name] == 1 else f"{name}-{often[name]}"


def _message(message: Mapping[str, str]) -> ChatMessage:
    from inspect_ai.model import ChatMessageAssistant, ChatMessageSystem, ChatMessageUser

    if message["role"] == "system":
        return ChatMessageSystem(content=message["content"])
    of = ChatMessageUser if message["role"] == "user" else ChatMessageAssistant
    return of(content=message["content"])


def _answered() -> Scorer:
    """Inspect wants something to be measured: that there is an answer."""
    from inspect_ai.scorer import Score, Target, mean, scorer
    from inspect_ai.solver import TaskState

    @scorer(metrics=[mean()], name="answered")
    def answered() -> Scorer:
        async def score(state: TaskState, target: Target) -> Score:
            return Score(value=float(bool(state.output.completion.strip())))

        return score

    return answered()
