"""`--quiet` and `--verbose`, the same for every command: who says nothing of itself about them is given both."""

from __future__ import annotations

import contextlib
import inspect
import os
import sys
import traceback
from collections.abc import Callable
from functools import wraps
from typing import Any, get_type_hints

import typer

from motools.base.foreign_text import visible
from motools.cli.options import Quiet, Verbose
from motools.errors import MotoolsError

__all__ = ["give_levels"]

_LEVELS = {"quiet": Quiet, "verbose": Verbose}


def give_levels(app: typer.Typer) -> None:
    """Let every command of an app and of those below it take both options."""
    for command in app.registered_commands:
        if command.callback is not None:
            command.callback = _with_levels(command.callback)
    for group in app.registered_groups:
        if group.typer_instance is not None:
            give_levels(group.typer_instance)


def _with_levels(command: Callable[..., Any]) -> Callable[..., Any]:
    """The command with those of the options that it has not: `quiet` leaves results and errors, and `verbose` tells of
    an error where it comes from."""
    signature = inspect.signature(command)
    hints = get_type_hints(command, include_extras=True)
    own = [p.replace(annotation=hints.get(n, p.annotation)) for n, p in signature.parameters.items()]
    lacking = [name for name in _LEVELS if name not in signature.parameters]

    @wraps(command)
    def levelled(**values: Any) -> Any:
        quiet, verbose = bool(values.get("quiet")), bool(values.get("verbose"))
        given = {name: value for name, value in values.items() if name not in lacking}
        with contextlib.ExitStack() as stack:
            if quiet and "quiet" in lacking:
                stack.enter_context(contextlib.redirect_stderr(stack.enter_context(open(os.devnull, "w"))))
            try:
                return command(**given)
            except MotoolsError:
                if verbose:
                    from motools.base.secrets import redact

                    print(visible(redact(traceback.format_exc().rstrip().rpartition("\n")[0])), file=sys.stderr)
                raise

    kind = inspect.Parameter.KEYWORD_ONLY
    more = [inspect.Parameter(name, kind, default=False, annotation=_LEVELS[name]) for name in lacking]
    parameters = [each.replace(kind=kind) for each in own] + more
    levelled.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    levelled.__annotations__ = {each.name: each.annotation for each in parameters}
    return levelled
