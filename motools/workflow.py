"""Workflows: named steps, wired by matching the name of an output to the name of an input."""

from __future__ import annotations

import contextlib
import dataclasses
import heapq
import inspect
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from motools import code
from motools.config import StepConfig, WorkflowConfig, as_values, not_a_config, parse
from motools.errors import ConfigError, WorkflowError, did_you_mean, listed

if TYPE_CHECKING:
    from motools.atom import Atom
    from motools.costs import Estimate

__all__ = [
    "AtomConstructor",
    "Step",
    "StepConfig",
    "StepState",
    "Workflow",
    "WorkflowConfig",
    "WorkflowState",
    "run_workflow",
]

StepFunction = Callable[[Any, "dict[str, Atom]", Path], Any]
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_KIND = re.compile(r"[a-z][a-z0-9_]*")
_NAMES = "begin with a letter or _ and go on with letters, digits, - and _"


@dataclass(frozen=True)
class AtomConstructor:
    """What a step function returns for each output.

    Attributes:
        name: the output's name, as the step declares it.
        path: a file or folder that the function wrote in its workspace.
        type: the atom's kind, as the step declares it.
        metadata: JSON values that say what the atom is; nothing that differs between equal results.
    """

    name: str
    path: Path
    type: str
    metadata: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Step:
    """A named function: config + input atoms + workspace -> `AtomConstructor`s.

    Attributes:
        inputs: input name -> kind of atom.
        outputs: output name -> kind of atom.
        config_class: a `StepConfig` dataclass.
        fn: `fn(config, input_atoms, workspace)`, a plain function or a coroutine function. What it leaves
            in `workspace / "usage.json"` (JSON, such as token counts) goes into the run record, and, with
            `keeps_logs`, the folder `workspace / "logs"` is kept as `logs/<step>`, beside the atoms and not in them.
        check: called with the config before any step of a run starts; raises `UserError` on what cannot work. Where it
            takes a second argument, that has the configs of the steps that make the inputs, by input.
        preload: called with the config; the modules that its worker had better have imported beforehand.
        cores: how many cores it keeps busy, or a function of the config that says so: a step that mostly waits
            on a network says 0.1, and ten of them run where one other would.
        packages: names of installed distributions whose version is part of the step's key. Of all others that it
            imports, the version is recorded, and `motools status --env` tells where it differs.
        paid: whether executing it costs money, or a function of the config and of those input atoms that are at hand:
            nothing that is paid is executed while the remote, which may have the result, cannot be asked.
        estimate: called with the config and the input atoms for `--dry-run`; what the step would use, if it knows.
    """

    name: str
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    config_class: type
    fn: StepFunction
    _: dataclasses.KW_ONLY
    keeps_logs: bool = False
    check: Callable[..., None] | None = None
    preload: Callable[[Any], Sequence[str]] | None = None
    cores: float | Callable[[Any], float] = 1.0
    packages: Sequence[str] = ()
    paid: bool | Callable[[Any, Mapping[str, Atom]], bool] = False
    estimate: Callable[[Any, Mapping[str, Atom]], Estimate | None] | None = None

    def costs_money(self, config: Any, input_atoms: Mapping[str, Atom]) -> bool:
        return self.paid(config, input_atoms) if callable(self.paid) else self.paid

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _WORD.fullmatch(self.name) or self.name == "workflow":
            raise WorkflowError(f"{self.name!r} cannot name a step: {_NAMES} (not 'workflow').")
        for what, names in (("input", self.inputs), ("output", self.outputs)):
            if not isinstance(names, Mapping):
                raise WorkflowError(f"Step {self.name!r}: its {what}s must be a dict, name to kind, not {names!r}.")
            for name, kind in names.items():
                if not isinstance(name, str) or not _WORD.fullmatch(name):
                    raise WorkflowError(f"Step {self.name!r}: {name!r} cannot name an {what}: {_NAMES}.")
                if not isinstance(kind, str) or not _KIND.fullmatch(kind):
                    raise WorkflowError(
                        f"Step {self.name!r}: {kind!r} is no kind of atom, such as dataset, model or eval: begin with "
                        "a small letter and go on with small letters, digits and _."
                    )
        if not self.outputs:
            raise WorkflowError(f"The step {self.name!r} has no outputs, so nothing could be kept of it.")
        function = self.fn.func if isinstance(self.fn, partial) else self.fn
        if not inspect.isfunction(function):
            raise WorkflowError(f"Step {self.name!r}: {self.fn!r} is not a function.")
        if problem := not_a_config(self.config_class):
            raise WorkflowError(f"Step {self.name!r}: {problem}")


@dataclass(frozen=True)
class Workflow:
    """Steps in an order in which each input is made by an earlier step, or is an input of the workflow.

    Raises:
        WorkflowError: no steps, two of one name, two steps that make the same output, a kind that does
            not match, or a cycle. Nothing has run then.
    """

    name: str
    steps: Sequence[Step]
    description: str = ""

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
                known = maker.outputs[name] if maker else wanted.setdefault(name, (kind, step.name))[0]
                if known != kind:
                    other = maker.name if maker else wanted[name][1]
                    raise WorkflowError(
                        f"The step {step.name!r} takes {name!r} as a {kind}, "
                        f"but for the step {other!r} it is a {known}."
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

    def refuse(self, name: str, config: Callable[[str], Any]) -> None:
        """Let a step's `check` see its config, given what returns the config of a step; raises `UserError`."""
        step = self.step(name)
        if step.check is not None:
            makers = {output: maker.name for maker in self.steps for output in maker.outputs}
            made = {given: config(makers[given]) for given in step.inputs if given in makers}
            step.check(config(name), *([made] if len(inspect.signature(step.check).parameters) > 1 else []))

    @cached_property
    def _by_name(self) -> dict[str, Step]:
        return {step.name: step for step in self.steps}

    def step(self, name: str) -> Step:
        if name in self._by_name:
            return self._by_name[name]
        names = list(self._by_name)
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
        return {s.name: as_values(parse(s.config_class, config.get(s.name), s.name)) for s in steps}

    def select(self, stages: str | Sequence[str] | None) -> list[str]:
        """Step names in order from a selection: names, `a,b`, or a range `a:c`, `:b`, `c:` (ends included)."""
        names = [step.name for step in self.steps]
        if stages is None:
            return names
        chosen: set[str] = set()
        for part in stages.split(",") if isinstance(stages, str) else stages:
            first, colon, last = part.strip().partition(":")
            start = self._index(first, names) if first or not colon else 0
            end = self._index(last, names) if last else (len(names) - 1 if colon else start)
            if end < start:
                raise WorkflowError(f"{part!r} selects nothing: {last!r} comes before {first!r}.")
            chosen.update(names[start : end + 1])
        return [name for name in names if name in chosen]

    def _index(self, name: str, names: list[str]) -> int:
        return names.index(self.step(name).name)


Status = Literal["current", "restored", "finished", "failed", "skipped", "not selected", "out of date"]


@dataclass(frozen=True)
class StepState:
    """What became of a step in a run.

    Attributes:
        status: `current` (nothing to do), `restored` (an equal result was at hand), `finished` (executed),
            `failed`, `skipped` (needs a step that failed), `not selected`, or `out of date`: not selected, and what
            stands in the folder is not what the config and the code now ask for.
        output_atoms: output name -> atom id, where there is a result.
        seconds: wall time spent on it in this run.
        error: what went wrong, in one sentence, where it failed or was skipped.
        log: the file with what the step printed, where it was executed.
    """

    step_name: str
    status: Status
    output_atoms: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    error: str | None = None
    log: Path | None = None


@dataclass(frozen=True)
class WorkflowState:
    """What became of a run: one `StepState` a step, in the workflow's order."""

    step_states: list[StepState]

    def step(self, name: str) -> StepState:
        return next(state for state in self.step_states if state.step_name == name)

    @property
    def failed(self) -> list[StepState]:
        return [state for state in self.step_states if state.status == "failed"]


def run_workflow(
    *,
    workflow: Workflow,
    input_atoms: Mapping[str, str] | None = None,
    config: Any = None,
    user: str | None = None,
    stages: str | Sequence[str] | None = None,
    jobs: int | None = None,
    force: bool = False,
    folder: Path | str | None = None,
    executor: Executor | None = None,
    quiet: bool = False,
) -> WorkflowState:
    """Compile a workflow into the pipeline of a folder and run what has changed.

    Args:
        workflow: must be a name at the top level of a module or script, where its stages find it again.
        input_atoms: the workflow's inputs, name -> atom id; those given before need not be given again.
        config: a `WorkflowConfig` or a mapping of step name -> section.
        user: who is recorded as having made what is executed (default: git's user).
        stages: which steps to run, see `Workflow.select`.
        jobs: how many steps may run at once (default: the number of cores).
        force: execute the selected steps even where their results are at hand.
        folder: the pipeline's folder (default: the current one).
        executor: where steps run, in processes that see the same files (default: warm workers of this machine).
        quiet: show nothing; else progress goes to standard error, as that of `motools run` does.

    Raises:
        UserError: the config, the workflow or the folder is not right; nothing has run.
        RunFailed: a step failed; those that do not depend on it have finished and are kept. `.state` tells.
    """
    if code.is_loading():
        raise code.StopLoading  # a stage is importing the script that defines its workflow
    from motools.console import progress
    from motools.run import run_in_folder

    with contextlib.nullcontext() if quiet else progress() as reporter:
        return run_in_folder(
            workflow,
            folder=Path(folder) if folder is not None else Path.cwd(),
            config=config,
            input_atoms=input_atoms or {},
            user=user,
            stages=stages,
            jobs=jobs,
            force=force,
            executor=executor,
            reporter=reporter,
        )
