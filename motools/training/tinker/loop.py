"""The training itself: batch after batch, saved every few steps, and after any error gone on with from what was saved.

No error of the protocol leaves a client that can be trusted: a request that was refused leaves a gap for which all
later ones wait, and a failed gradient is followed by a step without it. So the client is dropped and a new one loads
the last state.
"""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

from motools.errors import StepError
from motools.training import step_numbers
from motools.training.examples import Example, Plan, examples, tokenizer_digest
from motools.training.tinker.hyperparameters import ADAM, Hyperparameters
from motools.training.tinker.saved import KEY, MODEL, About, Kept, Save
from motools.training.tinker.session import Gone, Server
from motools.training.tries import Busy, Doubtful, NotThere, Tries

__all__ = ["Training"]

TTL = 7 * 24 * 3600
"""Seconds that a state to go on from is kept, as in the cookbook; what can be sampled from stays."""
AHEAD = 2
"""Batches that are at the server at once, so that it need not wait for us."""
TRIES = 3
"""How often steps are paid again from the same state."""

Rows = Sequence[Sequence[dict[str, Any]]]


@dataclass
class Training:
    """One training, from wherever it stands to its end.

    Attributes:
        key: the mark by which it is found again.
        model: the name of what it makes.
        note: called when something was saved, with its step and the number of steps; (0, 0): it has begun.
        checkpoints: after which steps weights to sample from are kept, beside those of the last epochs.
    """

    server: Server
    kept: Kept
    base: str
    chosen: Hyperparameters
    key: str
    model: str
    suffix: str | None
    rows: Callable[[], Rows]
    note: Callable[[int, int], Any]
    checkpoints: Sequence[int | str] = ()
    _plan: Plan | None = None
    _about: About | None = None
    _paid: bool = False
    _gone: set[str] = field(default_factory=set)
    _kept_steps: set[int] = field(default_factory=set)

    def to_the_end(self) -> Save:
        """Train as far as it is not done; returns the final weights.

        Raises:
            StepError: the server refuses, stays silent for too long, or the training diverges.
        """
        tries: Tries | None = None
        lost, reached = 0, -1
        with self.server.line.listening():
            while True:
                self._paid = False
                try:
                    return self._attempt()
                except Gone as gone:
                    print(f"{gone}; going on from what there is", flush=True)
                except (Busy, Doubtful, NotThere) as problem:
                    print(f"{self.server.name}: {problem}", flush=True)
                    if (now := self._reached()) > reached:
                        reached, tries, lost = now, None, 0
                    lost += self._paid
                    if lost == TRIES:
                        raise StepError(
                            f"{self.server.name} failed {TRIES} times after step {max(reached, 0)} ({problem}). "
                            "`motools run` goes on from there."
                        ) from None
                    tries = tries or Tries(self.server.name, self.server.settings, "training")
                    doubt = problem if isinstance(problem, Busy) else Doubtful(str(problem))
                    tries.wait(doubt, "`motools run` goes on from what was saved.")

    def _reached(self) -> int:
        return max((save.step for save in self.kept.saves), default=-1)

    def _attempt(self) -> Save:
        self.kept.add(*(save for save in self.server.saves(self.key) if save.path not in self._gone))
        finals = (save for save in self.kept.saves if save.kind == "sampler" and save.step == save.about.total)
        if (final := next(finals, None)) is not None:
            return final
        states = (save for save in self.kept.saves if save.kind == "state")
        state = max(states, key=lambda save: save.step, default=None)
        marks = {KEY: self.key, MODEL: self.model}
        try:
            with self.server.client(self.base, self.chosen, state, marks, self.suffix) as client:
                if self._plan is None:
                    self._make_plan(client)
                if state is not None and state.about != self._about:
                    raise Gone(f"the state {state.path} was saved for rows that were rendered otherwise")
                return self._trained(client, state)
        except Gone:
            assert state is not None
            self._gone.add(state.path)
            self.kept.keep(save for save in self.kept.saves if save is not state)
            raise

    def _make_plan(self, client: Any) -> None:
        """Render the rows, with the tokenizer of the model that is to be trained."""
        tokenizer = self.server.line.ask("fetching the tokenizer", lambda: _tokenizer(client))
        rows = self.rows()
        plan = Plan(examples(rows, tokenizer, self.server.longest(self.base)), self.chosen)
        self._kept_steps = {*plan.kept, *step_numbers(self.checkpoints, plan.total).values()}
        self._plan = plan
        about = (plan.digest, tokenizer_digest(tokenizer), plan.batch_size, plan.total, len(rows), plan.all_tokens)
        self._about = About(*about)
        print(
            f"{len(plan.examples):,} examples of {len(rows):,} rows, {plan.total:,} steps of {plan.batch_size}, "
            f"{plan.all_tokens:,} tokens",
            flush=True,
        )

    def _trained(self, client: Any, state: Save | None) -> Save:
        """Go on from a state, or from the beginning, to the final weights."""
        assert self._plan is not None
        plan, step, losses = self._plan, state.step if state else 0, list[float]()
        if state is not None:
            print(f"going on after step {step} of {plan.total}", flush=True)
        self.note(step, plan.total)
        self._keep(client, step, step, losses)  # what came to its end between two saves of the same step
        every = self.server.settings.save_every
        for stop in sorted({*range(0, plan.total, every), *self._kept_steps}):
            sent, since, at_work = step, step, deque[tuple[Any, Any]]()
            while step < stop:
                while sent < stop and len(at_work) < AHEAD:
                    at_work.append(self._send(client, sent))
                    sent += 1
                losses.append(self._loss(step, *at_work.popleft()))
                step += 1
                print(f"step {step}/{plan.total} loss {losses[-1]:.4g}", flush=True)
            if step > since:
                self._keep(client, since, step, losses)
                self.note(step, plan.total)
                losses.clear()
        return next(save for save in self.kept.saves if save.kind == "sampler" and save.step == plan.total)

    def _send(self, client: Any, step: int) -> tuple[Any, Any]:
        """A batch, and the optimizer's step after it."""
        from tinker import AdamParams

        assert self._plan is not None
        adam = AdamParams(learning_rate=self._plan.rate(step), weight_decay=self.chosen.weight_decay, **ADAM)
        self.kept.tokens += self._plan.tokens(step)
        self.kept.write()
        self._paid = True
        return client.forward_backward(_datums(self._plan, step), "cross_entropy"), client.optim_step(adam)

    def _loss(self, step: int, gradient: Any, update: Any) -> float:
        """The mean loss of a batch's examples, when the step with it is done."""
        assert self._plan is not None
        told = self.server.line.ask(f"training step {step + 1}", gradient.result)
        self.server.line.ask(f"updating the weights in step {step + 1}", update.result)
        total = told.metrics.get("loss:sum")
        if total is None:
            raise StepError(f"{self.server.name} does not tell the loss of a step: it speaks another protocol.")
        loss = total / len(self._plan.batch(step))
        if not math.isfinite(loss):
            raise StepError(f"The training diverged. Lower learning_rate, which is {self.chosen.learning_rate:g}.")
        return float(f"{loss:.6g}")

    def _keep(self, client: Any, since: int, step: int, losses: Sequence[float]) -> None:
        """Save what a step leaves, unless it is saved: a state to go on from, or weights to sample from, or both."""
        assert self._plan is not None
        assert self._about is not None
        saved = {(save.kind, save.step) for save in self.kept.saves if save.about == self._about}
        ways: tuple[tuple[Literal["state", "sampler"], bool, Any], ...] = (
            ("state", 0 < step < self._plan.total, partial(client.save_state, ttl_seconds=TTL)),
            ("sampler", step in self._kept_steps, client.save_weights_for_sampler),
        )
        for kind, due, call in ways:
            if due and (kind, step) not in saved:
                save = Save("", kind, since, step, tuple(losses), self._about)
                asked = partial(call, f"step-{step:06d}", user_metadata=save.marks(self.key, self.model))
                path = self.server.line.ask(f"saving the {kind}", partial(_path, asked))
                self.kept.add(replace(save, path=path))
                since, losses = step, ()


def _path(save: Callable[[], Any]) -> str:
    return str(save().result().path)


def _tokenizer(client: Any) -> Any:
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")  # that there is no PyTorch, which nobody needs here
    try:
        return client.get_tokenizer()
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        info = client.get_info().model_data
        raise StepError(f"The tokenizer {info.tokenizer_id or info.model_name} cannot be had: {error}") from None


def _datums(plan: Plan, step: int) -> list[Any]:
    from tinker import Datum, ModelInput

    def datum(example: Example) -> Any:
        inputs: Any = {"target_tokens": example.tokens[1:].astype("int64"), "weights": example.weights}
        return Datum(model_input=ModelInput.from_ints(example.tokens[:-1].tolist()), loss_fn_inputs=inputs)

    return [datum(example) for example in plan.batch(step)]
