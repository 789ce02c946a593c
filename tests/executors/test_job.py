"""A job and its answer, as they travel."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest

from motools.base.resources import Resources
from motools.executors.environment import Environment
from motools.executors.job import Answer, Job, Source
from motools.repo.hashing import Out
from motools.repo.step_cache import CachedResult

JOB = Job(
    key="key",
    state="state",
    step="train",
    workflow="chain.py:workflow",
    folder="a",
    values={"seed": 1},
    takes={"data": "dataset"},
    outputs={"model": "model"},
    inputs={"data": "dataset-1"},
    function="f",
    versions={"mozoo": "1"},
    user="ada",
    environment=Environment("3.11.7", "1.0", {"numpy": "1.0"}, "here"),
)
MORE: dict[str, Any] = {
    "keeps_logs": True,
    "gathers": ("a", "b"),
    "preload": ("torch",),
    "locked": {"cmd": "x"},
    "commit": "c",
    "changed": {"a.py": None},
    "asked": ("a.py",),
    "force": True,
    "earlier": False,
    "resources": Resources(gpu=1, memory="2 GB"),
    "root": "/project",
    "log": "/log",
}
SOURCE = Source("https://example.org/x.git", "c", "t")
OUT = Out("1" * 32, 3)


def test_a_job_that_says_no_more_runs_where_and_as_the_project_says() -> None:
    defaults = {name: getattr(JOB, name) for name in MORE}
    assert defaults == {
        "keeps_logs": False, "gathers": (), "preload": (), "locked": {}, "commit": None, "changed": {}, "asked": (),
        "force": False, "earlier": True, "resources": Resources(), "root": None, "log": None,
    }  # fmt: skip
    assert JOB.source is None
    assert (SOURCE.patch, SOURCE.patch_id, SOURCE.project, SOURCE.remote) == ("", None, ".", None)


@pytest.mark.parametrize("source", [None, SOURCE, replace(SOURCE, patch="p", patch_id="i", remote=("store", "/store"))])
@pytest.mark.parametrize("more", [{}, MORE])
def test_a_job_arrives_as_it_was_sent(source: Source | None, more: dict[str, Any]) -> None:
    job = replace(JOB, source=source, **more)
    arrived = Job.loads(job.dumps())
    assert arrived == job
    assert all(type(getattr(arrived, name)) is type(getattr(job, name)) for name in vars(job))
    with pytest.raises(FrozenInstanceError):
        arrived.key = "other"  # type: ignore[misc]


@pytest.mark.parametrize("logs", [None, OUT])
def test_an_answer_arrives_as_it_was_given(logs: Out | None) -> None:
    entry = CachedResult({"model": Out("2" * 32 + ".dir", 7, 2)}, OUT, logs)
    for answer in (
        Answer(True, entry),
        Answer(False, None, "no", "log", "node1", ("a", "b"), True),
        Answer(False),
    ):
        assert Answer.loads(answer.dumps()) == answer
    assert (Answer(True).error, Answer(True).notes, Answer(True).adopted) == (None, (), False)


@pytest.mark.parametrize("text", ["", "{", "3", "[]", "{}", json.dumps({"source": None})])
def test_what_is_no_job_is_told_as_such(text: str) -> None:
    for kind in (Job, Answer):
        with pytest.raises((ValueError, TypeError, KeyError, AttributeError)):
            kind.loads(text)
