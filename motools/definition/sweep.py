"""Sweeps: each step of a workflow once for each combination of what varies that reaches it.

What varies for a step is what its own section and those of the steps before it vary by: three datasets, nine trainings.
A step that gathers an input takes all its instances as one.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from motools.base.configs import parse
from motools.definition.axes import Axis, Graph, Point, Wired, axes_of, check_values, exclusions, label
from motools.definition.config_changes import at_key
from motools.definition.instances import instance
from motools.definition.step import Step
from motools.definition.workflow import Workflow
from motools.errors import ConfigError, listed

__all__ = ["instances_of", "instantiate", "values_of_instances"]

MOST = 100_000
"""How many combinations a sweep may have."""


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
        resolved: dict[str, dict[str, Any]] = {}  # many instances vary by what other steps' sections say
        for which, chosen in plan.points[step.name].items():
            name = instance(step.name, which)
            sets = _sets(step.name, chosen)
            told = repr(sets)
            if told not in resolved:
                resolved[told] = _section(workflow, step, sections[step.name], sets)
            made[name] = copy.deepcopy(resolved[told])
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
    spread: dict[str, list[Axis]] = {}
    for step in workflow.steps:
        if step.varies is not None:
            varied = step.varies(parse(step.config_class, sections[step.name], step.name))
            axes = [
                Axis(
                    [
                        Point({axis: label(value)}, {})
                        for value in check_values(f"{step.name} varies by {axis}", [*values])
                    ]
                )
                for axis, values in varied.items()
                if values
            ]
            spread |= {step.name: axes} if axes else {}
    return spread


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
    return {name: {label: _sets(name, chosen) for label, chosen in each.items()} for name, each in points.items()}


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
        all_names = [name for axis in [*axes, *itertools.chain(*spread.values())] for name in axis.names]
        for name, varied in spread.items():
            own[name] = list(range(len(axes), len(axes) + len(varied)))
            axes += [
                _after(name, axis) if any(all_names.count(each) > 1 for each in axis.names) else axis for axis in varied
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
            instances = points[step.name] = {}
            for combination in combinations:
                chosen = tuple(combination[number] for number in reaching[step.name])
                instances.setdefault(_told(chosen), chosen)
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
    left_out = list(exclusions(axes, exclude))
    combinations = [
        combination
        for combination in itertools.product(*(axis.points for axis in axes))
        if not any(_meets(combination, each) for each in left_out)
    ]
    if not combinations:
        raise ConfigError("sweep.exclude leaves no combination.")
    return combinations


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
        at, last = at_key(changed, key)
        at[last] = value
    return workflow.resolve(changed, only=step.name)[step.name]
