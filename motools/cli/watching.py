"""`motools run --watch`: again when something that a step has read changes; `--ask`: not what costs money, unasked."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from motools.base.foreign_text import visible
from motools.cli.asking import agreed
from motools.cli.run_arguments import RunArguments
from motools.code.search_path import pipeline_folder
from motools.engine.answering import unchanged_in
from motools.repo.walking import MADE

if TYPE_CHECKING:
    from motools.engine.pipeline import Pipeline

__all__ = ["watch", "without_declined"]

PAUSE = 0.5
"""Seconds between looks."""
_SKIPPED = {".git", ".dvc", ".motools", "__pycache__", "node_modules"}
_SOURCES = (".py", ".ipynb", "params.yaml", "motools.yaml")
_WRITTEN = ("dvc.lock", "dvc.yaml", ".gitignore", "notes.yaml")


def watch(folders: Sequence[Path], words: Sequence[str], quiet: bool, completed: Sequence[Path] = ()) -> None:
    """Run a command each time when something has changed that a step has read, until Ctrl-C.

    Each run is a process of its own: what this one had imported would be as it was before the change. Where it turns
    out that nothing is to be done, as where a file has come that no step reads, nothing is said.

    Args:
        folders: pipelines, or folders that hold some.
        words: of the command, after `motools`.
        completed: pipelines whose params.yaml the first run will write itself.
    """
    root, told = pipeline_folder(folders[0]).project.root, None
    written, touched = {os.path.join(folder, "params.yaml") for folder in completed}, dict[str, bytes | None]()
    while True:
        files = _files(root)
        running = subprocess.Popen([sys.executable, "-m", "motools", *words])
        try:
            code = running.wait()
        except KeyboardInterrupt:
            running.wait()  # which has heard of it, too
            raise
        if code == 130:
            raise KeyboardInterrupt
        words = [*_without_changes(words), "--unless-current"]
        before, told = told, _results(folders)
        now = _files(root)
        if told is None:  # a step failed or was left out, or something was edited meanwhile
            paths = {path for path in files | now if files.get(path) != now.get(path)} - written
            differing, written = {path: _source(path) for path in paths}, set()
            if not differing.items() <= touched.items():  # what changes in every run, the steps themselves write
                touched |= differing
                continue
        else:
            touched = {}
        if not quiet and (told is None or told != before):
            typer.echo("waiting for a change (Ctrl-C ends)", err=True)
        while _files(root) == now if told is None else unchanged_in(folders) is not None:
            time.sleep(PAUSE)


def _source(path: str) -> bytes | None:
    """What stands in a file that people edit, run after run; None for any other, and where it is gone."""
    try:
        return Path(path).read_bytes() if path.endswith(_SOURCES) else None
    except OSError:
        return None


def _results(folders: Sequence[Path]) -> list[Any] | None:
    """What the pipelines have made; None where it is not known to be current."""
    stages = unchanged_in(folders)
    if stages is None:
        return None
    return [(name, each["stage"], each["atoms"]) for name in stages for each in stages[name]]


def _without_changes(words: Sequence[str]) -> Iterator[str]:
    """Words without what was written into params.yaml by the first run: what is edited there since then stays."""
    left = iter(words)
    for word in left:
        if word in ("--set", "--seeds"):
            next(left, None)
        elif not word.startswith(("--set=", "--seeds=", "--unless-current")):
            yield word


def _files(root: Path) -> dict[str, tuple[int, int]]:
    """The project's files, when they were written, and their sizes; without what runs make."""

    def every() -> Iterator[tuple[str, tuple[int, int]]]:
        for parent, folders, names in os.walk(root):
            made = MADE if "params.yaml" in names else ()
            unlike = {name for name in folders if os.path.exists(os.path.join(parent, name, "pyvenv.cfg"))}
            folders[:] = [name for name in folders if name not in {*_SKIPPED, *made, *unlike}]
            for name in names:
                if name not in _WRITTEN and not name.startswith(".motools-"):
                    try:
                        stat = os.stat(os.path.join(parent, name))
                    except OSError:
                        continue
                    yield os.path.join(parent, name), (stat.st_mtime_ns, stat.st_size)

    return dict(every())


def without_declined(pipelines: Sequence[Pipeline], arguments: RunArguments) -> list[Pipeline]:
    """Pipelines without the stages that cost money and that nobody agrees to run; none where none is left of any."""
    from motools.engine.run import paid_stages
    from motools.repo.dotenv import load_env

    ready = [each.prepare() for each in pipelines]
    load_env(pipelines[0].place.project.root)
    parts = paid_stages(ready, arguments.run_options)
    several = len(pipelines) > 1
    paid = [
        f"{each.place.name}: {name}" if several else name
        for each, (names, _) in zip(pipelines, parts, strict=True)
        for name in names
    ]
    if not paid or _agreed(", ".join(paid)):
        return [*pipelines]
    return [replace(each, stages=free) for each, (_, free) in zip(pipelines, parts, strict=True) if free]


def _agreed(names: str) -> bool:
    if not sys.stdin.isatty():
        typer.echo(visible(f"{names}: left out, since it costs money and nobody is here to be asked."), err=True)
        return False
    return agreed(f"{names}: this costs money. Run it?", err=True)
