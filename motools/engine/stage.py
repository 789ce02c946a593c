"""A stage, of whatever kind: what it reads and writes, whether it must run, and running it; and who waits for whom."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, Protocol

from motools.engine.plan import StagePlan
from motools.engine.reporter import Reporter
from motools.errors import WorkflowError, listed

__all__ = ["Done", "Stage", "folders_above", "in_order", "waiting_for"]


@dataclass(frozen=True)
class Done:
    """What a stage has come to: output name -> atom id, and whether it was executed or an equal result was there."""

    outputs: Mapping[str, str] = field(default_factory=dict)
    executed: bool = True


class Stage(Protocol):
    """One stage of a pipeline, generated from a step or written by hand.

    It is told by which object it is: two folders may have stages of one name.
    """

    @property
    def name(self) -> str: ...

    @property
    def reporter(self) -> Reporter:
        """Whom to tell of it."""

    def at_home(self) -> AbstractContextManager[None]:
        """Where its code is found: all below is called within."""

    @property
    def log(self) -> Path:
        """Where what it prints goes."""

    @property
    def cores(self) -> float | None:
        """How many it keeps busy; None where it does not say so."""

    @property
    def on(self) -> str:
        """The executor of other machines that it runs on; "" for this machine."""

    @property
    def places(self) -> int | None:
        """How many stages may be on that executor at once; None: as many as are ready."""

    @property
    def reads(self) -> Sequence[str]:
        """Files and folders, as absolute paths, whether they are there or not."""

    @property
    def writes(self) -> Sequence[str]: ...

    def decide(self) -> StagePlan:
        """What must happen, and why, with what is known now; acts on nothing."""

    def at_hand(self, plan: StagePlan) -> StagePlan:
        """Put a result in place that need not be made; the plan as it then is, `run` where there is none.

        Raises:
            Busy: another command is at work on its files.
        """

    def warm_up(self) -> None:
        """Have its worker get ready meanwhile: it will run, or may."""

    def start(self, plan: StagePlan) -> Future[Any]:
        """Run its command elsewhere."""

    def finish(self, plan: StagePlan, result: Any) -> Done:
        """Enter what it has made into dvc.lock. Called with what the future gave; its files are claimed until then.

        Raises:
            StepError: it has failed.
        """


def waiting_for(stages: Sequence[Stage]) -> dict[Stage, list[Stage]]:
    """For each stage those that write what it reads: the path itself, something in it, or the folder that it is in."""
    makers: dict[str, dict[Stage, None]] = {}
    inside: dict[str, dict[Stage, None]] = {}
    for stage in stages:
        for path in stage.writes:
            makers.setdefault(path, {})[stage] = None
            for folder in folders_above(path):
                inside.setdefault(folder, {})[stage] = None
    upstream = {}
    for stage in stages:
        first: dict[Stage, None] = {}
        for path in stage.reads:
            first |= inside.get(path, {})
            for each in (path, *folders_above(path)):
                first |= makers.get(each, {})
        first.pop(stage, None)
        upstream[stage] = list(first)
    return upstream


def in_order(upstream: Mapping[Stage, Sequence[Stage]]) -> TopologicalSorter[Stage]:
    """Stages as they become ready, first those that come first.

    Raises:
        WorkflowError: some wait for each other.
    """
    order: TopologicalSorter[Stage] = TopologicalSorter(dict.fromkeys(upstream, ()))
    for stage, first in upstream.items():
        order.add(stage, *first)
    try:
        order.prepare()
    except CycleError as error:
        names = [stage.name for stage in error.args[1]]
        raise WorkflowError(
            f"{listed(dict.fromkeys(names))} wait for each other: each reads what another one writes "
            f"({' -> '.join(names)})."
        ) from None
    return order


def folders_above(path: str) -> Iterator[str]:
    """The folders that a path lies in, the innermost first."""
    while (end := path.rfind(os.sep)) > 0:
        path = path[:end]
        yield path
