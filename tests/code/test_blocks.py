"""Blocks of code that count: a change that changes a step's result is seen, and what changes nothing is not."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from code_cases import ASLEEP, CHANGES, LIVE_CHANGES, LIVE_SAME, READS, SAME, version, write
from more_cases import FOUND, REACHED, UNTOUCHED
from observing import Seen, Steps, changes


@pytest.fixture(scope="module")
def observed() -> Iterator[Steps]:
    steps = Steps(observed=True)
    yield steps
    steps.close()


@pytest.fixture(scope="module")
def plain() -> Iterator[Steps]:
    steps = Steps(observed=False)
    yield steps
    steps.close()


def swap(folder: Path, files: dict[str, str]) -> None:
    """The other version of a case in the place of the one that is there."""
    for path in folder.iterdir():
        if path.name not in (".dvc", ".motools"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    write(folder, files)


def edited(folder: Path, text: str, observed: Steps) -> tuple[Seen, Seen]:
    swap(folder, version(text, 0))
    before = observed.run(folder)
    if "No module named 'inspect_ai'" in before.failed:
        pytest.skip("Inspect is not installed")
    assert not before.failed
    assert changes(before, before, folder) == []
    swap(folder, version(text, 1))
    return before, observed.run(folder)


@pytest.mark.parametrize("case", [*CHANGES, *LIVE_CHANGES, *READS, *REACHED, *FOUND])
def test_a_step_wakes_for(bare_project: Path, observed: Steps, plain: Steps, case: str) -> None:
    before, after = edited(bare_project, {**CHANGES, **LIVE_CHANGES, **READS, **REACHED, **FOUND}[case], observed)
    assert plain.run(bare_project).result == after.result != before.result, "the case changes nothing"
    assert changes(before, after, bare_project)


@pytest.mark.parametrize("case", [*SAME, *LIVE_SAME, *ASLEEP, *UNTOUCHED])
def test_a_step_sleeps_through(bare_project: Path, observed: Steps, case: str) -> None:
    before, after = edited(bare_project, {**SAME, **LIVE_SAME, **ASLEEP, **UNTOUCHED}[case], observed)
    assert after.result == before.result, "the case changes something"
    assert changes(before, after, bare_project) == []
