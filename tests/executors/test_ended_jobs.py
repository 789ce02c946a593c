"""What jobs leave that have ended: `motools gc` removes what nobody asks for, and nothing of one that may still run."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fake_slurm import Slurm
from test_slurm import laid, states, wait_for

from motools.base import slurm as commands
from motools.engine.leftovers import leftovers
from motools.repo.project import Project
from motools.training.journal import JobEntry, Journal

STAGES = '{"stages": {"train": {"cmd": "x"}, "try": {"foreach": {"seed=1": {}}, "do": {"cmd": "x"}}}}'


def job(key: str, status: str = "failed", step: str = "train", **more: str) -> JobEntry:
    return JobEntry(
        key, f"step of {key}", step, ".", "", "SLURM", "", attempt=key, status=status, provider="slurm", **more
    )  # type: ignore[arg-type]


@pytest.fixture
def journal(bare_project: Path, slurm: Slurm) -> Journal:
    (bare_project / "dvc.yaml").write_text(STAGES)
    return Journal.of(Project.find(bare_project))


def gone(journal: Journal) -> list[str]:
    return sorted(entry.key for entry in leftovers(Project.find(journal.folder)).jobs)


def submit(folder: Path, attempt: str) -> str:
    """Have SLURM begin a job that ends when this test does."""
    script = folder / "script.sh"
    script.write_text("#!/bin/sh\nsleep 300\n")
    with script.open() as file:
        options = [f"--output={folder / 'slurm.log'}", f"--chdir={folder}", "--open-mode=append", "--requeue"]
        return commands.submit(script, attempt, options, os.environ, file.fileno())


@pytest.mark.parametrize("status", ["submitting", "PENDING", "RUNNING", "COMPLETING"])
def test_a_job_that_goes_on_or_may_have_been_made_stays(journal: Journal, status: str) -> None:
    journal.write(job("a", status))
    assert gone(journal) == []


def test_a_job_that_slurm_still_has_stays_whatever_the_journal_says(journal: Journal, tmp_path: Path) -> None:
    for key in ("a", "b", "c"):
        journal.write(job(key, "succeeded"))
    assert gone(journal) == ["a", "b", "c"]
    submit(tmp_path, "a")
    number = submit(tmp_path, "of an earlier attempt")
    journal.write(replace(job("b", "succeeded"), earlier=(number,)))
    assert gone(journal) == ["c"]


def test_where_slurm_is_not_there_to_be_asked_nothing_goes(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.write(job("a", "succeeded"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gone(journal) == []


def test_a_job_that_failed_stays_while_its_step_is_asked_for(journal: Journal) -> None:
    journal.write(job("a", created="2030-01-01T00:00:00.000Z"))
    journal.write(job("b", step="try@seed=1"))
    assert gone(journal) == []
    (journal.folder.parents[1] / "dvc.yaml").write_text("stages: [\n")
    assert gone(journal) == []


def test_a_job_that_failed_goes_with_its_step(journal: Journal) -> None:
    journal.write(job("a", step="other"))
    journal.write(job("b", step="try@seed=2"))
    journal.write(replace(job("c"), folder="nowhere"))
    assert gone(journal) == ["a", "b", "c"]


def test_a_job_that_failed_goes_when_its_step_has_another_key_or_is_made(journal: Journal) -> None:
    journal.write(job("a", created="2030-01-01T00:00:00.000Z"))
    journal.write(job("b", created="2030-01-02T00:00:00.000Z"))
    assert gone(journal) == ["a"]
    record = journal.folder.parents[1] / "runs" / "train.json"
    record.parent.mkdir()
    for made, then in (
        ({"key": "step of b", "started": "2020"}, ["a", "b"]),
        ({"key": "other", "started": "2020"}, ["a"]),
        ({"key": "other", "started": "2031"}, ["a", "b"]),
        ({}, ["a"]),
    ):
        record.write_text(json.dumps(made))
        assert gone(journal) == then


def test_a_job_that_failed_goes_in_a_month(journal: Journal) -> None:
    entry = journal.write(job("a"))
    path = journal.folder / "a.json"
    for days, then in ((29, []), (31, ["a"])):
        updated = datetime.fromtimestamp(time.time() - days * 24 * 3600, UTC).isoformat()
        path.write_text(json.dumps({**vars(entry), "updated": updated}))
        assert gone(journal) == then


def test_gc_says_what_goes_and_removes_it(project: Path, slurm: Slurm) -> None:
    chain = laid(project)
    assert chain.run("--on", "cluster").statuses == ["finished"] * 3
    wait_for(lambda: states(slurm) == ["COMPLETED"] * 3)
    looked = chain.command("gc", "--dry-run")
    assert "jobs of `motools jobs list` that have ended, with their logs: 3" in looked.out
    assert len(json.loads(chain.command("jobs", "list", "--json").out)) == 3
    told = json.loads(chain.command("gc", "--yes", "--json").out)
    assert (told["jobs"], told["notes"], told["objects"], told["removed"]) == (3, 0, 0, True)
    assert json.loads(chain.command("jobs", "list", "--json").out) == []
    assert [path.name for path in chain.path(".motools", "queued").iterdir()] == ["lock"]
    assert chain.run("--on", "cluster").statuses == ["current"] * 3
    assert "Everything in the cache is needed." in chain.command("gc").out
