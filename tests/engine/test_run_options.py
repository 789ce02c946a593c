"""How many steps run at once."""

from __future__ import annotations

import os

import pytest

from motools.engine.options import RunOptions


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)


@pytest.mark.parametrize(
    ("running", "cores", "has_room"),
    [
        ([], 100, True),
        ([None] * 7, None, True),
        ([None] * 8, None, False),
        ([1, 1], None, True),
        ([None] * 8, 1, True),
        ([1], 1, True),
        ([1, 1], 1, False),
        ([1, 0.9], 0.1, True),
        ([2], 0.1, False),
        ([0.1] * 19, 0.1, True),
    ],
)
def test_steps_that_wait_have_eight_places_and_those_that_compute_the_cores(
    running: list[float | None], cores: float | None, has_room: bool
) -> None:
    assert RunOptions().has_room(running, cores) is has_room


@pytest.mark.parametrize(
    ("running", "cores", "has_room"),
    [
        ([None] * 2, None, True),
        ([None] * 3, None, False),
        ([None, 1], 1, True),
        ([None, 2], 1, False),
        ([2.5], 0.5, True),
    ],
)
def test_with_a_number_of_jobs_a_step_that_says_nothing_is_one_of_them(
    running: list[float | None], cores: float | None, has_room: bool
) -> None:
    assert RunOptions(jobs=3).has_room(running, cores) is has_room
