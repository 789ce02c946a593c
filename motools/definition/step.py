"""Steps: a function with its inputs, its outputs and its config."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from motools.base.configs import not_a_config, parse
from motools.base.resources import Resources
from motools.definition.instances import base_of
from motools.errors import WorkflowError

if TYPE_CHECKING:
    from motools.atom.atom import Atom
    from motools.atom.costs import Estimate

__all__ = ["AtomConstructor", "Step"]

StepFunction = Callable[[Any, "dict[str, Atom]", Path], Any]
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_RESERVED = ("workflow", "sweep")
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
        rehearse: called like `check`, after the checks of all steps, in a worker of its own: for what only trying can
            tell, such as importing the code that the config names. What it prints is not shown.
        models: called with the config; the models that it trains, asks or has judge, as Inspect names them, and
            `trainer NAME` for who trains: of those that are switched off soon, commands warn.
        preload: called with the config; the modules that its worker had better have imported beforehand.
        cores: how many cores it keeps busy, or a function of the config that says so. Steps that say so run while the
            machine has cores for them; of all others, which are taken to wait for a network, at least eight at once.
        resources: what it needs of a machine, or a function of the config that says so: a dict such as
            `{"gpu": 1, "memory": "40 GB", "time": "6 h"}`, which an executor of another machine is told.
        packages: names of installed distributions whose version is part of the step's key. Of all others that it
            imports, the version is recorded, and `motools status --env` tells where it differs.
        paid: whether executing it costs money, or a function of the config and of those input atoms that are at hand:
            nothing that is paid is executed while the remote, which may have the result, cannot be asked.
        plots: called with the config; what `dvc plots` is to draw: a JSON file in the data of the first output, or a
            folder `plots/...` of such, and DVC's properties of it (`x`, `y`, `title`, `template`, ...).
        estimate: called with the config and the input atoms for `--dry-run`; what the step would use, if it knows.
        gathers: the inputs of which the step takes all instances that a sweep makes, as one: its function finds each in
            `input_atoms` under a name such as `eval_results@fraction=0.1,seed=2`; see `motools.workflow.axes_in`.
        varies: called with the config; what one execution makes several of each output by, axis -> values, such as
            `{"checkpoint": [50, "last"]}`: its function returns `trained_model@checkpoint=50` and so on, and what is
            made of them is there once for each, as along an axis of a sweep.
    """

    name: str
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    config_class: type
    fn: StepFunction
    _: dataclasses.KW_ONLY
    keeps_logs: bool = False
    check: Callable[..., None] | None = None
    rehearse: Callable[..., None] | None = None
    models: Callable[[Any], Iterable[str]] | None = None
    preload: Callable[[Any], Sequence[str]] | None = None
    cores: float | Callable[[Any], float] | None = None
    resources: Mapping[str, Any] | Callable[[Any], Mapping[str, Any]] | None = None
    packages: Sequence[str] = ()
    paid: bool | Callable[[Any, Mapping[str, Atom]], bool] = False
    estimate: Callable[[Any, Mapping[str, Atom]], Estimate | None] | None = None
    gathers: Sequence[str] = ()
    varies: Callable[[Any], Mapping[str, Sequence[Any]]] | None = None
    plots: Callable[[Any], Mapping[str, Mapping[str, str]]] | None = None

    def needs(self, config: Any) -> Resources:
        """Raises `ConfigError` where what it says of its resources cannot be meant."""
        cores = self.cores(config) if callable(self.cores) else self.cores
        told = self.resources(config) if callable(self.resources) else self.resources
        needed: Resources = parse(Resources, dict(told or {}), f"{self.name}: resources")
        return needed.over(Resources(cores=None if cores is None else float(cores)))

    def costs_money(self, config: Any, input_atoms: Mapping[str, Atom]) -> bool:
        return self.paid(config, input_atoms) if callable(self.paid) else self.paid

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _WORD.fullmatch(base_of(self.name)) or self.name in _RESERVED:
            raise WorkflowError(f"{self.name!r} cannot name a step: {_NAMES} (not {' or '.join(_RESERVED)}).")
        for what, names in (("input", self.inputs), ("output", self.outputs)):
            if not isinstance(names, Mapping):
                raise WorkflowError(f"Step {self.name!r}: its {what}s must be a dict, name to kind, not {names!r}.")
            for name, kind in names.items():
                if not isinstance(name, str) or not _WORD.fullmatch(base_of(name)):
                    raise WorkflowError(f"Step {self.name!r}: {name!r} cannot name an {what}: {_NAMES}.")
                if not isinstance(kind, str) or not _KIND.fullmatch(kind):
                    raise WorkflowError(
                        f"Step {self.name!r}: {kind!r} is no kind of atom, such as dataset, model or eval: begin with "
                        "a small letter and go on with small letters, digits and _."
                    )
        for name in self.gathers:
            if name not in map(base_of, self.inputs):
                raise WorkflowError(f"The step {self.name!r} gathers {name!r}, which is none of its inputs.")
        if isinstance(self.resources, Mapping):
            parse(Resources, dict(self.resources), f"{self.name}: resources")
        if not self.outputs:
            raise WorkflowError(f"The step {self.name!r} has no outputs, so nothing could be kept of it.")
        function = self.fn.func if isinstance(self.fn, partial) else self.fn
        if not inspect.isfunction(function):
            raise WorkflowError(f"Step {self.name!r}: {self.fn!r} is not a function.")
        if problem := not_a_config(self.config_class):
            raise WorkflowError(f"Step {self.name!r}: {problem}")
