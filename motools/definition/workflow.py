"""Workflows: named steps, wired by matching the name of an output to the name of an input."""

from __future__ import annotations

import dataclasses
import heapq
import inspect
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from motools.base.configs import as_values, parse
from motools.definition.config import without_added
from motools.definition.instances import as_seen, axes_in, base_of
from motools.definition.step import Step
from motools.errors import ConfigError, WorkflowError, a_kind, did_you_mean, listed

__all__ = ["Workflow"]


@dataclass(frozen=True)
class Workflow:
    """Steps in an order in which each input is made by an earlier step, or is an input of the workflow.

    Attributes:
        sweep: key, as `prepare_dataset.loader_kwargs.fraction` -> the values by which it varies in a config that
            neither sets it nor varies it itself.

    Raises:
        WorkflowError: no steps, two of one name, two steps that make the same output, a kind that does
            not match, or a cycle. Nothing has run then.
    """

    name: str
    steps: Sequence[Step]
    description: str = ""
    sweep: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.steps:
            raise WorkflowError(f"The workflow {self.name!r} has no steps.")
        for step in self.steps:
            if not isinstance(step, Step):
                raise WorkflowError(
                    f"The workflow {self.name!r}: {step!r} is not a Step. Write Step(name, ...) for it."
                )
        for name, times in Counter(step.name for step in self.steps).items():
            if times > 1:
                raise WorkflowError(f"The workflow {self.name!r} has two steps named {name!r}.")
        makers: dict[str, Step] = {}
        for step in self.steps:
            for output in step.outputs:
                if output in makers:
                    raise WorkflowError(
                        f"The steps {makers[output].name!r} and {step.name!r} both make the output {output!r}."
                    )
                makers[output] = step
        self._check_kinds(makers)
        object.__setattr__(self, "steps", tuple(self._in_order(makers)))

    def _check_kinds(self, makers: Mapping[str, Step]) -> None:
        wanted: dict[str, tuple[str, str]] = {}
        for step in self.steps:
            for name, kind in step.inputs.items():
                maker = makers.get(name)
                kind_made = maker.outputs[name] if maker else wanted.setdefault(name, (kind, step.name))[0]
                if kind_made != kind:
                    other = maker.name if maker else wanted[name][1]
                    raise WorkflowError(
                        f"The step {step.name!r} takes {name!r} as {a_kind(kind)}, "
                        f"but for the step {other!r} it is {a_kind(kind_made)}."
                    )

    def _in_order(self, makers: Mapping[str, Step]) -> list[Step]:
        """Each step after those that it needs; else in the order in which they were given."""
        place = {step.name: number for number, step in enumerate(self.steps)}
        needs = {step.name: {makers[given].name for given in step.inputs if given in makers} for step in self.steps}
        followers: dict[str, list[str]] = {}
        for name, needed in needs.items():
            for other in needed:
                followers.setdefault(other, []).append(name)
        ready = [place[name] for name, needed in needs.items() if not needed]  # a heap: it is sorted
        ordered: list[Step] = []
        while ready:
            ordered.append(self.steps[heapq.heappop(ready)])
            for name in followers.get(ordered[-1].name, []):
                needs[name].discard(ordered[-1].name)
                if not needs[name]:
                    heapq.heappush(ready, place[name])
        if len(ordered) < len(self.steps):
            left = sorted(name for name, needed in needs.items() if needed)
            raise WorkflowError(f"The steps {listed(left)} wait for each other's outputs: a cycle.")
        return ordered

    def refuse(self, name: str, config: Callable[[str], Any], rehearse: bool = False) -> None:
        """Let a step's `check`, or its `rehearse`, see its config, given what returns the config of a step; raises
        `UserError`."""
        step = self.step(name)
        check = step.rehearse if rehearse else step.check
        if check is not None:
            made = {given: config(self._makers[given]) for given in step.inputs if given in self._makers}
            made = as_seen(made, step.gathers)
            check(config(name), *([made] if len(inspect.signature(check).parameters) > 1 else []))

    @cached_property
    def _makers(self) -> dict[str, str]:
        return {output: step.name for step in self.steps for output in step.outputs}

    def before(self, name: str) -> set[str]:
        """The steps that have to be done before one of them, and not only those right before it."""
        earlier: set[str] = set()
        todo = [name]
        while todo:
            makers = {self._makers[given] for given in self.step(todo.pop()).inputs if given in self._makers} - earlier
            earlier |= makers
            todo += makers
        return earlier

    @cached_property
    def _by_name(self) -> dict[str, Step]:
        return {step.name: step for step in self.steps}

    def step(self, name: str) -> Step:
        if name in self._by_name:
            return self._by_name[name]
        names = list(dict.fromkeys(map(base_of, self._by_name)))
        raise WorkflowError(
            f"The workflow {self.name!r} has no step {name!r}.{did_you_mean(name, names)} Steps: {listed(names)}."
        )

    @property
    def inputs(self) -> dict[str, str]:
        """What no step makes: the workflow's own inputs, name -> kind."""
        made = {name for step in self.steps for name in step.outputs}
        return {n: kind for step in self.steps for n, kind in step.inputs.items() if n not in made}

    def resolve(self, config: Any, only: str | None = None) -> dict[str, dict[str, Any]]:
        """The complete config, every default written out: one section of plain values a step, in step order.

        Args:
            config: a `WorkflowConfig`, or a mapping of step name -> section; what is missing takes its default.
            only: resolve just this step's section.

        Raises:
            ConfigError: a section or key that is unknown, missing or of the wrong type.
        """
        names = [step.name for step in self.steps]
        if dataclasses.is_dataclass(config) and not isinstance(config, type):
            sections = {f.name: getattr(config, f.name) for f in dataclasses.fields(config)}
            config = {name: as_values(s) if dataclasses.is_dataclass(s) else s for name, s in sections.items()}
        if config is None:
            config = {}
        if not isinstance(config, Mapping):
            raise ConfigError(f"The config must have one section a step ({listed(names)}); found {config!r}.")
        for section in config:
            if section not in names and section != "workflow":
                raise ConfigError(
                    f"{section}: there is no such step.{did_you_mean(str(section), names)} Steps: {listed(names)}."
                )
        steps = self.steps if only is None else [self.step(only)]
        made = {s.name: as_values(parse(s.config_class, config.get(s.name), s.name)) for s in steps}
        return {s.name: without_added(s.config_class, made[s.name]) for s in steps}

    def select(self, stages: str | Sequence[str] | None) -> list[str]:
        """Step names in order from a selection: names, `a,b`, or a range `a:c`, `:b`, `c:` (ends included).

        Of a step that a sweep makes several of, its name selects all; `train_model@seed=1` those where that holds.
        """
        names = [step.name for step in self.steps]
        if stages is None:
            return names
        chosen: set[str] = set()
        for part in _parts(stages) if isinstance(stages, str) else stages:
            first, colon, last = part.strip().partition(":")
            start = self._matching(first, names) if first or not colon else [0]
            end = self._matching(last, names) if last else ([len(names) - 1] if colon else start)
            if end[-1] < start[0]:
                raise WorkflowError(f"{part!r} selects nothing: {last!r} comes before {first!r}.")
            chosen.update(names[start[0] : end[-1] + 1] if colon else (names[number] for number in start))
        return [name for name in names if name in chosen]

    def _matching(self, name: str, names: list[str]) -> list[int]:
        """Where the step of a name stands, or its instances."""
        base, holding = base_of(name), axes_in(name).items() if "=" in name else ()
        fitting = [n for n, each in enumerate(names) if base_of(each) == base and axes_in(each).items() >= set(holding)]
        if holding and not fitting and (there := [axes_in(each) for each in names if base_of(each) == base]):
            by_axis = {axis: dict.fromkeys(axes[axis] for axes in there) for axis in there[0]}
            told = "; ".join(f"{axis}={listed(texts)}" for axis, texts in by_axis.items()) or "no sweep"
            raise WorkflowError(
                f"The workflow {self.name!r} has no step {name!r}. Of {base} there is what has: {told}."
            )
        return fitting or [names.index(self.step(name).name)]


def _parts(stages: str) -> list[str]:
    """The parts of `a,b@seed=1,dose=2,c`: a comma before `axis=value` goes on with the same step."""
    parts: list[str] = []
    for part in stages.split(","):
        if parts and "=" in part and "@" not in part and "@" in parts[-1]:
            parts[-1] += f",{part}"
        else:
            parts.append(part)
    return parts
