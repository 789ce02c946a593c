"""The `motools` command: `motools run` is answered at once where nothing has changed; all else goes to the CLI."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from motools.base.own_path import OWN_PATH

_QUIET = {"-q", "--quiet"}
_SIMPLE = {*_QUIET, "--json"}


def main() -> NoReturn:
    """Run the command line."""
    from motools.cli.crash import guarded

    atexit.register(gc.freeze)  # else the interpreter looks through all that was imported once more, a tenth of a run
    with guarded():
        if not _answered(sys.argv[1:]):
            _start_ahead(sys.argv[1:])
            _run_plainly(sys.argv[1:])
            from motools.cli.app import main as command_line

            command_line()
    sys.exit(0)


def _answered(words: list[str]) -> bool:
    """Whether the command was `motools run`, and the snapshot has shown that there is nothing to do."""
    options = {word for word in words[1:] if word.startswith("-")}
    folders = [word for word in words[1:] if not word.startswith("-")]
    if words[:1] != ["run"] or not options <= _SIMPLE:
        return False
    from motools.engine.answering import unchanged_in

    proven = unchanged_in(map(Path, folders or ["."]))
    if proven is None:
        return False
    stages = []
    for name, of_pipeline in proven.items():
        where = {"folder": name} if len(proven) > 1 else {}
        stages += [where | stage for stage in of_pipeline]
    from motools.cli.tables import show_stages

    show_stages(stages, quiet=bool(options & _QUIET), as_json="--json" in options)
    return True


def _start_ahead(words: list[str]) -> None:
    """For a run, start what executes steps: it imports while this process does."""
    only_told = {"-n", "--dry-run", "-h", "--help", "--watch"}
    if (words[:1] == ["run"] or words[:2] == ["workflow", "run"]) and only_told.isdisjoint(words):
        from motools.engine.workers import start_ahead

        start_ahead()


def _run_plainly(words: list[str]) -> None:
    """Carry out `motools run` with the simplest options only: Typer, which takes others apart, costs a tenth of a
    second. Ends then."""
    options = {word for word in words[1:] if word.startswith("-")}
    if words[:1] != ["run"] or not options <= _SIMPLE:
        return
    gc.disable()  # of what is imported nothing is garbage
    from functools import partial

    from motools.cli.run_arguments import RunArguments
    from motools.cli.running import carry_out
    from motools.engine.pipeline import Pipeline
    from motools.engine.prepared import places_of, prepare_folder

    gc.enable()
    places = places_of([Path(word) for word in words[1:] if word not in options] or [Path()])
    asked = RunArguments(quiet=bool(options & _QUIET), as_json="--json" in options)
    carry_out([Pipeline(place, partial(prepare_folder, place.folder)) for place in places], asked)
    sys.exit(0)


if __name__ == "__main__":
    # `python -m` looks for modules in the current folder first, and would execute those of a project only looked at.
    with suppress(FileNotFoundError):  # the folder is gone, which is told in its place
        if not __file__.startswith(f"{os.getcwd()}{os.sep}"):
            sys.path[:] = OWN_PATH
    main()
