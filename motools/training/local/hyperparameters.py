"""What a training on this machine may be told, and the defaults with where they come from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from motools.base.configs import StepConfig, parse
from motools.errors import ConfigError

__all__ = ["LEARNING_RATES", "Hyperparameters", "hyperparameters"]

LEARNING_RATES = {"lora": 2e-4, "full": 2e-5}
"""Of QLoRA (arXiv 2305.14314, table 9, models of 7 and 13 B); of TRL's `SFTConfig`. That low-rank adapters want about
ten times the rate is what "LoRA Without Regret" (Thinking Machines, 2025) finds too."""


@dataclass
class Hyperparameters(StepConfig):
    """Names and meanings are those of `tinker` where both have them."""

    method: Literal["lora", "full"] = "lora"
    """`lora` trains low-rank matrices beside the weights, `full` the weights: 16 bytes a parameter, and the model."""
    n_epochs: int = 3
    """Passes over the rows, as OpenAI has it for datasets of this size."""
    batch_size: int | Literal["auto"] = "auto"
    """Examples a step. `auto`: 128, as in Tinker's cookbook, or fewer where there would else be fewer than 100 steps.
    How many of them are computed at once is `local.tokens_at_once` of motools.yaml, and changes nothing."""
    learning_rate: float | Literal["auto"] = "auto"
    """Of the first step. `auto`: 2e-4 for `lora`, 2e-5 for `full`."""
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    """How it falls to 0 until the end, if it does. (TRL's default.)"""
    warmup_steps: int = 0
    """Steps in which it rises to `learning_rate` first."""
    rank: int = 32
    """Of the LoRA matrices, as in Tinker's cookbook and in the open-model runs of "Emergent Misalignment"."""
    alpha: int = 32
    """Their output counts for `alpha / rank`. ("LoRA Without Regret".)"""
    dropout: float = 0.0
    """Share of what enters the matrices that is left out at random."""
    target_modules: list[str] = field(default_factory=lambda: ["all-linear"])
    """Names of the layers that get matrices; `all-linear`: all but the last. ("LoRA Without Regret": not attention
    alone.)"""
    weight_decay: float = 0.0
    """Of AdamW."""
    max_grad_norm: float = 1.0
    """What a gradient's norm is cut to. (TRL's default.)"""
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    """Numbers that are computed with. `auto`: bf16 on a GPU that has it, else fp32. What is trained is kept in fp32."""
    seed: int = 0
    """Decides the order of the rows, how the LoRA matrices begin, and what dropout leaves out."""

    def __post_init__(self) -> None:
        for name, (least, most) in _WHOLE.items():
            value = getattr(self, name)
            if type(value) is int and not least <= value <= most:
                raise _wrong(name, f"a whole number, {least} to {most}", value)
        for name in ("learning_rate", "max_grad_norm"):
            value = getattr(self, name)
            if isinstance(value, (int, float)) and not (math.isfinite(value) and value > 0):
                raise _wrong(name, "a number above 0", value)
        if not 0 <= self.weight_decay < math.inf:
            raise _wrong("weight_decay", "a number, 0 or more", self.weight_decay)
        if not 0 <= self.dropout < 1:
            raise _wrong("dropout", "a number from 0 to below 1", self.dropout)
        if not self.target_modules or not all(self.target_modules):
            raise _wrong("target_modules", "a list of names of layers", self.target_modules)

    @property
    def rate(self) -> float:
        return LEARNING_RATES[self.method] if self.learning_rate == "auto" else self.learning_rate


_WHOLE = {
    "n_epochs": (1, 1000),
    "batch_size": (1, 4096),
    "warmup_steps": (0, 10**6),
    "rank": (1, 512),
    "alpha": (1, 4096),
    "seed": (0, 2**31 - 1),
}
_OF_LORA = ("rank", "alpha", "dropout", "target_modules")


def _wrong(name: str, wanted: str, value: Any) -> ConfigError:
    default = getattr(Hyperparameters, name, "all-linear")
    return ConfigError(
        f"The hyperparameter {name} of local must be {wanted}, not {value!r}. Leave it out for {default!r}."
    )


def hyperparameters(values: Mapping[str, Any]) -> Hyperparameters:
    """All, the defaults filled in.

    Raises:
        ConfigError: an unknown name, a value that cannot be, or one that the method has no use for.
    """
    chosen: Hyperparameters = parse(Hyperparameters, dict(values), "hyperparameters of local")
    if chosen.method == "full" and (idle := next((name for name in _OF_LORA if name in values), None)):
        raise ConfigError(
            f"The hyperparameter {idle} of local is of method: lora; leave it out, or set method to lora."
        )
    return chosen
