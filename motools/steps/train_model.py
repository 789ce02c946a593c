"""train_model: hand a dataset to a training backend, keep the model it gives."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from motools.atom import Atom, DatasetAtom
from motools.config import Name, StepConfig
from motools.errors import StepError
from motools.training import TrainingRequest, find_trainer
from motools.workflow import AtomConstructor
from motools.zoo import versioned


@dataclass
class TrainModelConfig(StepConfig):
    """Config of `train_model`."""

    model: str = "tinylm/base"
    """The base model, as the provider spells it."""
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    """What the backend takes: n_epochs, batch_size, learning_rate, seed, ..."""
    suffix: str | None = None
    """A word to recognise the model by."""
    backend_name: Name("trainer") = "tinylm"  # type: ignore[valid-type]
    """Where it is trained: tinylm (embedded, offline), dummy (instant, learns nothing), openai, tinker."""


def _request(config: TrainModelConfig, dataset: Path | None) -> TrainingRequest:
    return TrainingRequest(config.model, config.hyperparameters, config.suffix, dataset)


def check_training(config: TrainModelConfig) -> None:
    """Before a run: let the backend refuse what could never work."""
    find_trainer(config.backend_name).check(_request(config, None))


def cores_of_training(config: TrainModelConfig) -> float:
    """How many cores the backend says it keeps busy."""
    cores: float = getattr(find_trainer(config.backend_name), "cores", 1.0)
    return cores


@versioned(1)
def train_model(
    config: TrainModelConfig,
    input_atoms: dict[str, Atom],
    workspace: Path,
    output: str = "trained_model",
) -> list[AtomConstructor]:
    """Train on the one dataset among the inputs; makes a model atom."""
    (dataset,) = (atom for atom in input_atoms.values() if isinstance(atom, DatasetAtom))
    check_training(config)
    trained = find_trainer(config.backend_name).train(_request(config, dataset.get_rows_path()), workspace)
    if not trained.model_id:
        raise StepError(f"The trainer {config.backend_name!r} gave the model no id.")
    if trained.usage:
        (workspace / "usage.json").write_text(json.dumps(trained.usage), encoding="utf-8")
    about = {**trained.metadata, "model_id": trained.model_id, "inspect": dict(trained.inspect)}
    return [AtomConstructor(output, trained.path, "model", about)]
