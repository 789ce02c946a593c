"""What is installed: compared before work starts, so that nobody wonders later why two machines do not agree."""

from __future__ import annotations

import platform
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from motools.errors import listed
from motools.version import __version__

__all__ = ["Environment", "differences", "here", "refusal"]


@dataclass(frozen=True)
class Environment:
    """Python, MOTools, and every installed distribution with its version; and the machine."""

    python: str
    motools: str
    packages: Mapping[str, str] = field(default_factory=dict)
    host: str = ""


@cache
def here() -> Environment:
    """Of this process."""
    from importlib import metadata

    versions = {each.name: each.version for each in metadata.distributions() if each.name}
    packages = {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in versions.items()}
    packages.pop("motools", None)
    return Environment(platform.python_version(), __version__, dict(sorted(packages.items())), socket.gethostname())


def refusal(worker: Environment, driver: Environment) -> str | None:
    """Why a worker cannot take part, in one sentence: what its traces say would not hold here."""
    for name, theirs, ours in (
        ("Python", _minor(worker.python), _minor(driver.python)),
        ("MOTools", worker.motools, driver.motools),
    ):
        if theirs != ours:
            return f"{worker.host} has {name} {theirs}, and here it is {ours}: install the same version there."
    return None


def differences(worker: Environment, driver: Environment) -> str | None:
    """Which packages differ, in one sentence; None where none do."""
    names = sorted({*worker.packages, *driver.packages})
    told = [
        f"{name} {worker.packages.get(name, 'is not installed')} (here {driver.packages.get(name, 'not installed')})"
        for name in names
        if worker.packages.get(name) != driver.packages.get(name)
    ]
    if worker.python != driver.python:
        told.insert(0, f"Python {worker.python} (here {driver.python})")
    more = [f"and {len(told) - 8} more"] if len(told) > 8 else []
    return f"On {worker.host} other versions are installed: {listed([*told[:8], *more])}." if told else None


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])
