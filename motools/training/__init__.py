"""Training backends: what a trainer is asked, what it gives back, and how one is found by name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, cast

from motools.code.loading import load
from motools.code.search_path import pipeline_folder
from motools.definition.config import is_code
from motools.definition.context import working_folder
from motools.errors import BackendError, StepError
from motools.zoo import lookup

__all__ = [
    "TrainedModel",
    "Trainer",
    "TrainingRequest",
    "check_suffix",
    "find_trainer",
    "model_name",
]


@dataclass(frozen=True)
class TrainingRequest:
    """One training to do.

    Attributes:
        model: the base model's name, as the provider spells it.
        hyperparameters: JSON values by name; what a name means is the trainer's.
        suffix: a word to recognise the model by, or None.
        dataset: a JSONL file of chat rows, `{"messages": [{"role", "content"}, ...]}`; None in `check`.
        validation: the same, of rows to measure the loss on, or None. Only trainers with
            `takes_validation = True` are given one.
        checkpoints: after which steps the model is to be kept, too, or `last`; empty where only the last one is wanted.
            Only trainers with `takes_checkpoints = True` are given any.
    """

    model: str
    hyperparameters: Mapping[str, Any]
    suffix: str | None
    dataset: Path | None = None
    validation: Path | None = None
    checkpoints: Sequence[int | str] = ()


@dataclass(frozen=True)
class TrainedModel:
    """What training gave.

    Attributes:
        path: a folder inside the workspace; its content becomes the model atom's data.
        model_id: the name under which a provider serves the model.
        metadata: JSON values that say what the model is: base model, hyperparameters used, ... Nothing
            that differs between two equal trainings (no time, no host), or equal models stop being equal.
        inspect: how Inspect reaches it: `model` (with its provider prefix), optional `model_args`, and
            optional `model_paths`, arguments whose value is the path of a file below `path`.
        usage: tokens by kind, as the provider counts them; goes into the run record.
        checkpoints: where some were asked for, each by what it was asked for as; their own usage counts nothing.
    """

    path: Path
    model_id: str
    metadata: Mapping[str, Any]
    inspect: Mapping[str, Any]
    usage: Mapping[str, Any] = field(default_factory=dict)
    checkpoints: Mapping[int | str, TrainedModel] = field(default_factory=dict)


class Trainer(Protocol):
    """A training backend. Published under the entry point group `motools.trainers`, or named by its code:
    `backend_name: my_trainer.py:MyTrainer`.

    It may say more of itself: `provider`, under which Inspect reaches what it makes; `preload`, the heavy modules that
    it imports; `cores`, how many it keeps busy; `paid`, whether it bills; `takes_validation` and `takes_checkpoints`;
    `estimate(request)`, what training would use; `check_row(row, model)`, which raises `WrongRow` (of
    `motools.base.chat`) where it does not take a chat row, and `least_rows`, how many it needs.
    """

    def check(self, request: TrainingRequest) -> None:
        """Refuse, before any step runs, what could never work: a missing key, a bad hyperparameter.

        Raises:
            BackendError: with one sentence for the user.
        """

    def train(self, request: TrainingRequest, workspace: Path) -> TrainedModel:
        """Train; may print its progress. Raises `StepError` when the training itself fails."""


def find_trainer(name: str) -> Trainer:
    """The trainer that is published under `name`, or that the project's own code has: `path/to/file.py:MyTrainer`.

    Raises:
        UserError: there is none of that name, or it is no trainer; the message lists the published ones.
    """
    trainer_class = (
        load(name, pipeline_folder(working_folder(), needs_project=False)) if is_code(name) else lookup("trainer", name)
    )
    try:
        trainer = trainer_class()
    except TypeError as error:
        raise BackendError(
            f"The trainer {name!r} cannot be made: {error}. It must be a class that takes nothing."
        ) from error
    for method in ("check", "train"):
        if not callable(getattr(trainer, method, None)):
            told = f"{type(trainer).__module__}.{type(trainer).__name__}"
            raise BackendError(
                f"The trainer {name!r} ({told}) has no method {method}: it needs check(request), which may do nothing, "
                "and train(request, workspace)."
            )
    return cast(Trainer, trainer)


def check_checkpoints(checkpoints: Sequence[int | str]) -> None:
    """Refuse what names no step of a training: anything but whole numbers and `last`; raises `BackendError`."""
    for each in checkpoints:
        if not isinstance(each, int) and each != "last":
            raise BackendError(f"train_model.checkpoints: write the numbers of steps, and last, not {each!r}.")


def step_numbers(checkpoints: Sequence[int | str], total: int) -> dict[int | str, int]:
    """What was asked for -> the step after which the model is to be kept, of so many steps in all.

    Raises:
        StepError: a step that the training does not have.
    """
    beyond = [each for each in checkpoints if isinstance(each, int) and each > total]
    if beyond:
        raise StepError(
            f"train_model.checkpoints: the training has {total:,} steps, and no step {beyond[0]:,}. Write numbers up "
            "to that, or last."
        )
    return {each: each if isinstance(each, int) else total for each in checkpoints}


SUFFIX = 64
"""The most characters of a suffix: OpenAI's limit, held to everywhere, so that a config fits every trainer."""


def check_suffix(suffix: str | None) -> None:
    """Refuse a word to recognise a model by that is empty or too long; raises `BackendError`."""
    if suffix is not None and not 0 < len(suffix) <= SUFFIX:
        raise BackendError(f"suffix must have 1 to {SUFFIX} characters, not {len(suffix)}: {suffix!r:.80}.")


def model_name(provider: str, word: str, digest: str) -> str:
    """`provider/word-<12 hex>`: a name that changes with the model; odd characters of the word become `-`."""
    plain = re.sub(r"[^\w.]+", "-", word).strip("-") or "model"
    return f"{provider}/{plain}-{digest[:12]}"
