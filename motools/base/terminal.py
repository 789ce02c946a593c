"""The terminal: standard error as rich writes to it, and the colour of each state."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
import sys


def console(stderr: bool = False) -> Console:
    """Wide enough that nothing is cut when piped; colours off there, and where NO_COLOR is set."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(file=stream, soft_wrap=True, highlight=False, width=None if stream.isatty() else 10**6)


STYLES = {
    "finished": "green",
    "restored": "cyan",
    "current": "dim",
    "failed": "bold red",
    "skipped": "yellow",
    "not selected": "dim",
    "out of date": "yellow",
    "run": "green",
    "restore": "cyan",
    "fetch": "cyan",
    "maybe": "yellow",
}
