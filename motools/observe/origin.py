"""Whose code a file is: the project's, MOTools', an installed package's or the standard library's."""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from functools import cache

__all__ = ["is_installed_name", "is_project"]

_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PACKAGES = (_HERE + os.sep, os.path.join(os.path.dirname(_HERE), "mozoo") + os.sep)
"""MOTools and the zoo beside it, whose versions stand for their code."""


def prefixes(*paths: str | None) -> tuple[str, ...]:
    return tuple({os.path.abspath(path) + os.sep for path in paths if path})


_ZIP = os.path.join(os.path.dirname(os.path.dirname(os.__file__)), "python{}{}.zip".format(*sys.version_info))
"""Where Python looks for its standard library too."""
STDLIB = (*prefixes(sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), os.path.dirname(os.__file__)), _ZIP)
INSTALLED = prefixes(
    *(sysconfig.get_path(name) for name in ("purelib", "platlib")),
    *site.getsitepackages(),
    site.getusersitepackages(),
    *(path for path in sys.path if os.path.basename(path) in ("site-packages", "dist-packages")),
)
"""Also what PYTHONPATH or a `.pth` file leads to of another environment, as modules of a cluster do."""


@cache
def kind_of_code(file: str) -> str:
    """Whose code a file name of a code object stands for: project, motools, installed, import, stdlib or none."""
    if file.startswith("<frozen importlib"):
        return "import"
    if file.startswith("<"):
        return "none" if not file.startswith("<frozen") else "stdlib"
    path = os.path.abspath(file)
    if path.startswith(PACKAGES[0]):
        return "motools"
    if path.startswith((PACKAGES[1], *INSTALLED)):
        return "installed"
    return "stdlib" if path.startswith(STDLIB) else "project"


def is_project(file: str) -> bool:
    """Whether a file of code is the project's: not the standard library's, not installed, not MOTools' own.

    What lies elsewhere and is reached by a link, `sys.path`, a `.pth` file or an editable install is the project's,
    but for another environment's `site-packages`.
    """
    return kind_of_code(file) == "project"


@cache
def is_installed_name(name: str) -> bool:
    """Whether the first part of a module's name is of the standard library or of what is installed."""
    return name in sys.stdlib_module_names or any(
        os.path.exists(os.path.join(folder, name + end)) for folder in INSTALLED for end in (".py", "")
    )
