"""train_and_evaluate: prepare a dataset, train a model on it, evaluate the model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from motools.steps import evaluate_model, prepare_dataset, train_model
from motools.steps.evaluate_model import (
    EvaluateModelConfig,
    check_evaluation,
    is_paid_evaluation,
    models_of_evaluation,
    modules_of_evaluation,
    rehearse_evaluation,
)
from motools.steps.prepare_dataset import PrepareDatasetConfig, check_loader, rehearse_loader
from motools.steps.train_model import (
    TrainModelConfig,
    check_training,
    checkpoints_of_training,
    cores_of_training,
    estimate_training,
    is_paid_training,
    models_of_training,
    modules_of_training,
    plots_of_training,
)
from motools.workflow import Code, Step, Workflow


@dataclass
class HelloWorldDataset(PrepareDatasetConfig):
    """The dataset that is prepared when a config names none."""

    dataset_loader: Code = "mozoo.datasets.hello_world:get_hello_world_dataset"
    """The function that returns the rows: module:function, or path/to/file.py:function."""


@dataclass
class TrainConfig(TrainModelConfig):
    """Enough epochs for the embedded learner to pick up the default dataset."""

    hyperparameters: dict[str, Any] = field(default_factory=lambda: {"n_epochs": 10})
    """What the backend takes: n_epochs, batch_size, learning_rate, seed, ..."""


@dataclass
class HelloWorldTask(EvaluateModelConfig):
    """The task that is evaluated when a config names none."""

    eval_task: Code | list[Code] = "mozoo.tasks.hello_world:hello_world"
    """The Inspect task: module:function, path/to/file.py@task, or package/task."""


PREPARE = Step(
    "prepare_dataset",
    {},
    {"prepared_dataset": "dataset"},
    HelloWorldDataset,
    prepare_dataset,
    check=check_loader,
    rehearse=rehearse_loader,
)
TRAIN = Step(
    "train_model",
    {"prepared_dataset": "dataset"},
    {"trained_model": "model"},
    TrainConfig,
    train_model,
    check=check_training,
    models=models_of_training,
    preload=modules_of_training,
    cores=cores_of_training,
    paid=is_paid_training,
    estimate=estimate_training,
    plots=plots_of_training,
    varies=checkpoints_of_training,
)
EVALUATE = Step(
    "evaluate_model",
    {"trained_model": "model"},
    {"eval_results": "eval"},
    HelloWorldTask,
    evaluate_model,
    keeps_logs=True,
    check=check_evaluation,
    rehearse=rehearse_evaluation,
    models=models_of_evaluation,
    preload=modules_of_evaluation,
    paid=is_paid_evaluation,
)

workflow = Workflow(
    name="train_and_evaluate",
    steps=[PREPARE, TRAIN, EVALUATE],
    description="Prepare a dataset, train a model on it, evaluate the model.",
)
