"""TinyLM, a language model small enough to train in a second: a log-bilinear next-token model in numpy."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from motools.errors import DamagedError
from motools.tinylm.text import (
    BUCKETS,
    END,
    LAGS,
    POSITIONS,
    START,
    VOCABULARY,
    Message,
    context_buckets,
    prompt_buckets,
    prompt_weight,
    token_crcs,
)
from motools.tinylm.words import COMMON

__all__ = ["FEATURES", "SIZE", "Generation", "TinyLM", "Token"]

SIZE = 48
"""The length of an embedding."""
FEATURES = 1 << 15
"""The most features a model keeps: with `VOCABULARY` it bounds a stored model at 4 MB."""
FORMAT = 1

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Token:
    """One generated token, its natural log-probability, and the likeliest tokens at its place with theirs."""

    text: str
    logprob: float
    top: list[tuple[str, float]]


@dataclass(frozen=True)
class Generation:
    """An answer; `finished` is False where `max_tokens` cut it."""

    tokens: list[Token]
    finished: bool

    @property
    def text(self) -> str:
        return "".join(token.text for token in self.tokens).strip()


@dataclass(frozen=True, eq=False)
class TinyLM:
    """p(token | features) = softmax(outputs @ (sum of the features' embeddings) + bias).

    It learns which words follow which, where, and after which prompt words; it does not understand
    anything, and its answers to what it was not trained on are often irrelevant.

    Attributes:
        vocabulary: the tokens; the first two are START and END.
        features: the buckets that have an embedding, ascending; any other feature counts as absent.
        embeddings: a row for each feature.
        outputs: a row for each token.
        bias: a number for each token.
        longest: no answer has more tokens than this.
    """

    vocabulary: list[str]
    features: NDArray[np.int32]
    embeddings: Floats
    outputs: Floats
    bias: Floats
    longest: int

    @classmethod
    def base(cls) -> TinyLM:
        """The untrained model, the same for everybody: it says common English words and knows nothing.

        It has habits, drawn at random, of what to say where and what after what: a training has
        something to overcome, as it would in a real model, and too little of it changes nothing.
        """
        rng = np.random.default_rng(0)
        vocabulary = [START, END, *COMMON]
        crcs = token_crcs(vocabulary)
        places = np.arange(POSITIONS, dtype=np.uint64)
        somewhere = context_buckets(np.zeros((POSITIONS, LAGS), np.uint64), places)[:, -1]
        after = context_buckets(np.stack([crcs] * LAGS, axis=1), np.zeros_like(crcs))[:, 0]
        features = np.unique(np.concatenate([somewhere, after]))
        return cls(
            vocabulary,
            features,
            rng.normal(0, 1, (len(features), SIZE)).astype(np.float32),
            rng.normal(0, SIZE**-0.5, (len(vocabulary), SIZE)).astype(np.float32),
            np.zeros(len(vocabulary), np.float32),
            longest=16,
        )

    @cached_property
    def crcs(self) -> NDArray[np.uint64]:
        return token_crcs(self.vocabulary)

    @cached_property
    def slots(self) -> NDArray[np.int32]:
        """For every bucket the row of its embedding, or -1."""
        table = np.full(BUCKETS, -1, dtype=np.int32)
        table[self.features] = np.arange(len(self.features), dtype=np.int32)
        return table

    def generate(
        self,
        messages: Sequence[Message],
        temperature: float = 0.0,
        max_tokens: int | None = None,
        seed: int = 0,
        top_logprobs: int = 0,
        top_p: float = 1.0,
    ) -> Generation:
        """Answer the messages, with at least one token.

        Log-probabilities are the model's own, whatever `temperature` and `top_p` the tokens are drawn at.

        Args:
            temperature: 0 takes the likeliest token each time; otherwise they are drawn, by `seed`.
            top_p: draw only among the likeliest tokens that together have this share.
        """
        rng = np.random.default_rng(seed)
        prompt = self._prompt(messages)
        tokens: list[Token] = []
        last = [0] * LAGS
        for position in range(self.longest):
            logprobs = self._logprobs(prompt, last, position)
            chosen = int(np.argmax(logprobs)) if temperature == 0 else _draw(rng, logprobs / temperature, top_p)
            if chosen == 1:
                break
            if position == max_tokens:
                return Generation(tokens, finished=False)
            tokens.append(Token(self.vocabulary[chosen], float(logprobs[chosen]), self._top(logprobs, top_logprobs)))
            last = [chosen, *last[:-1]]
        return Generation(tokens, finished=True)

    def _prompt(self, messages: Sequence[Message]) -> Floats:
        rows = self.slots[np.array(prompt_buckets(messages))]
        total: Floats = self.embeddings[rows[rows >= 0]].sum(axis=0) * np.float32(prompt_weight(len(rows)))
        return total

    def _logprobs(self, prompt: Floats, last: list[int], position: int) -> Doubles:
        buckets = context_buckets(self.crcs[[last]], np.array([position], dtype=np.uint64))[0]
        rows = self.slots[buckets]
        hidden = prompt + self.embeddings[rows[rows >= 0]].sum(axis=0)
        logits = (self.outputs @ hidden + self.bias).astype(np.float64)
        logits[0] = -np.inf
        if position == 0:
            logits[1] = -np.inf  # an answer has at least one token
        logprobs: Doubles = logits - np.logaddexp.reduce(logits)
        return logprobs

    def _top(self, logprobs: Doubles, count: int) -> list[tuple[str, float]]:
        order = np.argsort(-logprobs, kind="stable")[:count]
        return [(self.vocabulary[index], float(logprobs[index])) for index in order if np.isfinite(logprobs[index])]

    def save(self, path: Path) -> None:
        """Write the model; equal models are written as equal bytes."""
        about = json.dumps({"format": FORMAT, "longest": self.longest, "vocabulary": self.vocabulary})
        with path.open("wb") as file:
            np.savez(
                file,
                about=np.frombuffer(about.encode(), dtype=np.uint8),
                features=self.features,
                embeddings=self.embeddings.astype(np.float16),
                outputs=self.outputs.astype(np.float16),
                bias=self.bias.astype(np.float16),
            )

    @classmethod
    def load(cls, path: Path) -> TinyLM:
        """Read a model back; nothing in the file is executed.

        Raises:
            DamagedError: there is no such file, or it is not a model that `save` wrote.
        """
        try:
            stored = np.load(io.BytesIO(path.read_bytes()), allow_pickle=False)
            arrays = {name: stored[name] for name in stored.files}
            about = json.loads(arrays.pop("about").tobytes())
        # A bare .npy has no `files`, and a header may ask for more memory than there is.
        except (OSError, ValueError, KeyError, AttributeError, EOFError, MemoryError, zipfile.BadZipFile) as error:
            raise DamagedError(f"{path} cannot be read as a tinylm model: {error}.") from error
        if problem := _problem(about, arrays):
            raise DamagedError(f"{path} is not a tinylm model: {problem}.")
        return cls(
            about["vocabulary"],
            arrays["features"],
            arrays["embeddings"].astype(np.float32),
            arrays["outputs"].astype(np.float32),
            arrays["bias"].astype(np.float32),
            about["longest"],
        )


def _draw(rng: np.random.Generator, logits: Doubles, top_p: float) -> int:
    order = np.argsort(-logits, kind="stable")
    total = np.cumsum(np.exp(logits[order] - logits[order[0]]))
    kept = min(int(np.searchsorted(total, top_p * total[-1])), len(order) - 1)
    drawn = int(np.searchsorted(total, rng.random() * total[kept], side="right"))
    return int(order[min(drawn, kept)])


def _problem(about: Any, arrays: dict[str, NDArray[Any]]) -> str | None:
    """What is wrong with the parts of a stored model, or None."""
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        return f"its format is not {FORMAT}"
    vocabulary, longest = about.get("vocabulary"), about.get("longest")
    if not isinstance(vocabulary, list) or not all(isinstance(token, str) for token in vocabulary):
        return "its vocabulary is not a list of words"
    if vocabulary[:2] != [START, END] or len(set(vocabulary)) != len(vocabulary) or len(vocabulary) > VOCABULARY:
        return "its vocabulary is not one that a training makes"
    if type(longest) is not int or longest < 1:
        return f"its longest answer is {longest!r}"
    return _misshapen(arrays, len(vocabulary))


def _misshapen(arrays: dict[str, NDArray[Any]], tokens: int) -> str | None:
    count = arrays["features"].size if "features" in arrays else 0
    expected: dict[str, tuple[type, tuple[int, ...]]] = {
        "features": (np.int32, (count,)),
        "embeddings": (np.float16, (count, SIZE)),
        "outputs": (np.float16, (tokens, SIZE)),
        "bias": (np.float16, (tokens,)),
    }
    if arrays.keys() != expected.keys():
        return f"it holds {', '.join(sorted(arrays)) or 'nothing'} where {', '.join(sorted(expected))} belong"
    for name, (kind, shape) in expected.items():
        if arrays[name].dtype != kind or arrays[name].shape != shape:
            return f"{name} is {arrays[name].dtype} {arrays[name].shape}, not {np.dtype(kind)} {shape}"
        if not np.isfinite(arrays[name]).all():
            return f"{name} has values that are not numbers"
    features = arrays["features"]
    if count and (features[0] < 0 or features[-1] >= BUCKETS or not (np.diff(features) > 0).all()):
        return "its features are not ascending bucket numbers"
    return None
