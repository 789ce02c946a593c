"""How a run is shown to a person: lines, and on a terminal a live display below them."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from motools.base.ages import span
from motools.base.foreign_text import visible
from motools.base.terminal import STYLES, console
from motools.engine.expectation import Expectation
from motools.engine.reporter import INTERRUPTED

if TYPE_CHECKING:  # a run that says nothing does without
    from rich.console import Console, Group
    from rich.text import Text

Level = Literal["quiet", "normal", "verbose", "news"]


class Lines:
    """A reporter that prints a line an event, on standard error so that output can be piped; `quiet`, failures only;
    `news`, not that something is current."""

    def __init__(self, level: Level = "normal") -> None:
        self._level = level

    @cached_property
    def _console(self) -> Console:
        screen = console(stderr=True)
        # `motools run 2>&1 | head`: that nobody reads any more ends no step.
        screen.on_broken_pipe = partial(setattr, screen, "quiet", True)  # type: ignore[method-assign]
        return screen

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def _say(self, *parts: str | tuple[str, str]) -> None:
        if self._level != "quiet":
            self._console.print(_text(*parts))

    def note(self, text: str) -> None:
        self._say((text, "yellow"))

    def expects(self, stages: Sequence[str], before: Callable[[str], float | None]) -> None:
        pass

    def started(self, stage: str, reasons: tuple[str, ...], log: Path) -> None:
        self._say((stage, "bold"), ": running", f" ({'; '.join(reasons)})" if reasons else "")
        if self._level == "verbose":
            self._say((f"  log: {log}", "dim"))

    def answered(self, stage: str, how: str) -> None:
        if how != "current" or self._level != "news":
            self._say((stage, "bold"), ": ", (how, STYLES[how]), "" if how == "current" else " from the cache")

    def finished(self, stage: str, seconds: float) -> None:
        self._say((stage, "bold"), ": ", ("finished", "green"), f" in {seconds:.1f} s")

    def failed(self, stage: str, error: str, log: Path | None) -> None:
        if error == INTERRUPTED:
            self._say((stage, "bold"), ": ", ("stopped", "yellow"))
            return
        self._console.print(_text((stage, "bold"), ": ", ("failed", "bold red"), f": {error}"))
        if log is not None:
            for line in _tail(log):
                self._console.print(_text((f"  | {line}", "dim")))
            self._console.print(_text(f"  log: {log}"))

    def skipped(self, stage: str, because: str) -> None:
        self._say((stage, "bold"), ": ", ("skipped", "yellow"), f": it {because}")


class Display(Lines):
    """On a terminal: the same lines, and below them what runs, since when, and the last thing it said; below that how
    many stages of all have ended, and how long the rest may take."""

    def __init__(self, level: Level = "normal") -> None:
        from rich.live import Live

        super().__init__(level)
        self._running: dict[str, tuple[float, Path]] = {}
        self._expected = Expectation([], lambda stage: None)
        self._live = Live(
            get_renderable=self.now, console=self._console, refresh_per_second=4, transient=True, redirect_stdout=False
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._live.stop()

    def now(self) -> Group:
        """What is shown now; it fits 40 columns, and uses what more there are."""
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        clock, width = time.monotonic(), self._console.width
        told = {stage: (clock - since, _last(log)) for stage, (since, log) in list(self._running.items())}
        table = Table.grid(padding=(0, 1))
        table.add_column(width=1)
        table.add_column(no_wrap=True, overflow="ellipsis", max_width=max(12, width // 3))
        table.add_column(no_wrap=True, justify="right", min_width=4)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        for stage, (since, said) in told.items():
            spinner = "◐◓◑◒"[int(clock * 4) % 4]
            table.add_row(spinner, Text(visible(stage), style="bold"), span(since), Text(said, style="dim"))
        table.expand = True
        if not self._expected.total or not told:
            return Group(table)
        left = self._expected.left(told)
        rest = "" if left is None else f", about {span(left)} left"
        line = Text(f"{self._expected.done} of {self._expected.total} done{rest}", no_wrap=True, overflow="ellipsis")
        return Group(table, line)

    def expects(self, stages: Sequence[str], before: Callable[[str], float | None]) -> None:
        self._expected = Expectation(stages, before)

    def started(self, stage: str, reasons: tuple[str, ...], log: Path) -> None:
        self._running[stage] = (time.monotonic(), log)
        super().started(stage, reasons, log)

    def answered(self, stage: str, how: str) -> None:
        self._end(stage)
        super().answered(stage, how)

    def finished(self, stage: str, seconds: float) -> None:
        self._end(stage, seconds)
        super().finished(stage, seconds)

    def failed(self, stage: str, error: str, log: Path | None) -> None:
        self._end(stage)
        super().failed(stage, error, log)

    def skipped(self, stage: str, because: str) -> None:
        self._end(stage)
        super().skipped(stage, because)

    def _end(self, stage: str, seconds: float | None = None) -> None:
        self._running.pop(stage, None)
        self._expected.ended(stage, seconds)


def _last(log: Path) -> str:
    return (_tail(log, 1) or [""])[0]


def progress(level: Level = "normal") -> Lines:
    """The reporter for a person: a live display on a terminal, plain lines elsewhere."""
    return Display(level) if sys.stderr.isatty() and level != "quiet" else Lines(level)


def _text(*parts: str | tuple[str, str]) -> Text:
    from rich.text import Text

    return Text.assemble(*(visible(part) if isinstance(part, str) else (visible(part[0]), part[1]) for part in parts))


def _tail(log: Path, lines: int = 15) -> list[str]:
    """The last lines of a log, of which only the end is read."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 20_000))
            text = file.read().decode("utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    return [visible(line) for line in text if not line.startswith("Error: ")][-lines:]
