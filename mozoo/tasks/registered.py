"""Makes every published task of this package known to Inspect, so `inspect eval mozoo/NAME` works.

Inspect imports this module through the entry point group `inspect_ai`; nothing else should, because
it imports inspect_ai.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from inspect_ai import task
from inspect_ai.util import registry_info

from motools.zoo import published

PACKAGE = __name__.partition(".")[0]


def register(name: str, function: Callable[..., Any]) -> None:
    """Register a task under `mozoo/NAME`."""
    registered = task(name=name)(function)
    # Inspect puts the package's name before the task's only where it finds the package installed,
    # which it does not in an editable install of a distribution with another name than the package.
    if registry_info(registered).name != f"{PACKAGE}/{name}":
        task(name=f"{PACKAGE}/{name}")(function)


for _name, _point in published("task").items():
    if _point.module.partition(".")[0] == PACKAGE:
        register(_name, _point.load())
