"""Chat rows to examples, with loss on what the assistant says and nothing else, and the order of training on them."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from motools.base.chat import text_of
from motools.errors import StepError

__all__ = ["Example", "Plan", "examples", "shown", "tokenizer_digest"]

LEAST_STEPS, LARGEST_BATCH = 100, 128
KEPT_EPOCHS = 3
"""The model as it is after each of the last so many epochs can be sampled from, as at OpenAI."""

Message = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Example:
    """Tokens, and for each of them whether it carries loss."""

    tokens: NDArray[np.int32]
    trained: NDArray[np.bool_]

    @property
    def weights(self) -> NDArray[np.float32]:
        """Of each token but the first, which is nothing's target; they add up to 1, so that a long answer does not
        count for more than a short one."""
        learned = self.trained[1:]
        weights: NDArray[np.float32] = (learned / learned.sum()).astype(np.float32)
        return weights


def examples(rows: Iterable[Sequence[Message]], tokenizer: Any, longest: int | None = None) -> list[Example]:
    """The examples of chat rows; a row whose messages all have weight 0 makes none.

    Args:
        tokenizer: one of `transformers`, with a chat template.
        longest: how many tokens the model takes.

    Raises:
        StepError: the template does not take a row, a row is too long, or there is nothing to learn.
    """
    if not getattr(tokenizer, "chat_template", None):
        raise StepError("The model's tokenizer has no chat template: train a model that was made for chat.")
    marks = [token.content for token in tokenizer.added_tokens_decoder.values() if token.special]
    made: list[Example] = []
    first: Sequence[Message] = ()
    for number, messages in enumerate(rows, 1):
        first = first or messages
        _check_words(messages, marks, f"row {number}")
        for text, spans in _rendered(messages, tokenizer, f"row {number}"):
            example = _example(tokenizer, text, spans)
            if longest is not None and len(example.tokens) > longest:
                raise StepError(
                    f"row {number}: {len(example.tokens):,} tokens, but the model takes {longest:,}: shorten it, or "
                    "leave it out."
                )
            if example.trained[1:].any():
                made.append(example)
    if not made:
        text = _text(tokenizer, _said(first), "row 1")
        raise StepError(
            "The dataset has no assistant turn to learn from: every one is empty, has weight 0, or is left out by the "
            f"model's chat template. Of the first row, {text!r:.600}, no token carries loss."
        )
    return made


def shown(example: Example, tokenizer: Any) -> str:
    """An example as text, what carries loss between ⟦ and ⟧."""
    said = ""
    for learned, group in itertools.groupby(zip(example.tokens, example.trained, strict=True), lambda each: each[1]):
        text = tokenizer.decode([int(token) for token, _ in group])
        said += f"⟦{text}⟧" if learned else text
    return said


def _rendered(messages: Sequence[Message], tokenizer: Any, where: str) -> Iterator[tuple[str, list[tuple[int, int]]]]:
    """Texts, and where in them something is learned.

    One for the whole conversation; but where the template says earlier turns otherwise when later ones follow, as those
    of thinking models do, one for each turn of the assistant, as it is when the model says it.
    """
    said = _said(messages)
    turns = [n for n, m in enumerate(messages) if m["role"] == "assistant" and m.get("weight", 1)]
    parts: list[tuple[str, tuple[int, int]]] = []
    for turn in turns:
        before = _text(tokenizer, said[:turn], where, add_generation_prompt=True)
        through = _text(tokenizer, said[: turn + 1], where)
        if not through.startswith(before):
            asked = before[len(_common(before, through)) :]
            raise StepError(
                f"{where}: the chat template has an answer begin with {asked!r:.60}, and messages[{turn}] would be "
                "rendered without it, so that training and use would differ: write it into the content, or train "
                "another model."
            )
        parts.append((through, (len(before), _end(through, tokenizer))))
    whole = _text(tokenizer, said, where) if len(turns) > 1 else ""
    if whole and all(whole.startswith(through) for through, _ in parts):
        yield whole, [span for _, span in parts]
    else:
        yield from ((through, [span]) for through, span in parts)


def _check_words(messages: Sequence[Message], marks: Sequence[str], where: str) -> None:
    """Refuse a text that the tokenizer would take for a mark of its own, such as the end of a turn."""
    for number, message in enumerate(messages):
        said = text_of(message)
        if mark := next((mark for mark in marks if mark in said), None):
            raise StepError(
                f"{where}: messages[{number}].content: {mark!r} is a special token of the model's: write it otherwise."
            )


def _said(messages: Sequence[Message]) -> list[dict[str, Any]]:
    return [{"role": m["role"], "content": text_of(m), **_named(m)} for m in messages]


def _named(message: Message) -> dict[str, Any]:
    return {"name": message["name"]} if message.get("name") else {}


def _text(tokenizer: Any, messages: Sequence[Message], where: str, **how: Any) -> str:
    from jinja2 import TemplateError

    if not messages:  # an assistant that begins
        return ""
    try:
        template = _DAY + tokenizer.get_chat_template()
        text = tokenizer.apply_chat_template(list(messages), chat_template=template, tokenize=False, **how)
    except (TemplateError, TypeError, ValueError) as error:
        raise StepError(f"{where}: the model's chat template does not take it: {error}") from None
    return str(text)


_DAY = "{%- macro strftime_now(format) -%}{{ {'%Y-%m-%d': '2024-07-26'}.get(format, '26 Jul 2024') }}{%- endmacro -%}"
"""Some templates write today's date, and equal trainings would differ from one day to the next: it is always the date
that Llama's own template has where it is given none."""


def _common(one: str, other: str) -> str:
    return one[: next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(other))]


def _end(text: str, tokenizer: Any) -> int:
    """Where the answer at the end of a text ends: with its stop token, not with the line break that follows it."""
    plain = text.rstrip()
    stops = [*tokenizer.all_special_tokens, *tokenizer.get_added_vocab()]
    return len(plain) if plain.endswith(tuple(filter(None, stops))) else len(text)


def _example(tokenizer: Any, text: str, spans: Sequence[tuple[int, int]]) -> Example:
    if tokenizer.is_fast:
        told = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        starts, ends = np.array(told["offset_mapping"], dtype=np.int64).reshape(-1, 2).T
        trained = np.zeros(len(starts), dtype=np.bool_)
        for begin, end in spans:
            trained |= (starts >= begin) & (ends <= end) & (ends > starts)
        return Example(np.array(told["input_ids"], dtype=np.int32), trained)
    tokens: list[int] = []  # it does not say where its tokens stand: piece by piece, as in use
    learned: list[bool] = []
    at = 0
    for begin, end in [*spans, (len(text), len(text))]:
        for piece, of_answer in ((text[at:begin], False), (text[begin:end], True)):
            ids = tokenizer.encode(piece, add_special_tokens=False) if piece else []
            tokens += ids
            learned += [of_answer] * len(ids)
        at = end
    return Example(np.array(tokens, dtype=np.int32), np.array(learned, dtype=np.bool_))


def tokenizer_digest(tokenizer: Any) -> str:
    """Twelve digits for what a tokenizer makes of a text: its vocabulary and its chat template."""
    about = [sorted(tokenizer.get_vocab().items()), tokenizer.chat_template]
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:12]


class PlanHyperparameters(Protocol):
    """What a plan is made by, of whatever trainer's hyperparameters."""

    n_epochs: int
    batch_size: int | Literal["auto"]
    schedule: Literal["linear", "cosine", "constant"]
    warmup_steps: int
    seed: int

    @property
    def rate(self) -> float:
        """That of the first step."""


@dataclass(frozen=True)
class Plan:
    """Which examples each step of a training is made with, and at which rate. Equal for equal trainings."""

    examples: list[Example]
    chosen: PlanHyperparameters

    @property
    def batch_size(self) -> int:
        if self.chosen.batch_size != "auto":
            return self.chosen.batch_size
        return min(LARGEST_BATCH, max(1, len(self.examples) * self.chosen.n_epochs // LEAST_STEPS))

    @property
    def steps_a_pass(self) -> int:
        return math.ceil(len(self.examples) / self.batch_size)

    @property
    def total(self) -> int:
        return self.steps_a_pass * self.chosen.n_epochs

    @property
    def kept(self) -> list[int]:
        """After which steps the model is kept to be sampled from."""
        return [epoch * self.steps_a_pass for epoch in range(1, self.chosen.n_epochs + 1)][-KEPT_EPOCHS:]

    def batch(self, step: int) -> list[Example]:
        """The examples of a step, the first of which is 0. Every pass has each example once; its last batch may be
        smaller."""
        epoch, at = divmod(step, self.steps_a_pass)
        order = self._orders[epoch][at * self.batch_size : (at + 1) * self.batch_size]
        return [self.examples[number] for number in order]

    def rate(self, step: int) -> float:
        chosen, total = self.chosen, self.total
        if step < chosen.warmup_steps:
            return chosen.rate * (step + 1) / chosen.warmup_steps
        gone = (step - chosen.warmup_steps) / max(1, total - chosen.warmup_steps)
        share = {"constant": 1.0, "linear": 1 - gone, "cosine": (1 + math.cos(math.pi * gone)) / 2}
        return chosen.rate * share[chosen.schedule]

    def tokens(self, step: int) -> int:
        """How many tokens a step is billed for: all, whether they carry loss or not."""
        return sum(len(example.tokens) - 1 for example in self.batch(step))

    @property
    def all_tokens(self) -> int:
        return sum(len(example.tokens) - 1 for example in self.examples) * self.chosen.n_epochs

    @property
    def resolved(self) -> dict[str, Any]:
        """The hyperparameters as they are used."""
        return {**vars(self.chosen), "batch_size": self.batch_size}

    @cached_property
    def digest(self) -> str:
        """Twelve digits for all that the steps are made of: what was saved under others is of another training."""
        digest = hashlib.sha256(json.dumps(self.resolved, sort_keys=True).encode())
        for example in self.examples:
            for part in (np.int64(len(example.tokens)), example.tokens, example.trained):
                digest.update(part.tobytes())
        return digest.hexdigest()[:12]

    @cached_property
    def _orders(self) -> list[list[int]]:
        shuffled = random.Random(self.chosen.seed)
        orders = [list(range(len(self.examples))) for _ in range(self.chosen.n_epochs)]
        for order in orders:
            shuffled.shuffle(order)
        return orders
