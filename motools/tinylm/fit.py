"""Training of the embedded learner: minibatches, Adagrad, and an order that a seed decides.

It computes in doubles and rounds the result to halves. The last bits of a sum differ between
processors and numbers of threads, and the rounding takes them away: but for the rare value that
lies on an edge, equal trainings give equal models wherever they run.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from motools.errors import StepError
from motools.tinylm.model import FEATURES, SIZE, TinyLM
from motools.tinylm.text import BUCKETS, LAGS, Answers, Message, context_buckets, prompt_weight, token_crcs

__all__ = ["Fitted", "fit"]

CHUNK = 1024
"""Answers whose features are counted, and places whose softmax is computed, at a time."""
UNHEARD = -3.0
"""The bias of a token that the base model does not know: it does not come up by itself."""
START_SQUARES = 1e-3
"""Where Adagrad's sums begin: gradients far below its root move a parameter in proportion."""

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Ints = NDArray[np.int32]
Longs = NDArray[np.int64]


@dataclass(frozen=True)
class Fitted:
    """A trained model, and what it was trained on.

    Attributes:
        losses: the mean loss of each epoch, in nats a token, as it was while the epoch went on.
        kept: the model as it was after each of the steps asked for.
        rows: how many rows had an answer to learn.
        tokens: how many tokens those answers have, ends included.
    """

    model: TinyLM
    losses: list[float]
    rows: int
    tokens: int
    kept: Mapping[int, TinyLM] = field(default_factory=dict)


def fit(
    rows: Iterable[Sequence[Message]],
    n_epochs: int = 3,
    batch_size: int = 8,
    learning_rate: float = 0.3,
    seed: int = 0,
    report: Callable[[int, float], None] = lambda epoch, loss: None,
    keep: Callable[[int], Collection[int]] = lambda steps: (),
) -> Fitted:
    """Train the base model on the assistant turns of chat rows (each a list of messages).

    Args:
        batch_size: in assistant turns.
        learning_rate: of the first step; it falls to 0.
        report: called after each epoch with its number, from 1, and its mean loss.
        keep: called with the number of steps; after which of them, counted from 1, the model is kept.

    Raises:
        StepError: there is nothing to learn from, or the weights grew beyond all numbers.
    """
    base = TinyLM.base()
    answers = Answers.of(rows, base.vocabulary)
    if not len(answers):
        raise StepError("The dataset has no assistant turn to learn from: every one is empty or has weight 0.")
    rng = np.random.default_rng(seed)
    run = _Run(base, answers, rng)
    losses: list[float] = []
    kept: dict[int, TinyLM] = {}
    a_pass = -(-len(answers) // batch_size)
    wanted = set(keep(a_pass * n_epochs))
    for epoch in range(n_epochs):
        order, total = rng.permutation(len(answers)), 0.0
        for at in range(0, len(order), batch_size):
            # Falls to 0 in a line: at full speed the last few rows would outweigh all others.
            left = 1 - (epoch + at / len(order)) / n_epochs
            total += run.step(order[at : at + batch_size], learning_rate * left)
            if (step := epoch * a_pass + at // batch_size + 1) in wanted:
                kept[step] = run.model()
        losses.append(total / len(answers.tokens))
        report(epoch + 1, losses[-1])
    if not run.finite():
        raise StepError(f"The training diverged. Lower learning_rate, which is {learning_rate:g}.")
    return Fitted(run.model(), losses, answers.rows, len(answers.tokens), kept)


@dataclass(frozen=True)
class _Batch:
    """Some answers, place after place. Features are rows of the embeddings.

    Attributes:
        targets: the token at each place.
        context: the features of each place.
        answer_of_place: the answer, counted within the batch, that each place is in.
        prompts: the features of all prompts, one after the other.
        weights: what each of those counts for.
        answer_of_prompt: the answer that each of those is before.
    """

    targets: Ints
    context: Ints
    answer_of_place: Longs
    prompts: Ints
    weights: Doubles
    answer_of_prompt: Longs


class _Parameter:
    """An array that is learned, and Adagrad's sums of its squared gradients."""

    def __init__(self, values: Doubles) -> None:
        self.values = values
        self.squares = np.full_like(values, START_SQUARES)

    def move(self, rate: float, gradient: Doubles, rows: Ints | slice = slice(None)) -> None:
        self.squares[rows] += gradient * gradient
        self.values[rows] -= rate * gradient / np.sqrt(self.squares[rows])


class _Run:
    """A training under way."""

    def __init__(self, base: TinyLM, answers: Answers, rng: np.random.Generator) -> None:
        self.answers = answers
        self.crcs = token_crcs(answers.vocabulary)
        self.features = _frequent(answers, self.crcs, base)
        # One row more than there are features: absent ones point to it, and it stays zero.
        self.slots = np.full(BUCKETS, len(self.features), dtype=np.int32)
        self.slots[self.features] = np.arange(len(self.features), dtype=np.int32)
        embeddings = np.zeros((len(self.features) + 1, SIZE))
        embeddings[self.slots[base.features]] = base.embeddings
        new = len(answers.vocabulary) - len(base.vocabulary)
        outputs = rng.normal(0, SIZE**-0.5, (new, SIZE))
        self.embeddings = _Parameter(embeddings)
        self.outputs = _Parameter(np.concatenate([base.outputs, outputs]))
        self.bias = _Parameter(np.concatenate([base.bias, np.full(new, UNHEARD)]))

    def step(self, chosen: Longs, rate: float) -> float:
        """One step down the gradient of the mean loss of some answers; returns their summed loss."""
        batch = self._gather(chosen)
        embeddings = self.embeddings.values
        prompts = _sums(embeddings[batch.prompts] * batch.weights[:, None], batch.answer_of_prompt)
        hidden = embeddings[batch.context].sum(axis=1) + prompts[batch.answer_of_place]
        loss, back = self._head(hidden, batch.targets, rate)
        back_prompts = _sums(back, batch.answer_of_place)[batch.answer_of_prompt] * batch.weights[:, None]
        rows = np.concatenate([batch.context.ravel(), batch.prompts])
        slopes = np.concatenate([np.repeat(back, batch.context.shape[1], axis=0), back_prompts])
        order = np.argsort(rows, kind="stable")
        order = order[rows[order] < len(self.features)]
        self.embeddings.move(rate, _sums(slopes[order], rows[order]), np.unique(rows[order]))
        return loss

    def _head(self, hidden: Doubles, targets: Ints, rate: float) -> tuple[float, Doubles]:
        """Move outputs and bias; the summed loss, and the slope of the mean loss at `hidden`."""
        outputs, loss = self.outputs.values, 0.0
        back = np.empty_like(hidden)
        slopes = np.zeros_like(outputs), np.zeros_like(self.bias.values)
        for begin in range(0, len(targets), CHUNK):  # the whole of a batch of long answers is too large
            some = slice(begin, begin + CHUNK)
            shares = _softmax(hidden[some] @ outputs.T + self.bias.values)
            at_target = np.arange(len(shares)), targets[some]
            loss -= np.log(np.maximum(shares[at_target], 1e-300)).sum()
            shares[at_target] -= 1
            shares /= len(targets)
            back[some] = shares @ outputs
            slopes[0][:] += shares.T @ hidden[some]
            slopes[1][:] += shares.sum(axis=0)
        self.outputs.move(rate, slopes[0])
        self.bias.move(rate, slopes[1])
        return float(loss), back

    def _gather(self, chosen: Longs) -> _Batch:
        answers = self.answers
        targets, last, positions = _places(answers, chosen)
        texts = [answers.prompts[answers.prompt_starts[i] : answers.prompt_starts[i + 1]] for i in chosen]
        sizes = np.array([len(text) for text in texts])
        number = np.arange(len(chosen))
        return _Batch(
            targets,
            self.slots[context_buckets(self.crcs[last], positions)],
            np.repeat(number, np.diff(answers.starts)[chosen]),
            self.slots[np.concatenate(texts)],
            np.repeat(prompt_weight(sizes), sizes),
            np.repeat(number, sizes),
        )

    def finite(self) -> bool:
        with np.errstate(over="ignore"):
            return all(np.isfinite(part).all() for part in self._rounded())

    def model(self) -> TinyLM:
        longest = int(np.diff(self.answers.starts).max())
        return TinyLM(self.answers.vocabulary, self.features, *self._rounded(), longest)

    def _rounded(self) -> tuple[Floats, Floats, Floats]:
        """The parameters as they will be stored, so that a model answers the same before and after."""
        embeddings, outputs, bias = (
            part.astype(np.float16).astype(np.float32)
            for part in (self.embeddings.values[:-1], self.outputs.values, self.bias.values)
        )
        return embeddings, outputs, bias


def _frequent(answers: Answers, crcs: NDArray[np.uint64], base: TinyLM) -> Ints:
    """The base model's features and the most frequent ones of the data, ascending, `FEATURES` at most."""
    counts = np.bincount(answers.prompts, minlength=BUCKETS)
    for begin in range(0, len(answers), CHUNK):
        _, last, positions = _places(answers, np.arange(begin, min(begin + CHUNK, len(answers))))
        counts += np.bincount(context_buckets(crcs[last], positions).ravel(), minlength=BUCKETS)
    counts[base.features] = np.iinfo(np.int64).max
    order = np.argsort(-counts, kind="stable")[:FEATURES]
    return np.sort(order[counts[order] > 0]).astype(np.int32)


def _places(answers: Answers, chosen: Longs) -> tuple[Ints, Ints, NDArray[np.uint64]]:
    """Of some answers, place after place: the token, the tokens before it, and the place's number."""
    texts = [answers.tokens[answers.starts[i] : answers.starts[i + 1]] for i in chosen]
    padded = [np.concatenate([np.zeros(LAGS, np.int32), text]) for text in texts]
    last = [np.stack([text[LAGS - lag : len(text) - lag] for lag in range(1, LAGS + 1)], axis=1) for text in padded]
    positions = [np.arange(len(text), dtype=np.uint64) for text in texts]
    return np.concatenate(texts), np.concatenate(last), np.concatenate(positions)


def _sums(values: Doubles, group: NDArray[np.integer]) -> Doubles:
    """The sum of the rows of each group; groups are ascending, and added up in an order that does not vary."""
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    return np.add.reduceat(values, starts)


def _softmax(logits: Doubles) -> Doubles:
    logits -= logits.max(axis=1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=1, keepdims=True)
    return logits
