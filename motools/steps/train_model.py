"""train_model: hand a dataset to a training backend, keep the model it gives."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from motools.atom.atom import Atom, DatasetAtom
from motools.atom.costs import Estimate
from motools.base.configs import StepConfig
from motools.definition.config import Added, Name, is_code
from motools.definition.step import AtomConstructor
from motools.errors import BackendError, ConfigError, MotoolsError, StepError, listed
from motools.training import TrainedModel, TrainingRequest, find_trainer
from motools.zoo import versioned

VALIDATION = "validation_dataset"
_LAST = re.compile(r"last(?:-[1-9][0-9]*)?")


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
    """Where it is trained: tinylm (embedded, offline), dummy (instant, learns nothing), local, openai, tinker."""
    checkpoints: Annotated[list[int | str], Added()] = field(default_factory=list)
    """After which steps the model is kept, each a model of its own: step numbers, and last. Empty: the last alone."""


def _request(config: TrainModelConfig, dataset: Path | None, validation: Path | None = None) -> TrainingRequest:
    checkpoints = tuple(config.checkpoints)
    return TrainingRequest(config.model, config.hyperparameters, config.suffix, dataset, validation, checkpoints)


def check_training(config: TrainModelConfig) -> None:
    """Before a run: let the backend refuse what could never work."""
    trainer = find_trainer(config.backend_name)
    if config.checkpoints and not getattr(trainer, "takes_checkpoints", False):
        raise BackendError(
            f"The trainer {config.backend_name!r} keeps no checkpoints: leave train_model.checkpoints out."
        )
    trainer.check(_request(config, None))


def checkpoints_of_training(config: TrainModelConfig) -> dict[str, list[int | str]]:
    """The axis that several checkpoints are; raises `ConfigError` for what is none."""
    for each in config.checkpoints:
        if not (isinstance(each, int) and each > 0) and not (isinstance(each, str) and _LAST.fullmatch(each)):
            raise ConfigError(
                f"train_model.checkpoints: {each!r} is no checkpoint. Write the numbers of steps, from 1, or last; for "
                "openai last, last-1 or last-2."
            )
    return {"checkpoint": list(config.checkpoints)} if config.checkpoints else {}


def models_of_training(config: TrainModelConfig) -> list[str]:
    """The base model as Inspect would name it, and the trainer."""
    provider = getattr(find_trainer(config.backend_name), "provider", config.backend_name)
    return [f"{provider}/{config.model.removeprefix(f'{provider}/')}", f"trainer {config.backend_name}"]


def cores_of_training(config: TrainModelConfig) -> float:
    """How many cores the backend says it keeps busy."""
    cores: float = getattr(find_trainer(config.backend_name), "cores", 1.0)
    return cores


def is_paid_training(config: TrainModelConfig, input_atoms: Mapping[str, Atom]) -> bool:
    """Whether the backend says that it bills."""
    paid: bool = getattr(find_trainer(config.backend_name), "paid", False)
    return paid


def modules_of_training(config: TrainModelConfig) -> tuple[str, ...]:
    """The heavy modules that the backend says it will import."""
    modules: tuple[str, ...] = getattr(find_trainer(config.backend_name), "preload", ())
    return modules


def estimate_training(config: TrainModelConfig, input_atoms: Mapping[str, Atom]) -> Estimate | None:
    """What the training would use, where the backend can tell."""
    estimate = getattr(find_trainer(config.backend_name), "estimate", None)
    datasets = [a for name, a in input_atoms.items() if isinstance(a, DatasetAtom) and name != VALIDATION]
    if estimate is None or len(datasets) != 1:
        return None
    guess: Estimate = estimate(_request(config, datasets[0].get_rows_path()))
    return guess


def plots_of_training(config: TrainModelConfig) -> dict[str, dict[str, str]]:
    """The loss curve, where the backend is a published one and writes one."""
    if is_code(config.backend_name):  # code of the project is not imported to know what could be drawn
        return {}
    try:
        columns = getattr(find_trainer(config.backend_name), "loss_columns", None)
    except MotoolsError:
        return {}
    if columns is None:
        return {}
    x, y = columns
    return {"loss.json": {"title": "Training loss", "x": x, "y": y, "x_label": x, "y_label": "loss"}}


@versioned(1)
def train_model(
    config: TrainModelConfig,
    input_atoms: dict[str, Atom],
    workspace: Path,
    output: str = "trained_model",
) -> list[AtomConstructor]:
    """Train on the one dataset among the inputs; makes a model atom.

    An input named `validation_dataset` is not trained on: the loss on it is measured, by backends that do so.
    """
    check_training(config)
    trainer = find_trainer(config.backend_name)
    validation = input_atoms.get(VALIDATION)
    if validation is not None and not getattr(trainer, "takes_validation", False):
        raise StepError(f"The trainer {config.backend_name!r} takes no {VALIDATION}: leave that input out.")
    # Not by name: results of arms whose inputs are called otherwise are then found again.
    datasets = [atom for atom in input_atoms.values() if isinstance(atom, DatasetAtom) and atom is not validation]
    if len(datasets) != 1:
        raise StepError(
            f"train_model trains on one dataset, and has {len(datasets)}: {listed(input_atoms)}. "
            f"One to measure the loss on is named {VALIDATION}."
        )
    (dataset,) = datasets
    validation_path = validation.get_rows_path() if isinstance(validation, DatasetAtom) else None
    trained = trainer.train(_request(config, dataset.get_rows_path(), validation_path), workspace)
    if not trained.model_id:
        raise StepError(f"The trainer {config.backend_name!r} gave the model no id.")
    if trained.usage:
        (workspace / "usage.json").write_text(json.dumps(trained.usage), encoding="utf-8")
    if not config.checkpoints:
        return [_model_atom(output, trained)]
    lacking = [each for each in config.checkpoints if each not in trained.checkpoints]
    if lacking:
        raise StepError(f"The trainer {config.backend_name!r} kept no checkpoint {listed(map(str, lacking))}.")
    return [_model_atom(f"{output}@checkpoint={each}", trained.checkpoints[each]) for each in config.checkpoints]


def _model_atom(output: str, model: TrainedModel) -> AtomConstructor:
    about = {**model.metadata, "model_id": model.model_id, "inspect": dict(model.inspect)}
    return AtomConstructor(output, model.path, "model", about)
