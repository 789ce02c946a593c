"""The built-in steps: make, generate and filter datasets, train models, evaluate them. They have no privilege."""

from motools.steps.evaluate_model import EvaluateModelConfig, evaluate_model
from motools.steps.existing_model import ExistingModelConfig, existing_model
from motools.steps.filter_dataset import FilterDatasetConfig, filter_dataset
from motools.steps.generate_dataset import GenerateDatasetConfig, generate_dataset
from motools.steps.prepare_dataset import PrepareDatasetConfig, prepare_dataset
from motools.steps.train_model import TrainModelConfig, train_model

__all__ = [
    "EvaluateModelConfig",
    "ExistingModelConfig",
    "FilterDatasetConfig",
    "GenerateDatasetConfig",
    "PrepareDatasetConfig",
    "TrainModelConfig",
    "evaluate_model",
    "existing_model",
    "filter_dataset",
    "generate_dataset",
    "prepare_dataset",
    "train_model",
]
