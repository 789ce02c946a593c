"""The journal of paid jobs: what is written down of each, and how it is found again."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from motools.errors import UserError
from motools.repo.project import Project
from motools.training import TrainingRequest
from motools.training.jobs import list_jobs, running_jobs
from motools.training.journal import JobEntry, Journal, counted, job_key


def entry(key: str = "a" * 64, **more: Any) -> JobEntry:
    return JobEntry(
        **{
            "key": key,
            "step_key": key,
            "step": "train_model",
            "folder": ".",
            "model": "m",
            "server": "s",
            "account": "c",
            **more,
        }
    )


def test_the_key_of_a_job_is_that_of_what_is_asked_for_wherever_it_lies(tmp_path: Path) -> None:
    for name, text in {"rows": "1", "same": "1", "other": "2"}.items():
        (tmp_path / name).write_text(text)
    asked = TrainingRequest("m", {"epochs": 1, "rate": 2}, None, tmp_path / "rows")
    equal = [{"dataset": tmp_path / "same"}, {"hyperparameters": {"rate": 2, "epochs": 1}}, {"checkpoints": [1]}]
    assert {job_key("step", replace(asked, **each)) for each in equal} == {job_key("step", asked)}  # type: ignore[arg-type]
    others = [
        {"model": "n"}, {"hyperparameters": {"epochs": 1}}, {"suffix": "s"}, {"dataset": tmp_path / "other"},
        {"validation": tmp_path / "rows"},
    ]  # fmt: skip
    keys = {job_key("other", asked), *(job_key("step", replace(asked, **each)) for each in others)}  # type: ignore[arg-type]
    assert len(keys - {job_key("step", asked)}) == 6


def test_an_entry_reads_back_as_it_was_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "jobs")
    assert journal.read("a" * 64) is None
    assert (entry().forced, entry().collected, entry().status, entry().earlier) == (False, False, "submitting", ())
    written = journal.write(entry(job_id="ftjob-1", earlier=("ftjob-0",)))
    assert journal.read("a" * 64) == written
    assert [path.name for path in journal.folder.iterdir()] == [f"{'a' * 64}.json"]


def test_what_has_become_of_an_attempt_is_not_written_over_a_later_one(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "jobs")
    first = journal.keep_up(entry(job_id="1"))
    assert journal.read(first.key) == first
    first = journal.keep_up(replace(first, status="RUNNING"))
    assert journal.read(first.key) == first
    second = journal.write(first.anew(True))
    journal.keep_up(replace(first, status="CANCELLED"))
    assert journal.read(first.key) == second


@pytest.mark.parametrize(
    ("told", "count"),
    [
        *((0, 0), (7.0, 7), ("12", 12), (2**63 - 1, 2**63 - 1)),
        *((value, None) for value in (2**63, float("inf"), float("nan"), -1, True, "1e3", "9" * 19, None, [1])),
    ],
)
def test_what_a_provider_counts_is_a_number_that_can_be_one(told: object, count: int | None) -> None:
    assert counted(told) == count


ODD = [
    {"created": 5},
    {"created": None},
    {"step": None},
    {"earlier": 5},
    {"status": ["failed"]},
]
DAMAGED = ["", "{", "[]", "3", '{"key": "a"}', "\udcff", "[" * 100_000]


@pytest.mark.parametrize(
    "text", [*DAMAGED, *(json.dumps(asdict(entry()) | odd) for odd in ODD)], ids=lambda text: text[:9]
)
def test_a_damaged_entry_counts_as_absent(tmp_path: Path, text: str) -> None:
    journal = Journal(tmp_path)
    (tmp_path / f"{'a' * 64}.json").write_bytes(text.encode(errors="surrogateescape"))
    assert journal.read("a" * 64) is None
    assert list(journal.entries()) == []


def test_an_entry_is_found_by_its_key_by_a_prefix_of_it_or_by_its_job(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for key, job in (("ab" * 32, "ftjob-1"), ("ac" * 32, "ftjob-2")):
        journal.write(entry(key, job_id=job))
    for word in ("ab" * 32, "abab", "ftjob-1"):
        found = journal.find(word)
        assert found is not None
        assert found.job_id == "ftjob-1"
    assert journal.find("b") is None
    with pytest.raises(UserError, match=r"'a' fits 2 jobs: a[bc]a.{13}(,| and) a[bc]a.{13}\. Write more digits"):
        journal.find("a")


def test_each_attempt_has_a_mark_of_its_own_and_remembers_the_jobs_before_it() -> None:
    first = entry(job_id="ftjob-1", status="failed")
    second = first.anew(forced=False)
    assert second.attempt != first.attempt
    assert (second.job_id, second.status, second.earlier) == (None, "submitting", ("ftjob-1",))


def test_a_job_without_an_id_leaves_none_behind() -> None:
    first = entry(
        status="refused", step="step", folder="f", server="there", account="whose", model="which", provider="p"
    )
    second = first.anew(forced=True)
    assert (second.earlier, second.forced, second.key, second.step_key) == ((), True, first.key, first.step_key)
    assert (second.step, second.folder, second.model) == ("step", "f", "which")
    assert (second.server, second.account, second.provider) == ("there", "whose", "p")
    third = replace(second, job_id="ftjob-2", earlier=("ftjob-1",)).anew(forced=False)
    assert (third.earlier, third.forced) == (("ftjob-1", "ftjob-2"), False)


def test_what_a_provider_answers_is_taken_over() -> None:
    before = entry(status="queued", error="old", fine_tuned_model="old", trained_tokens=1)
    answer = {"id": "ftjob-1", "status": "failed", "error": {"message": "no"}, "model": "m-2024"}
    told = before.told(answer)
    assert (told.job_id, told.status, told.error, told.model) == ("ftjob-1", "failed", "no", "m-2024")
    assert (told.fine_tuned_model, told.trained_tokens) == (None, None)
    done = told.told(
        {"id": "ftjob-1", "status": "succeeded", "fine_tuned_model": "ft:m", "trained_tokens": 7, "error": {}}
    )
    assert (done.error, done.model, done.fine_tuned_model, done.trained_tokens) == (None, "m-2024", "ft:m", 7)
    assert done.told({"id": "i", "status": "queued", "error": None, "model": ""}).model == "m-2024"
    assert before.told({"id": "i", "status": "failed", "error": {"message": ""}}).error is None


def test_entries_are_listed_the_newest_first_and_by_step(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for number in (1, 3, 2):
        step = "s" if number < 3 else "t"
        journal.write(entry(str(number) * 64, step_key=step, created=f"2026-01-0{number}T00:00:00.000Z"))
    assert [each.key[0] for each in journal.entries()] == ["3", "2", "1"]
    assert [each.key[0] for each in journal.of_step("s")] == ["2", "1"]
    assert journal.of_step("u") == []


def test_a_job_of_a_step_becomes_that_of_a_request_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    given = journal.write(entry("a" * 64, job_id="ftjob-1"))
    taken = journal.take_up(given, "b" * 64)
    assert (taken.key, taken.step_key, taken.job_id) == ("b" * 64, "a" * 64, "ftjob-1")
    assert journal.read("a" * 64) is None
    assert journal.read("b" * 64) == taken


def test_a_file_that_was_sent_is_known_by_its_content_and_account(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    assert journal.file_id("d", "account") is None
    journal.write_file("d", "account", None)
    assert journal.file_id("d", "account") is None
    journal.write_file("d", "account", "file-1")
    assert journal.file_id("d", "account") == "file-1"
    assert journal.file_id("d", "other") is None
    assert journal.file_id("e", "account") is None
    assert list(journal.entries()) == []
    (path,) = (tmp_path / "files").iterdir()
    text = path.read_text()
    path.write_text("[]")
    assert journal.file_id("d", "account") is None
    path.write_text(text)
    assert {**json.loads(path.read_text()), "updated": ""} == {"sha256": "d", "file_id": "file-1", "updated": ""}


def test_an_entry_is_a_file_that_a_person_can_read_and_that_others_may(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "new" / "jobs")
    written = journal.write(entry(error="é", created="2020", updated="2020"))
    path = journal.folder / f"{'a' * 64}.json"
    text = path.read_text(encoding="utf-8")
    assert text.startswith('{\n  "key": "aaa')
    assert text.endswith("}\n")
    assert '"error": "é"' in text
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert written.created == "2020"
    assert written.updated > "2026"
    path.write_text(json.dumps({**json.loads(text), "word of tomorrow": 1}))
    assert journal.read("a" * 64) == written
    (journal.folder / ".motools-left").write_text("by a writer that was killed")
    journal.write(written)
    assert list(journal.folder.iterdir()) == [path]


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="only Linux tells which files are open")
def test_no_file_stays_open(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        journal.write(entry())
        journal.read("a" * 64)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(
    ("status", "live"),
    [("submitting", True), ("queued", True), ("running", True), ("a word of tomorrow", True)]
    + [(status, False) for status in ("succeeded", "failed", "cancelled", "refused")],
)
def test_a_job_that_has_ended_is_not_counted_as_running(status: str, live: bool, bare_project: Path) -> None:
    here = Project.find()
    Journal.of(here).write(
        JobEntry("a" * 64, "a" * 64, "train_model", ".", "gpt-4o", "host", "account", status=status, job_id="ftjob-1")
    )
    assert [entry.job_id for entry in running_jobs(here, ["a" * 64])] == (["ftjob-1"] if live else [])


@pytest.mark.parametrize("created", ["yesterday", "2999-01-01T00:00:00Z", "0001-01-01T00:00:00Z"])
def test_a_job_of_an_odd_time_is_listed_and_no_younger_than_now(created: str, bare_project: Path) -> None:
    project = Project.find(bare_project)
    Journal.of(project).write(entry(created=created))
    (job,) = list_jobs(project)
    assert job.age >= 0
