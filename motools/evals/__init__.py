"""Evaluation backends: what an evaluator is asked, what it gives back, and how one is found by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NotRequired, Protocol, TypedDict, cast

from motools.errors import BackendError
from motools.zoo import lookup

if TYPE_CHECKING:
    from motools.atom.atom import ModelAtom

__all__ = ["Counts", "EvalRequest", "Evaluation", "Evaluator", "Metrics", "find_evaluator"]

Metrics = dict[str, dict[str, dict[str, float | None]]]
"""task -> score -> metric -> value; None where a value is not a number (a standard error of one sample)."""


class Counts(TypedDict):
    """How the samples of a task ended, each epoch of a sample counted for itself.

    `total` were to be evaluated; `completed` ended without an error, `errored` with one. `unscored` are completed
    samples for which a scorer gave no value (a judge that did not judge): they are in no mean. `reasons` counts what
    lies behind such numbers: `blocked` by the provider and `too_long` for the model, which got no answer and are
    unscored; `cut_off` by a limit of tokens, which are scored as they are.
    """

    total: int
    completed: int
    errored: int
    unscored: int
    reasons: NotRequired[dict[str, int]]


@dataclass(frozen=True)
class EvalRequest:
    """One evaluation to do: a task (`module:function`, `file.py@task` or `package/task`) or several, options, a model.

    `model` is None in `check`, which runs before there is one; `expected` then is its name with Inspect's provider
    before it, and `expected_args` the provider's arguments, as far as they are known. `before_paying` says in a
    rehearsal that a training which is paid comes first, so that who judges may be asked one question.
    """

    task: str | Sequence[str]
    kwargs: Mapping[str, Any]
    model: ModelAtom | None = None
    expected: str | None = None
    expected_args: Mapping[str, Any] = field(default_factory=dict)
    before_paying: bool = False

    @property
    def tasks(self) -> list[str]:
        return [self.task] if isinstance(self.task, str) else list(self.task)


@dataclass(frozen=True)
class Evaluation:
    """What evaluating gave; all of it equal for equal evaluations but `logs` and `usage`.

    Attributes:
        metrics: every score and every metric of the log; where a sample has no part in them, also how many
            (see `Counts`).
        samples: one JSON value a sample: `id`, `epoch`, `input`, `target`, `output`, `scores`, `error`; `stop_reason`
            where the answer did not end by itself; `clusters`, name -> value, where standard errors go by them.
        counts: how the samples of each task ended.
        logs: a folder of `.eval` logs for `inspect view`, or None.
        usage: tokens by model, and by role under `roles`, as the provider counts them; goes into the run record.
    """

    metrics: Metrics
    samples: list[dict[str, Any]]
    counts: Mapping[str, Counts]
    logs: Path | None = None
    usage: Mapping[str, Any] = field(default_factory=dict)


class Evaluator(Protocol):
    """An evaluation backend. Published under the entry point group `motools.evaluators`.

    It may say more of itself: `preload`, the heavy modules that it imports; `paid`; and `rehearse(request)`, which
    makes what the request names, in a process of its own, and raises `BackendError` where that cannot be made.
    """

    def check(self, request: EvalRequest) -> None:
        """Refuse, before any step runs, what could never work; raises `BackendError`."""

    def evaluate(self, request: EvalRequest, workspace: Path) -> Evaluation:
        """Evaluate; an evaluation that ends in an error raises `StepError` with its cause."""


def find_evaluator(name: str) -> Evaluator:
    """The evaluator published under `name`; raises `UserError` with the known names."""
    evaluator = lookup("evaluator", name)()
    for method in ("check", "evaluate"):
        if not callable(getattr(evaluator, method, None)):
            raise BackendError(
                f"The evaluator {name!r} has no method {method}: it needs check(request), which may do nothing, and "
                "evaluate(request, workspace)."
            )
    return cast(Evaluator, evaluator)
