"""`motools run --watch`: again when something that a step has read changes; `--ask`: not what costs money, unasked."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from motools.cli.run_arguments import RunArguments

if TYPE_CHECKING:
    from motools.code.search_path import PipelineFolder
    from motools.engine.pipeline import Pipeline

__all__ = ["watch", "without_declined"]

PAUSE = 0.5
"""Seconds between looks."""
_SKIPPED = {".git", ".dvc", ".motools", "__pycache__", "node_modules"}
_MADE = ("atoms", "runs", "logs", "metrics")
_WRITTEN = ("dvc.lock", "dvc.yaml", ".gitignore", "notes.yaml")


def watch(place: PipelineFolder, words: Sequence[str], quiet: bool) -> None:
    """Run a command each time when something has changed that a step has read, until Ctrl-C.

    Each run is a process of its own: what this one had imported would be as it was before the change.

    Args:
        words: of the command, after `motools`.
    """
    while True:
        running = subprocess.Popen([sys.executable, "-m", "motools", *words])
        try:
            code = running.wait()
        except KeyboardInterrupt:
            running.wait()  # which has heard of it, too
            raise
        if code == 130:
            raise KeyboardInterrupt
        has_changed = _changes(place)  # before it is told, or what is changed at once would go unseen
        if not quiet:
            typer.echo("waiting for a change (Ctrl-C ends)", err=True)
        while not has_changed():
            time.sleep(PAUSE)


def _changes(place: PipelineFolder) -> Callable[[], bool]:
    """Whether what the steps have read is as it is now; where that is not known, since a step failed or was left out,
    whether any file of the project is."""
    from motools.engine.snapshot import unchanged

    if unchanged(place.folder) is not None:
        return lambda: unchanged(place.folder) is None
    seen = _files(place)
    return lambda: _files(place) != seen


def _files(place: PipelineFolder) -> frozenset[tuple[str, int, int]]:
    """The project's files, when they were written, and their sizes; without what runs make."""

    def every() -> Iterator[tuple[str, int, int]]:
        for parent, folders, names in os.walk(place.project.root):
            made = _MADE if "params.yaml" in names else ()
            unlike = {name for name in folders if os.path.exists(os.path.join(parent, name, "pyvenv.cfg"))}
            folders[:] = [name for name in folders if name not in {*_SKIPPED, *made, *unlike}]
            for name in names:
                if name not in _WRITTEN and not name.startswith(".motools-"):
                    try:
                        stat = os.stat(os.path.join(parent, name))
                    except OSError:
                        continue
                    yield os.path.join(parent, name), stat.st_mtime_ns, stat.st_size

    return frozenset(every())


def without_declined(pipeline: Pipeline, arguments: RunArguments) -> RunArguments | None:
    """What is asked, without the stages that cost money and that nobody agrees to run; None where none is left."""
    from motools.engine.run import paid_stages
    from motools.repo.dotenv import load_env

    prepared = pipeline.prepare()
    load_env(pipeline.place.project.root)
    paid, free = paid_stages(prepared, arguments.run_options)
    if not paid or _agreed(", ".join(paid)):
        return arguments
    return replace(arguments, stages=tuple(free)) if free else None  # type: ignore[arg-type]


def _agreed(names: str) -> bool:
    if not sys.stdin.isatty():
        typer.echo(f"{names}: left out, since it costs money and nobody is here to be asked.", err=True)
        return False
    return typer.confirm(f"{names}: this costs money. Run it?", err=True)
