"""Names of instances: `train_model@fraction=0.1,seed=2` is the step `train_model` where these hold."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any, TypeVar

__all__ = ["as_made", "as_seen", "axes_in", "base_of", "instance", "label_of", "value_of"]

T = TypeVar("T")


def instance(name: str, label: str) -> str:
    return f"{name}@{label}" if label else name


def base_of(name: str) -> str:
    """The step, input or output that a name is an instance of; itself where it is none."""
    return name.partition("@")[0]


def label_of(name: str) -> str:
    """`fraction=0.1,seed=2`; empty where a name is no instance's."""
    return name.partition("@")[2]


def axes_in(name: str) -> Mapping[str, str]:
    """What holds for an instance: axis -> text of its value."""
    return dict(part.split("=", 1) for part in label_of(name).split(",") if part)


def value_of(text: str) -> Any:
    """The value that a name tells of: a number, a truth value or null; of any other, the words that stand for it."""
    with suppress(ValueError):
        value = json.loads(text)
        if json.dumps(value) == text and text not in ("NaN", "Infinity", "-Infinity"):
            return value
    return text


def as_seen(inputs: Mapping[str, T], gathers: Collection[str]) -> dict[str, T]:
    """Inputs by the names that a step's function knows: its own, and of those it gathers those of the instances."""
    return {name if (base := base_of(name)) in gathers else base: value for name, value in inputs.items()}


def as_made(outputs: Mapping[str, T], step: str) -> dict[str, str]:
    """Outputs of a step's instance by the names that its function gives them: without what holds for all of them, and
    without the step's name before an axis of its own."""
    own, before = axes_in(step), f"{base_of(step)}."
    by_instance = {}
    for name in outputs:
        axes = {axis: text for axis, text in axes_in(name).items() if axis not in own}
        left = ",".join(f"{axis.removeprefix(before)}={text}" for axis, text in axes.items())
        by_instance[instance(base_of(name), left)] = name
    return by_instance
