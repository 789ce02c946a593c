"""Everything is checked before anything is paid: the same, from here, for `validate`, `status --check` and `run`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from datetime import date
from typing import Any

from motools.base import shutdowns
from motools.base.configs import parse
from motools.code import references
from motools.code.search_path import PipelineFolder
from motools.compiler.check_steps import check_steps, rehearse_steps
from motools.compiler.compiled import Compiled
from motools.definition.config import marked
from motools.definition.instances import base_of
from motools.errors import ConfigError
from motools.execution import run_step
from motools.execution.workers import TaskDied, WarmExecutor

__all__ = ["check_all", "rehearse", "warnings", "workers_of"]

Workers = Callable[[tuple[str, ...]], Executor]
"""Gives the executor whose workers have imported these modules."""


def check_all(compiled: Compiled, place: PipelineFolder, tell: Callable[[str], None]) -> None:
    """Check every step of a pipeline, as a run would that has all of them to do; nothing is written.

    Args:
        tell: hears, before it is imported, of the project's own code that the config names; and of models that go off.

    Raises:
        UserError: with what the first step refuses.
    """
    check_steps(compiled, place, compiled.stages)
    with workers_of(compiled, place) as workers:
        rehearse(compiled, place, list(compiled.stages), workers, tell)
    for line in warnings(compiled, compiled.stages, ask=True):
        tell(line)


@contextmanager
def workers_of(compiled: Compiled, place: PipelineFolder) -> Iterator[Workers]:
    """Workers for rehearsals alone: one server for all of them, since nothing else will need it."""
    names = _rehearsed(compiled, compiled.stages)
    modules = dict.fromkeys(module for name in names for module in preload(compiled, name))
    load = (run_step.loaded, (compiled.reference, place))
    made: list[WarmExecutor] = []

    def workers(_: tuple[str, ...]) -> Executor:
        if not made:
            made.append(WarmExecutor(("motools.compiler.check_steps", *modules), load))
        return made[0]

    try:
        yield workers
    finally:
        for executor in made:
            executor.shutdown(cancel_futures=True)


def preload(compiled: Compiled, name: str) -> tuple[str, ...]:
    """The modules that a step's workers had better have imported."""
    step = compiled.workflow.step(name)
    return tuple(step.preload(parse(step.config_class, compiled.config[name], name))) if step.preload else ()


def rehearse(
    compiled: Compiled,
    place: PipelineFolder,
    names: Sequence[str],
    workers: Workers,
    tell: Callable[[str], None] | None = None,
) -> None:
    """Have the steps try, in workers, what only trying can tell: the code imported, the tasks made, their data fetched.

    Raises:
        UserError: with what the first step refuses, in the order of the steps.
    """
    groups: dict[tuple[str, ...], list[str]] = {}
    for name in _rehearsed(compiled, names):
        groups.setdefault(preload(compiled, name), []).append(name)
    if tell is not None:
        lines = (line for name in _rehearsed(compiled, names) for line in _told(compiled, place, name))
        for line in dict.fromkeys(lines):
            tell(line)
    asked = [
        (workers(modules).submit(_silently, compiled.reference, dict(compiled.sections), place, group), group)
        for modules, group in groups.items()
    ]
    for future, group in asked:
        try:
            future.result()
        except TaskDied as died:
            raise ConfigError(f"{', '.join(group)}: what its config names could not be tried out: {died}.") from None


def warnings(compiled: Compiled, names: Iterable[str], ask: bool = False, today: date | None = None) -> Iterator[str]:
    """A sentence for each model of these steps that goes off soon, or is off: trained, asked or judging.

    Args:
        ask: also read the list of OpenAI's models, where one of them is meant and there is a key: one request.
    """
    models = {name: list(dict.fromkeys(_models(compiled, name))) for name in names}
    ask = ask and any(model.startswith("openai/") for of_step in models.values() for model in of_step)
    dates: dict[str, date] = {}
    if ask:
        from motools.training.openai.model_list import shutdown_dates

        dates = shutdown_dates()
    said: set[str] = set()
    for name, of_step in models.items():
        for model in of_step:
            shutdown = shutdowns.shutdown_of(model, dates)
            text = shutdown and shutdowns.warning(model, shutdown, today or date.today())
            if text and text not in said:
                said.add(text)
                yield f"{name}: {text}"


def _models(compiled: Compiled, name: str) -> Iterator[str]:
    step = compiled.workflow.step(name)
    section = dict(compiled.config[name])
    if step.models is not None:
        yield from step.models(parse(step.config_class, section, name))
        section.pop("model", None)  # which it may only stand in for
    yield from shutdowns.models_in(section)


def _silently(*rehearsal: Any) -> None:
    """`rehearse_steps` in a process of its own, whose prints are nobody's concern."""
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    rehearse_steps(*rehearsal)


def _rehearsed(compiled: Compiled, names: Iterable[str]) -> list[str]:
    """The steps that have something to try out; of those that would try out the same, one."""
    makers = {output: step.name for step in compiled.workflow.steps for output in step.outputs}
    distinct: dict[str, str] = {}
    for name in names:
        step = compiled.workflow.step(name)
        if step.rehearse is not None:
            made = [compiled.config[makers[given]] for given in step.inputs if given in makers]
            distinct.setdefault(json.dumps([base_of(name), compiled.config[name], made]), name)
    return list(distinct.values())


def _told(compiled: Compiled, place: PipelineFolder, name: str) -> Iterator[str]:
    """Sentences on the project's own code that a rehearsal imports: in a clone it may be a stranger's."""
    code, _ = marked(compiled.workflow.step(name).config_class, compiled.config[name])
    for field, text in code.items():
        reference = references.parse(text, place)
        if reference is not None and reference.file is not None:
            yield f"imports {os.path.relpath(reference.file)}, which {name}.{field} names"
