"""Trainers whose names are taken and whose work is still to come: asking for one says so before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from motools.errors import BackendError
from motools.training import TrainedModel, TrainingRequest
from motools.zoo import versioned

__all__ = ["TinkerTrainer"]


class _Planned:
    name: ClassVar[str]
    key: ClassVar[str]
    paid = True

    def check(self, request: TrainingRequest) -> None:
        raise BackendError(
            f"Training with {self.name!r} comes in a later version, and will need {self.key}. "
            "Today 'tinylm', 'openai' and 'dummy' train: set backend_name to one of them."
        )

    def train(self, request: TrainingRequest, workspace: Path) -> TrainedModel:
        self.check(request)
        raise AssertionError("check always refuses")


@versioned(1)
class TinkerTrainer(_Planned):
    """LoRA training at Thinking Machines' Tinker; comes in a later version."""

    name = "tinker"
    key = "TINKER_API_KEY"
