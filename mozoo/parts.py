"""Parts: datasets that are named inside the arguments of another loader, found and loaded."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from motools import zoo
from motools.errors import UserError, did_you_mean, listed
from mozoo.rows import Rows

Part = str | Mapping[str, Any]
"""The name of a loader, or `{"loader": name, ...its arguments}`."""


def part_of(part: Part, seed: int = 0) -> Callable[[], Rows]:
    """What loads a part: its loader is found and its arguments are checked here, before any part is loaded.

    Args:
        seed: for a loader that takes one and is given none.

    Raises:
        UserError: there is no such loader, or it does not take its arguments. The function that is returned
            raises it too, where the loader gives no rows, and `StepError` for a row that is no chat row.
    """
    name, arguments = _read(part)
    loader = find_loader(name)
    parameters = inspect.signature(loader).parameters
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    for argument in arguments:
        if argument not in parameters and not takes_any:
            close = did_you_mean(argument, parameters)
            raise UserError(f"{name} takes no argument {argument!r}.{close} It takes: {listed(parameters)}.")
    if "seed" in parameters:
        arguments.setdefault("seed", seed)
    missing = [
        p.name
        for p in parameters.values()
        if p.default is p.empty and p.name not in arguments and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    ]
    if missing:
        raise UserError(f"{name} needs {listed(missing)}: write it beside loader.")
    return lambda: _loaded(name, loader(**arguments))


def _loaded(name: str, returned: Any) -> Rows:
    from motools.zoo import refuse_other, refuse_wrong_row

    refuse_other(returned, name)
    rows = Rows.of(returned, returned)
    for number, row in enumerate(rows, 1):
        refuse_wrong_row(row, f"{name}, row {number}")
    if not rows:
        raise UserError(f"{name} returned no rows.")
    return rows


def find_loader(name: str) -> Callable[..., Any]:
    """The loader that a text names: published, or code of the project or of an installed module."""
    published = zoo.named("dataset", name)
    if published is None and name.isidentifier():
        zoo.lookup("dataset", name)  # says which names there are
    if published is None:
        from motools.workflow import load_code

        published = load_code(name)
    if not callable(published):
        raise UserError(f"{name} is not a function, so it cannot be part of a dataset.")
    return published  # type: ignore[no-any-return]


def _read(part: Any) -> tuple[str, dict[str, Any]]:
    if isinstance(part, str):
        return part, {}
    if not isinstance(part, Mapping) or not isinstance(part.get("loader"), str):
        raise UserError(
            f"{part!r:.80} is no dataset: write a name, or keys with loader: and the loader's arguments beside it."
        )
    return part["loader"], {name: value for name, value in part.items() if name != "loader"}
