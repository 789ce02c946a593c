"""What is installed on two machines: what is refused, and what is told."""

from __future__ import annotations

from importlib import metadata

import pytest

from motools.executors.environment import Environment, differences, here, refusal
from motools.version import __version__

NONE = "numpy is not installed (here 1.0), torch is not installed (here 2.0)"
HERE = Environment("3.11.7", "1.0", {"numpy": "1.0", "torch": "2.0"}, "here")


def there(**changed: object) -> Environment:
    return Environment(**{**vars(HERE), "host": "node1", **changed})  # type: ignore[arg-type]


def test_this_process_is_told_with_all_that_is_installed_but_motools() -> None:
    found = here()
    assert found.motools == __version__
    assert found.packages["pytest"] == metadata.version("pytest")
    assert found.packages["typing-extensions"] == metadata.version("typing_extensions"), "by one spelling"
    assert "motools" not in found.packages
    assert list(found.packages) == sorted(found.packages)
    assert found.python.startswith("3.")
    assert found.host


@pytest.mark.parametrize(
    ("worker", "why"),
    [
        (there(), None),
        (there(python="3.11.2", packages={}), None),
        (there(python="3.12.7"), "node1 has Python 3.12, and here it is 3.11: install the same version there."),
        (there(python="2.11.7"), "node1 has Python 2.11, and here it is 3.11: install the same version there."),
        (there(motools="1.1"), "node1 has MOTools 1.1, and here it is 1.0: install the same version there."),
    ],
)
def test_another_python_or_motools_is_refused(worker: Environment, why: str | None) -> None:
    assert refusal(worker, HERE) == why


@pytest.mark.parametrize(
    ("worker", "told"),
    [
        (there(), None),
        (there(packages={"numpy": "1.1", "torch": "2.0"}), "numpy 1.1 (here 1.0)"),
        (there(packages={"numpy": "1.0"}), "torch is not installed (here 2.0)"),
        (there(packages={**HERE.packages, "abc": "3"}), "abc 3 (here not installed)"),
        (there(packages={}), NONE),
        (there(python="3.11.2"), "Python 3.11.2 (here 3.11.7)"),
        (there(python="3.11.9"), "Python 3.11.9 (here 3.11.7)"),
        (there(python="3.11.2", packages={}), f"Python 3.11.2 (here 3.11.7), {NONE}"),
    ],
)
def test_other_versions_are_told(worker: Environment, told: str | None) -> None:
    assert differences(worker, HERE) == (told and f"On node1 other versions are installed: {told}.")


@pytest.mark.parametrize(("count", "named", "more"), [(8, 8, ""), (9, 8, ", and 1 more"), (30, 8, ", and 22 more")])
def test_of_many_eight_are_named(count: int, named: int, more: str) -> None:
    packages = {f"p{n:02}": "1" for n in range(count)}
    names = ", ".join(f"p{n:02} 1 (here not installed)" for n in range(named))
    found = differences(there(packages={**HERE.packages, **packages}), HERE)
    assert found == f"On node1 other versions are installed: {names}{more}."
