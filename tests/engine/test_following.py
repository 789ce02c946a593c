"""A log is followed for as long as the run goes on, wherever that is."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from motools.code.search_path import PipelineFolder, pipeline_folder
from motools.engine.failures import log_path
from motools.engine.following import follow

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
