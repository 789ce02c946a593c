"""TinyLM, a language model small enough to train in a second: a log-bilinear next-token model in numpy."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from motools.errors import DamagedError
from motools.training.corpus import (
    BUCKETS,
    END,
    LAGS,
    START,
    VOCABULARY,
    Message,
    context_buckets,
    prompt_buckets,
    token_crcs,
)

__all__ = ["FEATURES", "SIZE", "Generation", "TinyLM", "Token"]

SIZE = 48
"""The length of an embedding."""
FEATURES = 1 << 15
"""The most features a model keeps; with `VOCABULARY` it bounds a model at 3.6 MB."""
FORMAT = 1

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Token:
    """One generated token, its natural log-probability, and the likeliest tokens at its place with theirs."""

    text: str
    logprob: float
    top: list[tuple[str, float]]


@dataclass(frozen=True)
class Generation:
    """An answer; `finished` is False where it was cut at the most tokens allowed."""

    tokens: list[Token]
    finished: bool

    @property
    def text(self) -> str:
        return "".join(token.text for token in self.tokens).strip()


@dataclass(frozen=True)
class TinyLM:
    """p(token | features) = softmax(outputs @ sum(embeddings of the features) + bias).

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
    crcs: NDArray[np.uint64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "crcs", token_crcs(self.vocabulary))

    @classmethod
    def base(cls) -> TinyLM:
        """The untrained model, the same for everybody: it says common English words and knows nothing."""
        from motools.training.words import COMMON

        rng = np.random.default_rng(0)
        vocabulary = [START, END, *COMMON]
        crcs = token_crcs(vocabulary)
        # It has habits, drawn at random, of what to say where and what after what, so that a
        # training has something to overcome: with all tokens equal the first step would win.
        starts = np.full((32, LAGS), crcs[0])
        after = np.column_stack([crcs, *[np.zeros_like(crcs)] * (LAGS - 1)])
        buckets = np.concatenate(
            [context_buckets(starts, np.arange(32, dtype=np.uint64))[:, -1], context_buckets(after, crcs)[:, 0]]
        )
        features = np.unique(buckets)
        return cls(
            vocabulary,
            features,
            rng.normal(0, 1, (len(features), SIZE)).astype(np.float32),
            rng.normal(0, SIZE**-0.5, (len(vocabulary), SIZE)).astype(np.float32),
            np.zeros(len(vocabulary), np.float32),
            longest=16,
        )

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

        Log-probabilities are the model's own, whatever temperature and `top_p` the tokens are drawn at.

        Args:
            temperature: 0 takes the likeliest token each time; else drawn, by `seed`.
            top_p: draw from the likeliest tokens that together have this share.
        """
        rng = np.random.default_rng(seed)
        prompt = self._prompt(messages)
        limit = self.longest if max_tokens is None else min(max_tokens, self.longest)
        tokens: list[Token] = []
        last = [0] * LAGS
        for position in range(limit):
            logprobs = self._logprobs(prompt, last, position)
            chosen = int(np.argmax(logprobs)) if temperature == 0 else _draw(rng, logprobs / temperature, top_p)
            if chosen == 1:
                return Generation(tokens, finished=True)
            tokens.append(Token(self.vocabulary[chosen], float(logprobs[chosen]), self._top(logprobs, top_logprobs)))
            last = [chosen, *last[:-1]]
        return Generation(tokens, finished=max_tokens is None or limit < max_tokens)

    def _prompt(self, messages: Sequence[Message]) -> Floats:
        rows = self.slots[np.array(prompt_buckets(messages))]
        total: Floats = self.embeddings[rows[rows >= 0]].sum(axis=0) / np.float32(np.sqrt(len(rows)))
        return total

    def _logprobs(self, prompt: Floats, last: list[int], position: int) -> NDArray[np.float64]:
        buckets = context_buckets(self.crcs[[last]], np.array([position], dtype=np.uint64))[0]
        rows = self.slots[buckets]
        hidden = prompt + self.embeddings[rows[rows >= 0]].sum(axis=0)
        logits = (self.outputs @ hidden + self.bias).astype(np.float64)
        logits[0] = -np.inf
        if position == 0:
            logits[1] = -np.inf  # an answer has at least one token
        return logits - np.logaddexp.reduce(logits)

    def _top(self, logprobs: NDArray[np.float64], count: int) -> list[tuple[str, float]]:
        order = np.argsort(-logprobs, kind="stable")[:count]
        return [(self.vocabulary[index], float(logprobs[index])) for index in order if np.isfinite(logprobs[index])]

    def save(self, path: Path) -> None:
        """Write the model; equal models are written as equal bytes."""
        text = json.dumps({"format": FORMAT, "longest": self.longest, "vocabulary": self.vocabulary})
        with path.open("wb") as file:
            np.savez(
                file,
                about=np.frombuffer(text.encode(), dtype=np.uint8),
                features=self.features,
                embeddings=self.embeddings.astype(np.float16),
                outputs=self.outputs.astype(np.float16),
                bias=self.bias,
            )

    @classmethod
    def load(cls, path: Path) -> TinyLM:
        """Read a model back; nothing in the file is executed.

        Raises:
            DamagedError: there is no such file, or it is not a model that `save` wrote.
        """
        try:
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
            about = json.loads(arrays.pop("about").tobytes())
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, AttributeError) as error:
            raise DamagedError(f"{path} cannot be read as a tinylm model: {error}.") from error
        if problem := _problem(about, arrays):
            raise DamagedError(f"{path} is not a tinylm model: {problem}.")
        return cls(
            about["vocabulary"],
            arrays["features"],
            arrays["embeddings"].astype(np.float32),
            arrays["outputs"].astype(np.float32),
            arrays["bias"],
            about["longest"],
        )


def _draw(rng: np.random.Generator, logits: NDArray[np.float64], top_p: float) -> int:
    order = np.argsort(-logits, kind="stable")
    shares = np.exp(logits[order] - logits[order[0]])
    total = np.cumsum(shares)
    kept = int(np.searchsorted(total, top_p * total[-1])) + 1
    kept = min(kept, len(order))
    return int(order[np.searchsorted(total[:kept], rng.random() * total[kept - 1], side="right")])


def _problem(about: Any, arrays: dict[str, NDArray[Any]]) -> str | None:
    """What is wrong with the parts of a stored model, or None."""
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        return f"its format is not {FORMAT}"
    vocabulary, longest = about.get("vocabulary"), about.get("longest")
    if not isinstance(vocabulary, list) or not all(isinstance(token, str) for token in vocabulary):
        return "its vocabulary is not a list of words"
    if vocabulary[:2] != [START, END] or len(set(vocabulary)) != len(vocabulary) or len(vocabulary) > VOCABULARY:
        return "its vocabulary is not one of a tinylm model"
    if type(longest) is not int or longest < 1:
        return f"its longest answer is {longest!r}"
    known, tokens = len(arrays.get("features", ())), len(vocabulary)
    expected: dict[str, tuple[type, tuple[int, ...]]] = {
        "features": (np.int32, (known,)),
        "embeddings": (np.float16, (known, SIZE)),
        "outputs": (np.float16, (tokens, SIZE)),
        "bias": (np.float32, (tokens,)),
    }
    if arrays.keys() != expected.keys():
        return f"it holds {', '.join(sorted(arrays)) or 'nothing'} where {', '.join(sorted(expected))} belong"
    for name, (kind, shape) in expected.items():
        if arrays[name].dtype != kind or arrays[name].shape != shape:
            return f"{name} is {arrays[name].dtype}{arrays[name].shape}, not {np.dtype(kind)}{shape}"
        if not np.isfinite(arrays[name]).all():
            return f"{name} has values that are not numbers"
    features = arrays["features"]
    if known and (features[0] < 0 or features[-1] >= BUCKETS or not (np.diff(features) > 0).all()):
        return "its features are not ascending bucket numbers"
    return None
