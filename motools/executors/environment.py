"""What is installed: compared before work starts, so that nobody wonders later why two machines do not agree."""

from __future__ import annotations

import os
import platform
import re
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
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
    packages = _installed()
    packages.pop("motools", None)
    return Environment(platform.python_version(), __version__, dict(sorted(packages.items())), socket.gethostname())


def _installed() -> dict[str, str]:
    """Distribution -> version, by the names of their folders; `importlib.metadata` takes 0.5 s to parse them."""
    versions: dict[str, str] = {}
    for folder in sys.path:
        with suppress(OSError):  # a zip file, or none
            for entry in sorted(os.listdir(folder or ".")):
                stem, dot, suffix = entry.rpartition(".")
                name, dash, rest = stem.partition("-")
                if dash and dot and suffix in ("dist-info", "egg-info"):
                    version = rest.partition("-py")[0]  # of an egg: `1.2-py3.11`
                    versions.setdefault(re.sub(r"[-_.]+", "-", name).lower(), version)
    return versions


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
    return f"On {worker.host} other versions are installed: {listed(told, 8)}." if told else None


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])
