"""How a run is shown to a person: lines, and on a terminal a live display below them."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Literal, Self

from rich.live import Live
from rich.table import Table
from rich.text import Text

from motools.base.foreign_text import visible
from motools.base.terminal import STYLES, console
from motools.engine.reporter import INTERRUPTED

Level = Literal["quiet", "normal", "verbose"]


class Lines:
    """A reporter that prints a line an event, on standard error so that output can be piped; `quiet`, failures only."""

    def __init__(self, level: Level = "normal") -> None:
        self._console = console(stderr=True)
        self._level = level

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def _say(self, *parts: str | tuple[str, str]) -> None:
        if self._level != "quiet":
            self._console.print(_text(*parts))

    def note(self, text: str) -> None:
        self._say((text, "yellow"))

    def started(self, stage: str, reasons: tuple[str, ...], log: Path) -> None:
        self._say((stage, "bold"), ": running", f" ({'; '.join(reasons)})" if reasons else "")
        if self._level == "verbose":
            self._say((f"  log: {log}", "dim"))

    def answered(self, stage: str, how: str) -> None:
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
                self._console.print(Text(f"  | {line}", style="dim"))
            self._console.print(Text(f"  log: {log}"))

    def skipped(self, stage: str, because: str) -> None:
        self._say((stage, "bold"), ": ", ("skipped", "yellow"), f": it {because}")


class Display(Lines):
    """On a terminal: the same lines, and below them what runs, since when, and the last thing it said."""

    def __init__(self, level: Level = "normal") -> None:
        super().__init__(level)
        self._running: dict[str, tuple[float, Path]] = {}
        self._live = Live(
            get_renderable=self._now, console=self._console, refresh_per_second=4, transient=True, redirect_stdout=False
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._live.stop()

    def _now(self) -> Table:
        table = Table.grid(padding=(0, 1))
        for stage, (since, log) in list(self._running.items()):
            said = (_tail(log, 1) or [""])[0]
            spinner = "◐◓◑◒"[int(time.monotonic() * 4) % 4]
            clock = f"{time.monotonic() - since:.0f} s"
            table.add_row(spinner, Text(stage, style="bold"), clock, Text(said, style="dim", no_wrap=True))
        return table

    def started(self, stage: str, reasons: tuple[str, ...], log: Path) -> None:
        self._running[stage] = (time.monotonic(), log)
        super().started(stage, reasons, log)

    def answered(self, stage: str, how: str) -> None:
        self._running.pop(stage, None)
        super().answered(stage, how)

    def finished(self, stage: str, seconds: float) -> None:
        self._running.pop(stage, None)
        super().finished(stage, seconds)

    def failed(self, stage: str, error: str, log: Path | None) -> None:
        self._running.pop(stage, None)
        super().failed(stage, error, log)


def progress(level: Level = "normal") -> Lines:
    """The reporter for a person: a live display on a terminal, plain lines elsewhere."""
    return Display(level) if sys.stderr.isatty() and level != "quiet" else Lines(level)


def _text(*parts: str | tuple[str, str]) -> Text:
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
