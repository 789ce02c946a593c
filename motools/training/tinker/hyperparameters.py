"""What a training at Tinker may be told, and the defaults with where they come from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from motools.base.configs import StepConfig, parse
from motools.errors import ConfigError

__all__ = ["ADAM", "Hyperparameters", "hyperparameters"]

ADAM = {"beta1": 0.9, "beta2": 0.95, "eps": 1e-8}
"""As in Tinker's cookbook (`supervised/train.py`)."""


@dataclass
class Hyperparameters(StepConfig):
    """Defaults are those of Tinker's cookbook for supervised training, unless it says otherwise below."""

    n_epochs: int = 3
    """Passes over the rows. (The cookbook has 1, of larger datasets; OpenAI has 3 for such as these.)"""
    batch_size: int | Literal["auto"] = "auto"
    """Examples a step. `auto`: 128, as in the cookbook, or fewer where there would else be fewer than 100 steps, which
    its page on hyperparameters advises against."""
    learning_rate: float = 5e-4
    """Of the first step. The cookbook's sweep finds 3e-4 or 1e-3 best nearly always; above 3e-3 LoRA diverges."""
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    """How it falls to 0 until the end, if it does."""
    warmup_steps: int = 0
    """Steps in which it rises to `learning_rate` first."""
    rank: int = 32
    """Of the LoRA matrices."""
    weight_decay: float = 0.0
    """Of AdamW."""
    seed: int = 0
    """Decides the order of the rows, and how the LoRA matrices begin."""

    @property
    def rate(self) -> float:
        return self.learning_rate

    def __post_init__(self) -> None:
        for name, (least, most) in _WHOLE.items():
            value = getattr(self, name)
            if type(value) is int and not least <= value <= most:
                raise _wrong(name, f"a whole number, {least} to {most}", value)
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise _wrong("learning_rate", "a number above 0", self.learning_rate)
        if not 0 <= self.weight_decay < math.inf:
            raise _wrong("weight_decay", "a number, 0 or more", self.weight_decay)


_WHOLE = {
    "n_epochs": (1, 1000),
    "batch_size": (1, 4096),
    "warmup_steps": (0, 10**6),
    "rank": (1, 512),
    "seed": (0, 2**31 - 1),
}


def _wrong(name: str, wanted: str, value: Any) -> ConfigError:
    default = getattr(Hyperparameters, name)
    return ConfigError(
        f"The hyperparameter {name} of tinker must be {wanted}, not {value!r}. Leave it out for {default!r}."
    )


def hyperparameters(values: Mapping[str, Any]) -> Hyperparameters:
    """All, the defaults filled in; raises `ConfigError` on an unknown name or a value that cannot be."""
    chosen: Hyperparameters = parse(Hyperparameters, dict(values), "hyperparameters of tinker")
    return chosen
