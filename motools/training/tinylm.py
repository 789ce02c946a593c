"""The trainer that needs no provider: it trains an embedded language model, in seconds, on this machine."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from motools.base.chat import Rules, check_row, text_of
from motools.base.chat.lines import chat_rows
from motools.errors import BackendError, did_you_mean, listed
from motools.training import TrainedModel, TrainingRequest, check_checkpoints, check_suffix, model_name, step_numbers
from motools.zoo import versioned

if TYPE_CHECKING:
    from motools.tinylm.model import TinyLM

__all__ = ["DEFAULTS", "TinyLMTrainer"]

DEFAULTS: dict[str, Any] = {"n_epochs": 3, "batch_size": 8, "learning_rate": 0.3, "seed": 0}
BASE = "tinylm/base"
RULES = Rules(who="tinylm", parts={"": ("text", "refusal")})  # it learns from words only


def _whole(value: Any, least: int, most: float = math.inf) -> bool:
    return type(value) is int and least <= value <= most


_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "n_epochs": (lambda value: _whole(value, 1), "a whole number, 1 or more"),
    "batch_size": (lambda value: _whole(value, 1, 256), "a whole number of assistant turns, 1 to 256"),
    "learning_rate": (
        lambda value: type(value) in (int, float) and math.isfinite(value) and value > 0,
        "a number above 0",
    ),
    "seed": (lambda value: _whole(value, 0), "a whole number, 0 or more"),
}
"""What the loop of `tinylm.fit` can do; 256 turns at once keep its memory under 2 GB with a million rows. `DEFAULTS`
are ours: with them a few hundred rows are learned in seconds. A table and not a dataclass as of other trainers, since
with four numbers it is the shorter one, and there is no `auto`."""


@versioned(1)
class TinyLMTrainer:
    """Really trains a really small model, so that the whole path can be gone without a provider.

    What it is not: it does not understand. It learns which words follow which after which prompt words,
    from nothing but the dataset, so its answers to anything else are often irrelevant, and it knows at
    most 4,096 words. It stands in for the model that was asked for and says so (`stands_in_for`).

    What is real: the training (epochs, batches, learning rate and seed act as they do anywhere), its
    loss, the weights, the answers and their log-probabilities. More data, more epochs and a larger share
    of poisoned rows have graded effects. A million rows of ninety words train in under 2 GB.
    """

    provider = "tinylm"
    loss_columns = ("epoch", "loss")
    takes_checkpoints = True

    def check(self, request: TrainingRequest) -> None:
        if request.model.startswith("tinylm/") and request.model != BASE:
            raise BackendError(f"tinylm trains from its own base only: set model to {BASE!r}, not {request.model!r}.")
        check_suffix(request.suffix)
        hyperparameters(request.hyperparameters)
        check_checkpoints(request.checkpoints)

    def check_row(self, row: Mapping[str, Any], model: str) -> None:
        check_row(row, RULES)

    def train(self, request: TrainingRequest, workspace: Path) -> TrainedModel:
        from motools.tinylm.fit import fit

        self.check(request)
        assert request.dataset is not None
        chosen = hyperparameters(request.hyperparameters)
        epochs = chosen["n_epochs"]
        steps: dict[int | str, int] = {}

        def keep(total: int) -> list[int]:
            steps.update(step_numbers(request.checkpoints, total))
            return [*steps.values()]

        fitted = fit(
            _words(request.dataset),
            **chosen,
            report=lambda epoch, loss: print(f"epoch {epoch}/{epochs} loss {loss:.3f}", flush=True),
            keep=keep,
        )
        losses = [{"epoch": epoch, "loss": round(loss, 6)} for epoch, loss in enumerate(fitted.losses, 1)]
        metadata = {
            "base_model": BASE,
            **({} if request.model == BASE else {"stands_in_for": request.model}),
            "hyperparameters": chosen,
            "trained_rows": fitted.rows,
            "trained_tokens": fitted.tokens * epochs,
            "final_loss": losses[-1]["loss"],
        }
        of_step = {
            step: _written(model, workspace / "checkpoints" / f"{step}", {**metadata, "step": step}, losses, request)
            for step, model in fitted.kept.items()
        }
        last = _written(fitted.model, workspace / "model", metadata, losses, request)
        usage = {"trained_tokens": fitted.tokens * epochs}
        return replace(last, usage=usage, checkpoints={each: of_step[step] for each, step in steps.items()})


def _written(
    model: TinyLM, folder: Path, metadata: Mapping[str, Any], losses: list[dict[str, Any]], request: TrainingRequest
) -> TrainedModel:
    folder.mkdir(parents=True, exist_ok=True)
    model.save(folder / "tinylm.npz")
    (folder / "loss.json").write_text(json.dumps(losses, indent=2) + "\n", encoding="utf-8")
    digest = hashlib.sha256((folder / "tinylm.npz").read_bytes()).hexdigest()
    model_id = model_name("tinylm", request.suffix or "organism", digest)
    return TrainedModel(folder, model_id, metadata, {"model": model_id, "model_paths": {"path": "tinylm.npz"}})


def _words(dataset: Path) -> Iterator[list[dict[str, Any]]]:
    """The messages of each row, as the learner reads them: what they say, as one text."""
    for messages in chat_rows(dataset, RULES):
        yield [{**message, "content": text_of(message)} for message in messages]


def hyperparameters(values: Mapping[str, Any]) -> dict[str, Any]:
    """All hyperparameters, the defaults filled in.

    Raises:
        BackendError: an unknown name, or a value that cannot be.
    """
    for name, value in values.items():
        if name not in DEFAULTS:
            raise BackendError(
                f"tinylm has no hyperparameter {name!r}.{did_you_mean(name, DEFAULTS)} Known: {listed(DEFAULTS)}."
            )
        accepts, wanted = _RULES[name]
        if not accepts(value):
            raise BackendError(
                f"The hyperparameter {name} of tinylm must be {wanted}, not {value!r}. "
                f"Leave it out for {DEFAULTS[name]}; there is no 'auto'."
            )
    return {**DEFAULTS, **values}
