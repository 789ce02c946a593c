"""A log is followed for as long as the run goes on, wherever that is."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from motools.code.search_path import PipelineFolder, pipeline_folder
from motools.engine import run_lock
from motools.engine.failures import log_path
from motools.engine.following import follow
from motools.engine.reporter import Silent

NOBODY = 2**22 + 1
"""A process that no Linux has."""


@pytest.fixture
def place(bare_project: Path) -> PipelineFolder:
    place = pipeline_folder(bare_project)
    log_path(place, "say").parent.mkdir(parents=True)
    log_path(place, "say").write_text("one\n")
    return place


def holds(place: PipelineFolder, process: int, host: str) -> Path:
    lock = place.project.private / "run.lock"
    lock.write_text(f"process {process}, since 2026-01-01T00:00:00.000Z, on {host}")
    return lock


def test_a_run_on_another_host_is_followed_until_it_says_that_it_has_ended(place: PipelineFolder) -> None:
    lock, told = holds(place, NOBODY, "far-away"), list[str]()
    parts = follow(place, "say", told.append)
    assert next(parts) == "one\n"
    with log_path(place, "say").open("a") as log:
        log.write("two\n")
    assert next(parts) == "two\n"
    with log_path(place, "say").open("a") as log:
        log.write("the end\n")
    lock.write_text("")
    assert list(parts) == ["the end\n"]
    (sentence,) = told
    assert f"at far-away (process {NOBODY})" in sentence


def test_a_run_that_takes_the_lock_of_a_killed_one_is_seen_at_any_moment(place: PipelineFolder) -> None:
    lock = holds(place, NOBODY, "a-host-with-a-name-that-is-longer-than-that-of-any-other")
    seen: list[str] = []

    def look(frame: FrameType, event: str, _: object) -> Any:
        if frame.f_code.co_filename == run_lock.__file__:
            seen.append(lock.read_text())
            return look
        return None

    before = sys.gettrace()
    taken = run_lock.one_run(place.project, Silent())
    sys.settrace(look)
    try:
        taken.__enter__()
    finally:
        sys.settrace(before)
    taken.__exit__(None, None, None)
    assert len(seen) > 5
    assert all(text.startswith("process ") for text in seen)
    assert seen[-1].startswith(f"process {os.getpid()}, ")
    assert seen[-1].partition("\n")[0].count(" on ") == 1
    assert lock.read_text() == ""


@pytest.mark.parametrize("host", [socket.gethostname(), ""])
def test_a_run_that_was_killed_on_this_host_is_not_waited_for(place: PipelineFolder, host: str) -> None:
    lock = holds(place, NOBODY, host)
    if not host:
        lock.write_text(f"process {NOBODY}")
    told: list[str] = []
    assert list(follow(place, "say", told.append)) == ["one\n"]
    assert told == []


def test_a_run_that_lives_on_this_host_is_followed(place: PipelineFolder) -> None:
    lock, told = holds(place, os.getpid(), socket.gethostname()), list[str]()
    parts = follow(place, "say", told.append)
    assert next(parts) == "one\n"
    with log_path(place, "say").open("a") as log:
        log.write("two\n")
    assert next(parts) == "two\n"
    lock.write_text("")
    assert list(parts) == []
    assert told == []
