"""What `motools gc` takes of the journal of paid jobs: what ended long ago and nothing names; never what may go on."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from chain import Chain

from motools.engine.leftovers import leftovers, remove_leftovers
from motools.repo.project import Project
from motools.training.journal import JobEntry, Journal
from motools.training.tinker.trainer import page_of


def put(journal: Journal, key: str, days: float = 31, step_key: str = "", **more: Any) -> JobEntry:
    """Write down a job that nobody has heard of for some days."""
    fields = {"status": "succeeded", "collected": True, **more}
    step = fields.pop("step", "gone")
    entry = journal.write(JobEntry(key, step_key or f"step of {key}", step, ".", "m", "s", "c", **fields))
    updated = datetime.fromtimestamp(time.time() - days * 24 * 3600, UTC).isoformat()
    (journal.folder / f"{key}.json").write_text(json.dumps({**vars(entry), "updated": updated}))
    return entry


def gone(journal: Journal) -> list[str]:
    return sorted(entry.key for entry in leftovers(Project.find(journal.folder)).jobs)


@pytest.fixture
def journal(bare_project: Path) -> Journal:
    return Journal.of(Project.find(bare_project))


@pytest.mark.parametrize("provider", ["openai", "tinker"])
def test_a_job_goes_that_ended_a_month_ago_and_has_neither_step_nor_result(journal: Journal, provider: str) -> None:
    for status in ("succeeded", "failed", "cancelled", "refused"):
        put(journal, status, status=status, collected=status == "succeeded", provider=provider)
        put(journal, f"{status} of late", days=29, status=status, collected=True, provider=provider)
    assert gone(journal) == ["cancelled", "failed", "refused", "succeeded"]


@pytest.mark.parametrize(
    "status", ["submitting", "queued", "running", "validating_files", "stopped", "step 2 of 9", ""]
)
def test_a_job_that_may_go_on_stays_however_old_it_is(journal: Journal, status: str) -> None:
    put(journal, "a", days=3000, status=status)
    assert gone(journal) == []


def test_a_result_that_was_paid_for_and_that_nobody_fetched_stays(journal: Journal) -> None:
    put(journal, "a", days=3000, collected=False)
    assert gone(journal) == []


@pytest.mark.parametrize("updated", ["", "long ago", "99999999999999-01-01", None, 5])
def test_a_job_of_which_nobody_can_tell_when_it_ended_stays(journal: Journal, updated: object) -> None:
    entry = put(journal, "a")
    (journal.folder / "a.json").write_text(json.dumps({**vars(entry), "updated": updated}))
    assert gone(journal) == []


def test_a_job_stays_while_its_step_has_no_result_and_while_a_record_names_it(project: Path) -> None:
    chain = Chain.lay(project)
    assert chain.run().code == 0
    journal = Journal.of(Project.find(project))
    keys = {name: json.loads(chain.path("runs", f"{name}.json").read_text())["key"] for name in ("train", "evaluate")}
    put(journal, "named", step_key=keys["train"])
    put(journal, "asked", step="train", created="2999-01-01T00:00:00.000Z")
    put(journal, "made since", step="train", created="2020-01-01T00:00:00.000Z")
    assert gone(journal) == ["made since"]
    chain.set("train", seed=1)
    assert chain.run("--stages", "train").code == 0
    assert gone(journal) == ["made since"], "the cache has the other seed's result"
    told = json.loads(chain.command("gc", "--yes", "--json").out)
    assert (told["jobs"], told["removed"]) == (1, True)
    assert "jobs of `motools jobs list` that have ended, with their logs: 1" in chain.command("gc", "--dry-run").out
    assert json.loads(chain.command("gc", "--yes", "--json").out)["jobs"] == 1
    assert [each["key"] for each in json.loads(chain.command("jobs", "list", "--json").out)] == ["asked"]


def test_what_a_training_had_saved_is_forgotten_with_it(journal: Journal) -> None:
    entry = put(journal, "a", provider="tinker")
    page = page_of(journal.folder, entry)
    page.parent.mkdir()
    page.write_text("{}")
    remove_leftovers(Project.find(journal.folder))
    assert not page.exists()
    assert list(journal.entries()) == []
