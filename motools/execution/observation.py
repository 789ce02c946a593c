"""One execution of a step, observed: what was seen of it becomes its trace; an earlier attempt is taken up or not."""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

from motools.atom.atom import Atom
from motools.base.loaded_modules import Mark, loaded_since
from motools.code import references, syntax
from motools.code.making_traces import Execution, make_trace
from motools.code.search_path import PipelineFolder
from motools.code.trace import Trace
from motools.code.world import World
from motools.compiler.named_paths import named_by
from motools.compiler.step_call import StepCall
from motools.definition.step import Step
from motools.definition.workflow import Workflow
from motools.errors import StepError, listed
from motools.execution.side_files import made_apart, note_made
from motools.observe import Events, is_project, listing, observer, read_log
from motools.repo import pipeline

__all__ = ["Inputs", "Observation", "warm"]


class Observation:
    """Looks at all that happens while it is entered.

    Args:
        work: the step's work folder.
        kept: what an earlier attempt may have left for this one; removed where something that it had used has changed.
    """

    def __init__(self, call: StepCall, work: Path, kept: Path, force: bool) -> None:
        self.call = call
        self.kept = kept
        self.log = kept.with_name(f"{kept.name}.trace")
        self._ignored = (str(work), str(kept), *(os.path.join(call.folder, path) for path in _not_read(call)))
        self._events = Events()
        if force or not self._holds_still():
            self.forget()

    def __enter__(self) -> None:
        observer().begin(self.call.place.project.root, self.log, self._ignored)

    def __exit__(self, *exc: object) -> None:
        self._events = observer().end(self.log)
        if not self.kept.is_dir():  # there is nothing for it to tell of
            self.log.unlink(missing_ok=True)

    def trace(self, step: Step, inputs: Mapping[str, str | None], workflow: Callable[[], Workflow]) -> Trace:
        """What was used.

        Args:
            workflow: gives the one that the step is of, where it matters.

        Raises:
            StepError: a file was another one when it was read again, so that no state of the project gives this result;
                or there was no room to write down what was used.
        """
        events, seen, place = self._events, observer(), self.call.place
        if events.cut:
            raise StepError("The disk was full while the step ran, so that what it read could not be written down.")
        if events.changed:
            raise StepError(f"{listed(sorted(events.changed))} changed while the step was reading.")
        named = named_by(self.call.values, place)
        for folder in named.folders:
            events.folders.setdefault(folder, listing(folder))
        sources = dict(seen.sources)
        for path, module in _project_modules().items():  # imported before anybody looked, or no Python: it counts whole
            if path not in sources and module.__name__ != "__main__" and seen.counts(path) and os.path.isfile(path):
                events.files.setdefault(path, seen.digest(path))
        made: set[str] = set()
        trace = make_trace(
            Execution(
                sources=sources,
                loading=seen.loading,
                events=events,
                entry=_entry_of(self.call),
                configs=tuple(cls for cls in step.config_class.__mro__ if dataclasses.is_dataclass(cls)),
                named=named.digests(),
                inputs=inputs,
                asked=frozenset(seen.imports),
                apart=made_apart(self.call, workflow),
            ),
            place,
            made,
        )
        note_made(self.call, made)
        return trace

    def forget(self) -> None:
        """Remove what is left of attempts: this one has succeeded, or they are of no use."""
        if self.kept.is_dir():
            shutil.rmtree(self.kept, ignore_errors=True)
        self.log.unlink(missing_ok=True)

    def _holds_still(self) -> bool:
        """Whether all that a failed or killed attempt had used is as it was, so that what it kept is good."""
        if not self.kept.is_dir():
            return False
        events = read_log(self.log)
        of = Execution(events.sources, Events(ran=events.loaded), events, _entry_of(self.call))
        place = self.call.place
        if (
            events.cut or not events.whole or [*events.roots] != [str(place.project.root)]
        ):  # a copy of the project has the copied log
            return False
        return not World(place).changes(make_trace(of, place), self.call.roles)


def _project_modules() -> dict[str, ModuleType]:
    """The modules of the project that are loaded, by path; those of them that were there before are known."""
    new, _loaded.mark = loaded_since(_loaded.mark)
    for module in map(sys.modules.get, new):
        if module is not None and isinstance(file := getattr(module, "__file__", None), str) and is_project(file):
            _loaded.modules[os.path.abspath(file)] = module
    return _loaded.modules


class _loaded:
    """What this process has loaded, as far as it was looked at; forks of it start from there."""

    mark: Mark | None = None
    modules: ClassVar[dict[str, ModuleType]] = {}


def warm(place: PipelineFolder) -> None:
    """Read the code that is loaded once, ahead of all steps that forks of this process will trace."""
    _project_modules()
    seen = observer()
    modules = {path: syntax.read(each.data, each.module, each.is_package) for path, each in seen.sources.items()}
    ran = {(path, name, 0) for path, module in modules.items() if module for name in module.functions}
    make_trace(Execution(dict(seen.sources), seen.loading, Events(ran=ran)), place)


def _not_read(call: StepCall) -> Iterator[str]:
    """What lies where a step reads, and is none of its reading: its inputs are in its key, the rest it makes itself."""
    for name in [*call.inputs, *call.outputs]:
        yield pipeline.atom_path(name)
    yield from (pipeline.logs_path(call.name), pipeline.record_path(call.name), pipeline.metrics_path(call.name))


def _entry_of(call: StepCall) -> str:
    """The project's file that defines the workflow, "" where that is installed."""
    source = references.parse(call.workflow, call.place)
    return str(source.file) if source is not None and source.file is not None else ""


class Inputs(dict[str, Atom]):
    """A step's input atoms. What it asks for by name is part of its trace, since names are in no key, and so is the
    order of inputs of several kinds.

    Attributes:
        asked: name -> role of the inputs that were asked for by name; None where there was none of that name.
    """

    def __init__(self, atoms: Mapping[str, Atom], roles: Mapping[str, str]) -> None:
        super().__init__(atoms)
        self._roles = roles
        self.asked: dict[str, str | None] = {}

    def _ask(self, *names: Any) -> None:
        self.asked.update({str(name): self._roles.get(name) for name in names})

    def __getitem__(self, name: str) -> Atom:
        self._ask(name)
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self._ask(name)
        return super().__contains__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self._ask(name)
        return super().get(name, default)

    def pop(self, name: str, *default: Any) -> Any:
        self._ask(name)
        return super().pop(name, *default)

    def setdefault(self, name: str, default: Any = None) -> Any:
        self._ask(name)
        return super().setdefault(name, default)

    def values(self) -> Any:
        self._ask(*{""} & self._roles.keys())
        return super().values()

    def __iter__(self) -> Iterator[str]:
        self._ask(*self._roles)
        return super().__iter__()

    def __reversed__(self) -> Iterator[str]:
        self._ask(*self._roles)
        return super().__reversed__()

    def keys(self) -> Any:
        self._ask(*self._roles)
        return super().keys()

    def items(self) -> Any:
        self._ask(*self._roles)
        return super().items()

    def popitem(self) -> tuple[str, Atom]:
        self._ask(*self._roles)
        return super().popitem()

    def copy(self) -> dict[str, Atom]:
        self._ask(*self._roles)
        return super().copy()

    def __or__(self, other: Any) -> Any:
        self._ask(*self._roles)
        return super().__or__(other)

    def __eq__(self, other: object) -> bool:
        self._ask(*self._roles)
        return super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __repr__(self) -> str:
        self._ask(*self._roles)
        return super().__repr__()
