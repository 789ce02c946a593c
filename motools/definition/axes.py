"""What varies: the axes that the section `sweep` of a params.yaml declares, and how their values are called.

sweep:
  prepare_dataset.loader_kwargs.fraction: [0.0, 0.1, 1.0]     # an axis, named fraction
  train_model.hyperparameters.seed: [0, 1, 2]
  zip:                                                        # values that go together
    - train_model.hyperparameters.learning_rate: [0.001, 0.0001]
      train_model.hyperparameters.n_epochs: [1, 10]
  arms:                                                       # combinations with a name: an axis named arm
    control: {prepare_dataset.dataset_loader: "mozoo.made_up:get_tastes"}
    poisoned: {prepare_dataset.dataset_loader: "mozoo.mixing:poison"}
  exclude:
    - {fraction: 0.0, seed: 2}
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from motools.errors import ConfigError, did_you_mean, listed

__all__ = [
    "Axis",
    "Graph",
    "Point",
    "Wired",
    "axes_of",
    "check_values",
    "exclusions",
    "is_named",
    "label",
    "mapping_of",
    "mappings_in",
]

_PLAIN = re.compile(r"[A-Za-z0-9._+-]{1,40}")


_READ_OTHERWISE = re.compile(r"[-+]?[0-9.][0-9._eE+-]*|true|false|null|\.+", re.IGNORECASE)
"""Texts whose label would be that of a number, a truth value or a folder."""


class Wired(Protocol):
    """A step as far as a sweep looks at it."""

    @property
    def name(self) -> str: ...
    @property
    def inputs(self) -> Mapping[str, str]: ...
    @property
    def outputs(self) -> Mapping[str, str]: ...
    @property
    def gathers(self) -> Sequence[str]: ...


class Graph(Protocol):
    """Steps, each after those that it takes from: a workflow, or what a dvc.yaml tells of one."""

    @property
    def steps(self) -> Sequence[Wired]: ...


@dataclass(frozen=True)
class Point:
    """One place on an axis.

    Attributes:
        labels: what a name says of it: name -> text; several where values go together.
        sets: key, as `train_model.hyperparameters.seed` -> value.
    """

    labels: Mapping[str, str]
    sets: Mapping[str, Any]


@dataclass(frozen=True)
class Axis:
    """What varies together."""

    points: Sequence[Point]

    @property
    def names(self) -> list[str]:
        return list(self.points[0].labels)

    @property
    def steps(self) -> set[str]:
        """The steps whose sections it sets."""
        return {key.partition(".")[0] for point in self.points for key in point.sets}


def axes_of(sweep: Any, workflow: Graph) -> list[Axis]:
    """The axes that the section `sweep` of a params.yaml declares, in its order.

    Raises:
        ConfigError: naming the key, the value seen and what to write.
    """
    sweep = mapping_of(sweep)
    grid = {key: values for key, values in sweep.items() if key not in ("zip", "arms", "exclude")}
    zipped = mappings_in(sweep.get("zip"), "sweep.zip")
    keys = [*grid, *(key for group in zipped for key in group)]
    names = _names_of(keys, workflow)
    axes = [
        Axis([Point({names[key]: label(v)}, {key: v}) for v in check_values(key, values)])
        for key, values in grid.items()
    ]
    axes += [_zipped(group, names) for group in zipped]
    if "arms" in sweep:
        axes.append(_arms(sweep["arms"], workflow))
    twice = [key for key in dict.fromkeys(keys) if sum(key in _keys_of(axis) for axis in axes) > 1]
    if twice:
        raise ConfigError(f"sweep: {listed(twice)} is varied twice. Leave one of them out.")
    return axes


def mapping_of(sweep: Any) -> Mapping[str, Any]:
    """The section as it has to be; nothing at all is an empty one."""
    if sweep is not None and not isinstance(sweep, Mapping):
        raise ConfigError(f"sweep: expected keys and lists of values, found {sweep!r}.")
    return sweep or {}


def _keys_of(axis: Axis) -> set[str]:
    return {key for point in axis.points for key in point.sets}


def mappings_in(value: Any, where: str) -> list[Mapping[str, Any]]:
    groups = [] if value is None else value if isinstance(value, list) else [value]
    for group in groups:
        if not isinstance(group, Mapping) or not group:
            raise ConfigError(f"{where}: expected keys and values, found {group!r}.")
    return groups


def check_values(key: str, values: Any) -> list[Any]:
    """Of an axis, each once; raises `ConfigError`."""
    told = Counter(_told_apart(key, value) for value in _listed(key, values))
    if twice := next((text for text, often in told.items() if often > 1), None):
        raise ConfigError(f"sweep.{key}: {twice} is there twice.")
    return list(values)


def _listed(key: str, values: Any) -> list[Any]:
    if not isinstance(values, list) or not values:
        example = "[0, 1], or leave the line out" if values == [] else f"[{values!r}] for one"
        raise ConfigError(f"sweep.{key}: expected a list of values, found {values!r}. Write {example}.")
    return values


def _told_apart(key: str, value: Any) -> str:
    """A text that no other value has: of 1, 1.0 and true each its own."""
    try:
        return json.dumps(value, sort_keys=True)
    except TypeError:
        raise ConfigError(f"sweep.{key}: {value} is a {type(value).__name__}. Write it in quotes: '{value}'.") from None


def _names_of(keys: Sequence[str], workflow: Graph) -> dict[str, str]:
    """Key -> the shortest end of it that no other key ends with."""
    for key in keys:
        _check_key(key, workflow)
    parts = {key: key.split(".") for key in keys}

    def end(key: str, length: int) -> str:
        return ".".join(parts[key][-length:])

    names = {}
    for key in parts:
        lengths = range(1, len(parts[key]) + 1)
        alone = (n for n in lengths if all(end(key, n) != end(other, n) for other in parts if other != key))
        name = end(key, next(alone, len(parts[key])))
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", name) or name == "arm":
            name = "-".join(parts[key])
        names[key] = re.sub(r"[^A-Za-z0-9_.-]", "-", name)
    return names


def _check_key(key: Any, workflow: Graph) -> None:
    if not isinstance(key, str) or "." not in key:
        raise ConfigError(
            f"sweep: {key!r} is no key of a step. Write STEP.KEY, such as train_model.hyperparameters.seed; "
            "besides there are zip, arms and exclude."
        )
    step, names = key.partition(".")[0], [step.name for step in workflow.steps]
    if step not in names:
        raise ConfigError(f"sweep.{key}: there is no step {step!r}.{did_you_mean(step, names)} Steps: {listed(names)}.")


def _zipped(group: Mapping[str, Any], names: Mapping[str, str]) -> Axis:
    values = {key: [*_listed(f"zip.{key}", given)] for key, given in group.items()}
    for key, given in values.items():
        for value in given:
            _told_apart(f"zip.{key}", value)
    lengths = {len(given) for given in values.values()}
    if len(lengths) > 1:
        told = ", ".join(f"{key} has {len(given)}" for key, given in values.items())
        raise ConfigError(f"sweep.zip: what goes together must be equally long; {told}.")
    points = []
    for row in zip(*values.values(), strict=True):
        sets = dict(zip(values, row, strict=True))
        points.append(Point({names[key]: label(value) for key, value in sets.items()}, sets))
    if len({tuple(point.labels.items()) for point in points}) < len(points):
        raise ConfigError(f"sweep.zip: the same values of {listed(values)} are there twice.")
    return Axis(points)


def _arms(arms: Any, workflow: Graph) -> Axis:
    if not isinstance(arms, Mapping) or not arms:
        raise ConfigError(f"sweep.arms: expected names of arms, each with keys and values, found {arms!r}.")
    points = []
    for name, sets in arms.items():
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", name):
            raise ConfigError(f"sweep.arms: {name!r} cannot name an arm: up to 40 letters, digits, `_` and `-`.")
        if not isinstance(sets, Mapping):
            raise ConfigError(f"sweep.arms.{name}: expected keys and values, found {sets!r}.")
        for key in sets:
            _check_key(key, workflow)
        points.append(Point({"arm": name}, dict(sets)))
    return Axis(points)


def exclusions(axes: Sequence[Axis], exclude: Any) -> Iterator[dict[str, str]]:
    values = {name: {point.labels[name] for point in axis.points} for axis in axes for name in axis.names}
    for number, group in enumerate(mappings_in(exclude, "sweep.exclude")):
        labels = {}
        for name, value in group.items():
            where = f"sweep.exclude[{number}].{name}"
            if name not in values:
                raise ConfigError(
                    f"{where}: nothing is called so.{did_you_mean(str(name), values)} Axes: {listed(values)}."
                )
            text = value if isinstance(value, str) and value in values[name] else label(value)
            if text not in values[name]:
                raise ConfigError(f"{where}: {value!r} is none of its values: {listed(sorted(values[name]))}.")
            labels[str(name)] = text
        yield labels


def is_named(axis: str, key: str) -> bool:
    """Whether an axis may be called so after a key, such as `train_model.hyperparameters.seed`: by an end of it."""
    plain = re.sub(r"[^A-Za-z0-9_.-]", "-", key)
    return f".{plain}".endswith(f".{axis}") or axis == plain.replace(".", "-")


def label(value: Any) -> str:
    """A text that no other value has, whatever stands beside it: names must not change when a value is added."""
    if value is None or isinstance(value, (bool, int, float)):
        text = json.dumps(value)
        return text if _PLAIN.fullmatch(text) else _digest(value)
    if isinstance(value, str):
        if _PLAIN.fullmatch(value) and not _READ_OTHERWISE.fullmatch(value):
            return value
        last = re.split(r"[:/@ ]", value)[-1]
        start = re.sub(r"[^A-Za-z0-9._+-]+", "-", last).strip("-.")[:30]
        return f"{start}-{_digest(value)}" if start else _digest(value)
    return _digest(value)


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:8]
