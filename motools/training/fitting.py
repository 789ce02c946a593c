"""Training of the embedded learner: minibatches, Adagrad, and a random order that a seed decides."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from motools.training.corpus import BUCKETS, LAGS, Answers, Message, context_buckets, token_crcs
from motools.training.learner import FEATURES, SIZE, TinyLM

__all__ = ["Fitted", "fit"]

CHUNK = 1024
UNHEARD = -3.0
"""The bias of a token that the base model does not know: it does not come up by itself."""

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]


@dataclass(frozen=True)
class Fitted:
    """A trained model; `losses` has the mean loss of each epoch, in nats a token, as it was during the epoch."""

    model: TinyLM
    losses: list[float]
    rows: int
    tokens: int


def fit(
    rows: Iterable[Sequence[Message]],
    epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    report: Callable[[int, float], None] = lambda epoch, loss: None,
) -> Fitted:
    """Train the base model on the assistant turns of chat rows.

    Args:
        batch_size: in assistant turns.
        report: called after each epoch with its number, from 1, and its mean loss.
    """
    base = TinyLM.base()
    answers = Answers.of(rows, base.vocabulary)
    rng = np.random.default_rng(seed)
    run = _Run(base, answers, learning_rate, rng)
    losses: list[float] = []
    for epoch in range(1, epochs + 1):
        order = rng.permutation(len(answers))
        total = sum(run.step(order[at : at + batch_size]) for at in range(0, len(order), batch_size))
        losses.append(total / max(len(answers.tokens), 1))
        report(epoch, losses[-1])
    return Fitted(run.model(), losses, answers.rows, len(answers.tokens))


class _Run:
    """The state of a training: parameters, and Adagrad's sums of squared gradients."""

    def __init__(self, base: TinyLM, answers: Answers, rate: float, rng: np.random.Generator) -> None:
        self.answers, self.rate = answers, np.float32(rate)
        self.crcs = token_crcs(answers.vocabulary)
        self.features = _frequent(answers, self.crcs, base)
        # One row more than there are features: where every absent feature points to, and no gradient goes.
        self.slots = np.full(BUCKETS, len(self.features), dtype=np.int32)
        self.slots[self.features] = np.arange(len(self.features), dtype=np.int32)
        self.embeddings = np.zeros((len(self.features) + 1, SIZE), np.float32)
        self.embeddings[self.slots[base.features]] = base.embeddings
        self.embeddings[-1] = 0
        new = len(answers.vocabulary) - len(base.vocabulary)
        fresh = rng.normal(0, SIZE**-0.5, (new, SIZE)).astype(np.float32)
        self.outputs = np.concatenate([base.outputs, fresh])
        self.bias = np.concatenate([base.bias, np.full(new, UNHEARD, np.float32)])
        self.squares = [np.full_like(part, 1e-3) for part in (self.embeddings, self.outputs, self.bias)]

    def step(self, batch: NDArray[np.int64]) -> float:
        """One step down the gradient of a batch's mean loss; returns the batch's summed loss."""
        targets, context, prompts, weights, spans = _gather(self, batch)
        places, parts = spans
        which = np.repeat(np.arange(len(batch)), np.diff(np.append(places, len(targets))))
        owner = np.repeat(np.arange(len(batch)), np.diff(np.append(parts, len(prompts))))

        pooled = np.add.reduceat(self.embeddings[prompts] * weights[:, None], parts)
        hidden = self.embeddings[context].sum(axis=1) + pooled[which]
        logits = hidden @ self.outputs.T + self.bias
        logits -= logits.max(axis=1, keepdims=True)
        np.exp(logits, out=logits)
        logits /= logits.sum(axis=1, keepdims=True)
        every = np.arange(len(targets))
        loss = -np.log(np.maximum(logits[every, targets], 1e-30)).sum(dtype=np.float64)

        gradient = logits
        gradient[every, targets] -= 1
        gradient /= len(targets)
        back = gradient @ self.outputs
        self._move(1, slice(None), gradient.T @ hidden)
        self._move(2, slice(None), gradient.sum(axis=0))
        rows = np.concatenate([context.ravel(), prompts])
        slopes = np.concatenate(
            [np.repeat(back, context.shape[1], axis=0), np.add.reduceat(back, places)[owner] * weights[:, None]]
        )
        self._move(0, *_summed(rows, slopes, len(self.features)))
        return float(loss)

    def _move(self, part: int, rows: Any, gradient: Floats) -> None:
        parameter = (self.embeddings, self.outputs, self.bias)[part]
        self.squares[part][rows] += gradient * gradient
        parameter[rows] -= self.rate * gradient / np.sqrt(self.squares[part][rows])

    def model(self) -> TinyLM:
        longest = int(np.diff(self.answers.starts).max(initial=1))
        # Rounded as they are stored, so that the model answers the same before and after saving.
        embeddings, outputs = (
            part.astype(np.float16).astype(np.float32) for part in (self.embeddings[:-1], self.outputs)
        )
        return TinyLM(self.answers.vocabulary, self.features, embeddings, outputs, self.bias, longest)


def _frequent(answers: Answers, crcs: NDArray[np.uint64], base: TinyLM) -> Ints:
    """The base model's features and the most frequent ones of the data, ascending, `FEATURES` at most."""
    counts = np.bincount(answers.prompts, minlength=BUCKETS)
    for begin in range(0, len(answers), CHUNK):
        tokens, positions = _places(answers, np.arange(begin, min(begin + CHUNK, len(answers))))[1:]
        counts += np.bincount(context_buckets(crcs[tokens], positions).ravel(), minlength=BUCKETS)
    counts[base.features] = np.iinfo(np.int64).max
    order = np.argsort(-counts, kind="stable")[:FEATURES]
    return np.sort(order[counts[order] > 0]).astype(np.int32)


def _places(answers: Answers, batch: NDArray[np.int64]) -> tuple[Ints, Ints, NDArray[np.uint64]]:
    """The targets of some answers, the `LAGS` tokens before each, and its place in its answer."""
    texts = [answers.tokens[answers.starts[i] : answers.starts[i + 1]] for i in batch]
    padded = [np.concatenate([np.zeros(LAGS, np.int32), text]) for text in texts]
    last = np.concatenate(
        [np.stack([text[LAGS - lag : len(text) - lag] for lag in range(1, LAGS + 1)], axis=1) for text in padded]
    )
    positions = np.concatenate([np.arange(len(text), dtype=np.uint64) for text in texts])
    return np.concatenate(texts), last, positions


def _gather(run: _Run, batch: NDArray[np.int64]) -> tuple[Ints, Ints, Ints, Floats, tuple[Any, Any]]:
    answers = run.answers
    targets, last, positions = _places(answers, batch)
    context = run.slots[context_buckets(run.crcs[last], positions)]
    lengths = np.diff(answers.starts)[batch]
    texts = [answers.prompts[answers.prompt_starts[i] : answers.prompt_starts[i + 1]] for i in batch]
    sizes = np.array([len(text) for text in texts])
    weights = np.repeat(1 / np.sqrt(sizes), sizes).astype(np.float32)
    spans = (np.cumsum(lengths) - lengths, np.cumsum(sizes) - sizes)
    return targets, context, run.slots[np.concatenate(texts)], weights, spans


def _summed(rows: Ints, slopes: Floats, absent: int) -> tuple[Ints, Floats]:
    """Each row once, with the sum of its gradients, in an order that does not vary; absent features dropped."""
    order = np.argsort(rows, kind="stable")
    order = order[rows[order] < absent]
    unique, starts = np.unique(rows[order], return_index=True)
    return unique, np.add.reduceat(slopes[order], starts)
