"""Questions to the person at the terminal."""

from __future__ import annotations

import typer

__all__ = ["agreed"]


def agreed(question: str, err: bool = False) -> bool:
    """Ask for a yes; Ctrl-C interrupts as anywhere else, and the end of the input is a no."""
    try:
        return typer.confirm(question, err=err)
    except typer.Abort as abort:  # which Typer makes of both
        if isinstance(abort.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        typer.echo(err=err)
        return False
