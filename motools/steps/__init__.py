"""The built-in steps: prepare a dataset, train a model, evaluate one. They have no privilege over your own."""

from motools.steps.evaluate_model import EvaluateModelConfig, evaluate_model
from motools.steps.existing_model import ExistingModelConfig, existing_model
from motools.steps.prepare_dataset import PrepareDatasetConfig, prepare_dataset
from motools.steps.train_model import TrainModelConfig, train_model

__all__ = [
    "EvaluateModelConfig",
    "ExistingModelConfig",
    "PrepareDatasetConfig",
    "TrainModelConfig",
    "evaluate_model",
    "existing_model",
    "prepare_dataset",
    "train_model",
]
