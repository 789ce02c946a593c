"""Sweeps: one params.yaml that says what varies, and each step once for each combination that reaches it.

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

What varies for a step is what its own section and those of the steps before it vary by: three datasets, nine trainings.
A step that gathers an input takes all its instances as one.
"""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from motools.base.configs import parse
from motools.definition.instances import instance
from motools.definition.step import Step
from motools.definition.workflow import Workflow
from motools.errors import ConfigError, did_you_mean, listed

__all__ = [
    "Axis",
    "Graph",
    "Point",
    "Wired",
    "axes_of",
    "instances_of",
    "instantiate",
    "is_named",
    "label",
    "values_of_instances",
    "with_first_values",
    "with_seeds",
    "with_values",
]

MOST = 100_000
"""How many combinations a sweep may have."""
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


# -- reading -------------------------------------------------------------------


def axes_of(sweep: Any, workflow: Graph) -> list[Axis]:
    """The axes that the section `sweep` of a params.yaml declares, in its order.

    Raises:
        ConfigError: naming the key, the value seen and what to write.
    """
    sweep = _mapping(sweep)
    grid = {key: values for key, values in sweep.items() if key not in ("zip", "arms", "exclude")}
    zipped = _mappings(sweep.get("zip"), "sweep.zip")
    keys = [*grid, *(key for group in zipped for key in group)]
    names = _names_of(keys, workflow)
    axes = [
        Axis([Point({names[key]: label(v)}, {key: v}) for v in _values(key, values)]) for key, values in grid.items()
    ]
    axes += [_zipped(group, names) for group in zipped]
    if "arms" in sweep:
        axes.append(_arms(sweep["arms"], workflow))
    twice = [key for key in dict.fromkeys(keys) if sum(key in _keys_of(axis) for axis in axes) > 1]
    if twice:
        raise ConfigError(f"sweep: {listed(twice)} is varied twice. Leave one of them out.")
    return axes


def _mapping(sweep: Any) -> Mapping[str, Any]:
    """The section as it has to be; nothing at all is an empty one."""
    if sweep is not None and not isinstance(sweep, Mapping):
        raise ConfigError(f"sweep: expected keys and lists of values, found {sweep!r}.")
    return sweep or {}


def _keys_of(axis: Axis) -> set[str]:
    return {key for point in axis.points for key in point.sets}


def _mappings(value: Any, where: str) -> list[Mapping[str, Any]]:
    groups = [] if value is None else value if isinstance(value, list) else [value]
    for group in groups:
        if not isinstance(group, Mapping) or not group:
            raise ConfigError(f"{where}: expected keys and values, found {group!r}.")
    return groups


def _values(key: str, values: Any) -> list[Any]:
    """Of an axis, each once; raises `ConfigError`."""
    told = [_told_apart(key, value) for value in _listed(key, values)]
    if len({*told}) < len(told):
        twice = next(text for number, text in enumerate(told) if text in told[:number])
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

    found = {}
    for key in parts:
        lengths = range(1, len(parts[key]) + 1)
        alone = (n for n in lengths if all(end(key, n) != end(other, n) for other in parts if other != key))
        name = end(key, next(alone, len(parts[key])))
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", name) or name == "arm":
            name = "-".join(parts[key])
        found[key] = re.sub(r"[^A-Za-z0-9_.-]", "-", name)
    return found


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


# -- instantiating ---------------------------------------------------------------


def instances_of(workflow: Workflow, sections: Mapping[str, Any]) -> tuple[Workflow, Mapping[str, Mapping[str, Any]]]:
    """A workflow and its complete sections where these, with the section `sweep`, may ask for several of a step."""
    plain = {name: section for name, section in sections.items() if name != "sweep"}
    sweep = sections.get("sweep")
    if sweep is None and not _spreads(workflow, plain):
        return workflow, plain
    return instantiate(workflow, plain, {} if sweep is None else sweep)


def instantiate(
    workflow: Workflow, sections: Mapping[str, Mapping[str, Any]], sweep: Any
) -> tuple[Workflow, dict[str, dict[str, Any]]]:
    """The workflow with each step once for each combination that reaches it, and the section of each instance.

    Args:
        sections: step name -> its complete section, which a point changes in the keys that it sets.

    Raises:
        ConfigError: the sweep is wrong, or a section with its values is.
    """
    plan = _Plan.of(sweep, workflow, _spreads(workflow, sections))
    steps, made = [], {}
    for step in workflow.steps:
        known: dict[str, dict[str, Any]] = {}  # many instances vary by what other steps' sections say
        for label, chosen in plan.points[step.name].items():
            name = instance(step.name, label)
            sets = _sets(step.name, chosen)
            told = repr(sets)
            if told not in known:
                known[told] = _section(workflow, step, sections[step.name], sets)
            made[name] = copy.deepcopy(known[told])
            inputs = {
                instance(given, at): kind
                for given, kind in step.inputs.items()
                for at in plan.taken(given, step, chosen)
            }
            outputs = {
                instance(output, at): kind
                for output, kind in step.outputs.items()
                for at in plan.left(step.name, chosen)
            }
            steps.append(replace(step, name=name, inputs=inputs, outputs=outputs))
    return Workflow(workflow.name, steps, workflow.description), made


def _spreads(workflow: Workflow, sections: Mapping[str, Mapping[str, Any]]) -> dict[str, list[Axis]]:
    """Step -> what its outputs vary by, as its section says; only steps that make several of each.

    Raises:
        ConfigError: a value is there twice.
    """
    found: dict[str, list[Axis]] = {}
    for step in workflow.steps:
        if step.varies is not None:
            varied = step.varies(parse(step.config_class, sections[step.name], step.name))
            axes = [
                Axis([Point({axis: label(value)}, {}) for value in _values(f"{step.name} varies by {axis}", [*values])])
                for axis, values in varied.items()
                if values
            ]
            found |= {step.name: axes} if axes else {}
    return found


def values_of_instances(sweep: Any, workflow: Graph) -> dict[str, dict[str, dict[str, Any]]]:
    """Step -> what holds for each of its instances, as `fraction=0.1,seed=2` (empty where it is there once) -> the
    values that this sets in the step's section, by key.

    Raises:
        ConfigError: the sweep is wrong.
    """
    spread = {
        step.name: [Axis([Point({axis: text}, {}) for text in texts]) for axis, texts in varied.items()]
        for step in workflow.steps
        if (varied := getattr(step, "spread", {}))
    }
    points = _Plan.of({} if sweep is None else sweep, workflow, spread).points
    return {name: {label: _sets(name, chosen) for label, chosen in found.items()} for name, found in points.items()}


@dataclass(frozen=True)
class _Plan:
    """Which instances there are.

    Attributes:
        axes: those that the sweep declares, then those by which the outputs of steps vary.
        reaching: step -> the numbers of the axes that it varies by.
        leaving: step -> the same of its outputs.
        makers: output -> the step that makes it.
        points: step -> label of an instance -> what holds there.
    """

    axes: Sequence[Axis]
    reaching: Mapping[str, Sequence[int]]
    leaving: Mapping[str, Sequence[int]]
    makers: Mapping[str, str]
    points: Mapping[str, Mapping[str, tuple[Point, ...]]]

    @classmethod
    def of(cls, sweep: Any, workflow: Graph, spread: Mapping[str, Sequence[Axis]]) -> _Plan:
        axes = axes_of(sweep, workflow)
        own: dict[str, list[int]] = {}
        known = [name for axis in [*axes, *itertools.chain(*spread.values())] for name in axis.names]
        for name, varied in spread.items():
            own[name] = list(range(len(axes), len(axes) + len(varied)))
            axes += [
                _after(name, axis) if any(known.count(each) > 1 for each in axis.names) else axis for axis in varied
            ]
        names = [name for axis in axes for name in axis.names]
        if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
            raise ConfigError(f"sweep: several axes are called {listed(twice)}. Leave one of them out.")
        makers = {output: step.name for step in workflow.steps for output in step.outputs}
        reaching, leaving = dict[str, list[int]](), dict[str, list[int]]()
        for step in workflow.steps:
            numbers = {number for number, axis in enumerate(axes) if step.name in axis.steps}
            for given in step.inputs:
                if given in makers and given not in step.gathers:
                    numbers |= set(leaving[makers[given]])
            reaching[step.name] = sorted(numbers)
            leaving[step.name] = sorted({*numbers, *own.get(step.name, [])})
        points: dict[str, dict[str, tuple[Point, ...]]] = {}
        combinations = _combinations(axes, sweep.get("exclude"))
        for step in workflow.steps:
            found = points[step.name] = {}
            for combination in combinations:
                chosen = tuple(combination[number] for number in reaching[step.name])
                found.setdefault(_told(chosen), chosen)
        return cls(axes, reaching, leaving, makers, points)

    def left(self, step: str, chosen: Sequence[Point]) -> list[str]:
        """The labels of what an instance makes of each of its outputs: all that its config says, whatever is excluded
        of what is made of them."""
        at = {number: [point] for number, point in zip(self.reaching[step], chosen, strict=True)}
        rows = itertools.product(*(at.get(number, self.axes[number].points) for number in self.leaving[step]))
        return [_told(row) for row in rows]

    def taken(self, given: str, step: Wired, chosen: Sequence[Point]) -> list[str]:
        """The labels of those instances of an input that an instance of a step takes."""
        maker = self.makers.get(given)
        if maker is None:
            return [""]
        if given in step.gathers:
            every = (self.left(maker, points) for points in self.points[maker].values())
            return [label for labels in every for label in labels]
        at = dict(zip(self.reaching[step.name], chosen, strict=True))
        return [_told([at[number] for number in self.leaving[maker]])]


def _after(step: str, axis: Axis) -> Axis:
    """What a step's outputs vary by, named after the step: something else is called so, too. See `as_made`."""
    return Axis(
        [replace(at, labels={f"{step}.{name}": text for name, text in at.labels.items()}) for at in axis.points]
    )


def _combinations(axes: Sequence[Axis], exclude: Any) -> list[tuple[Point, ...]]:
    count = 1
    for axis in axes:
        count *= len(axis.points)
    if count > MOST:
        raise ConfigError(f"sweep: {count:,} combinations are more than {MOST:,}. Leave values or keys out.")
    left_out = list(_exclusions(axes, exclude))
    combinations = [
        combination
        for combination in itertools.product(*(axis.points for axis in axes))
        if not any(_meets(combination, each) for each in left_out)
    ]
    if not combinations:
        raise ConfigError("sweep.exclude leaves no combination.")
    return combinations


def _exclusions(axes: Sequence[Axis], exclude: Any) -> Iterator[dict[str, str]]:
    known = {name: {point.labels[name] for point in axis.points} for axis in axes for name in axis.names}
    for number, group in enumerate(_mappings(exclude, "sweep.exclude")):
        found = {}
        for name, value in group.items():
            where = f"sweep.exclude[{number}].{name}"
            if name not in known:
                raise ConfigError(
                    f"{where}: nothing is called so.{did_you_mean(str(name), known)} Axes: {listed(known)}."
                )
            text = value if isinstance(value, str) and value in known[name] else label(value)
            if text not in known[name]:
                raise ConfigError(f"{where}: {value!r} is none of its values: {listed(sorted(known[name]))}.")
            found[str(name)] = text
        yield found


def _meets(combination: Sequence[Point], labels: Mapping[str, str]) -> bool:
    told = {name: text for point in combination for name, text in point.labels.items()}
    return all(told[name] == text for name, text in labels.items())


def _told(points: Sequence[Point]) -> str:
    return ",".join(f"{name}={text}" for point in points for name, text in point.labels.items())


def _sets(step: str, points: Sequence[Point]) -> dict[str, Any]:
    """What points set of a step's section, by the whole key."""
    return {key: value for point in points for key, value in point.sets.items() if key.partition(".")[0] == step}


def _section(workflow: Workflow, step: Step, section: Mapping[str, Any], sets: Mapping[str, Any]) -> dict[str, Any]:
    if not sets:
        return dict(section)
    changed = {step.name: copy.deepcopy(dict(section))}
    for key, value in sets.items():
        at, last = _place(changed, key)
        at[last] = value
    return workflow.resolve(changed, only=step.name)[step.name]


def _place(sections: dict[str, Any], key: str) -> tuple[dict[str, Any], str]:
    """The mapping in which a key stands, made where it is missing, and its name there."""
    *path, last = key.split(".")
    at: Any = sections
    for number, part in enumerate(path):
        if at.get(part) is None:
            at[part] = {}
        at = at[part]
        if not isinstance(at, dict):
            raise ConfigError(f"sweep.{key}: {'.'.join(path[: number + 1])} is {at!r}, which has no keys.")
    return at, last


def _beginning(sections: dict[str, Any], key: str, workflow: Workflow) -> tuple[dict[str, Any], str]:
    """As `_place`; what nobody has said anything of begins with its default, of which the key is only a part."""
    step, first, inside = [*key.split(".", 2), ""][:3]
    classes = [each.config_class for each in workflow.steps if each.name == step]
    made = [each.default_factory for of in classes for each in dataclasses.fields(of) if each.name == first]
    if inside and made and made[0] is not dataclasses.MISSING and isinstance(default := made[0](), dict):
        section, _ = _place(sections, f"{step}.{first}")
        section[first] = default if section.get(first) is None else section[first]
    return _place(sections, key)


def is_named(axis: str, key: str) -> bool:
    """Whether an axis may be called so after a key, such as `train_model.hyperparameters.seed`: by an end of it."""
    plain = re.sub(r"[^A-Za-z0-9_.-]", "-", key)
    return f".{plain}".endswith(f".{axis}") or axis == plain.replace(".", "-")


def with_values(config: Mapping[str, Any], given: Mapping[str, Sequence[Any]], workflow: Workflow) -> dict[str, Any]:
    """A config with other values: of a key with one value that value, of one with several an axis of the sweep.

    Raises:
        ConfigError: a key is no key of a step, or lies in what has no keys.
    """
    changed: dict[str, Any] = copy.deepcopy(dict(config))
    sweep = dict(_mapping(changed.get("sweep")))
    for key, values in given.items():
        if "." not in key:
            raise ConfigError(f"{key!r} is no key of a step. Write STEP.KEY=VALUE, such as train_model.suffix=b.")
        if len(values) > 1:
            sweep[key] = list(values)  # where it stands: the order of axes is that of names and folders
        else:
            sweep.pop(key, None)
            at, last = _beginning(changed, key, workflow)
            at[last] = values[0]
    changed.pop("sweep", None)
    return {"sweep": sweep, **changed} if sweep else changed


def with_seeds(config: Mapping[str, Any], count: int, workflow: Workflow) -> dict[str, Any]:
    """A config that trains with so many seeds: those that its sweep has come first, then the least that it has not.

    Raises:
        ConfigError: no step that makes a model takes a seed.
    """
    keys = [key for step in workflow.steps if "model" in step.outputs.values() and (key := _seed_key(step))]
    if not keys:
        raise ConfigError(
            f"--seeds: no step of the workflow {workflow.name!r} that makes a model has hyperparameters or a seed. "
            "Write what varies with --set STEP.KEY=0,1,2."
        )
    sweep = dict(_mapping(config.get("sweep")))
    zipped = _mappings(sweep.get("zip"), "sweep.zip")
    known: Any = next((group[key] for group in [sweep, *zipped] for key in keys if key in group), [])
    seeds = list(known)[:count] if isinstance(known, list) else []
    seeds += list(itertools.islice((number for number in itertools.count() if number not in seeds), count - len(seeds)))
    if len(keys) == 1:
        return with_values(config, {keys[0]: seeds}, workflow)
    for key in keys:
        sweep.pop(key, None)
    others = [group for group in zipped if not set(keys) & set(group)]
    sweep["zip"] = [*others, dict.fromkeys(keys, seeds)]  # the arms are compared seed by seed
    return {**config, "sweep": sweep}


def _seed_key(step: Step) -> str | None:
    """Where a step that trains takes its seed."""
    names = {each.name for each in dataclasses.fields(step.config_class)}
    return (
        f"{step.name}.hyperparameters.seed"
        if "hyperparameters" in names
        else f"{step.name}.seed"
        if "seed" in names
        else None
    )


def with_first_values(config: Mapping[str, Any], sweep: Any, workflow: Workflow) -> dict[str, Any]:
    """A config that has a value, the first, for each key that every combination sets: it needs none of its own."""
    changed: dict[str, Any] = copy.deepcopy(dict(config))
    for axis in axes_of(sweep, workflow):
        for key, value in axis.points[0].sets.items():
            if all(key in point.sets for point in axis.points):
                at, last = _beginning(changed, key, workflow)
                at.setdefault(last, value)
    return changed
