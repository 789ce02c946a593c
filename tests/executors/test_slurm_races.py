"""What a queue says and what is so, between a look and what is done of it: no job is handed in twice, given up while it
goes on, or waited for without end."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from fake_slurm import Slurm
from test_one_step import JOB
from test_slurm import LIMIT, laid, states, wait_for

from motools.base import slurm as commands
from motools.errors import BackendError, ConfigError
from motools.execution import one_step
from motools.execution import slurm as execution
from motools.executors.job import Answer, Job
from motools.executors.queued import answer_file, one_at_a_time
from motools.repo.project import Project
from motools.training import jobs
from motools.training.journal import JobEntry, Journal

GOOD = Answer(True, where="node")
BAD = Answer(True, error="the step failed", where="node")


@dataclass
class Desk:
    """Where jobs are handed in, to a cluster on which none begins: the test says what becomes of each."""

    project: Project
    slurm: Slurm
    drivers: ExitStack
    job: Job

    def driver(self) -> execution.SlurmExecutor:
        driver = execution.SlurmExecutor(self.project, (), "", sys.executable, 0.02)
        self.drivers.callback(driver.shutdown)
        return driver

    def handed_in(self, driver: execution.SlurmExecutor, **about: Any) -> Future[Answer]:
        return driver.submit(one_step.perform, replace(self.job, **about))

    def waits(self, count: int = 1) -> None:
        """Until so many jobs are in the journal as handed in."""
        wait_for(lambda: [each.status for each in self.entries()].count("PENDING") == count)

    def entries(self) -> list[JobEntry]:
        return list(Journal.of(self.project).entries())

    @property
    def entry(self) -> JobEntry:
        (entry,) = self.entries()
        return entry

    def answers(self, answer: Answer, entry: JobEntry | None = None) -> None:
        """As the process on the node does it."""
        entry = entry or self.entry
        path = answer_file(self.project, entry.key, entry.attempt)
        path.with_suffix(".new").write_text(answer.dumps())
        path.with_suffix(".new").replace(path)

    def looks(self, times: int = 4) -> None:
        """Until the queue has been asked so often more."""
        asked = self.slurm.asked("squeue")
        wait_for(lambda: self.slurm.asked("squeue") >= asked + times)


@pytest.fixture
def desk(bare_project: Path, slurm: Slurm) -> Iterator[Desk]:
    (slurm.folder / "nodes").write_text("0")
    with ExitStack() as drivers:
        yield Desk(Project.find(bare_project), slurm, drivers, replace(JOB, root=str(bare_project)))


# -- what the queue leaves out --------------------------------------------------------


def test_a_job_that_a_list_leaves_out_is_asked_for_by_itself_before_it_is_given_up(desk: Desk) -> None:
    waiting = desk.handed_in(desk.driver())
    desk.waits()
    desk.slurm.tell("1", hidden=True)
    desk.looks(20)
    assert not waiting.done()
    assert desk.entry.live
    desk.answers(GOOD)
    assert waiting.result(LIMIT) == GOOD
    assert len(desk.slurm.jobs()) == 1


@pytest.mark.parametrize(
    "habit", [{"SQUEUE_STATES": "RUNNING"}, {"SQUEUE_PARTITION": "gpu"}, {"SQUEUE_STATES": "COMPLETED"}]
)
def test_what_a_person_set_for_commands_typed_by_hand_hides_no_job(
    desk: Desk, habit: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in habit.items():
        monkeypatch.setenv(name, value)
    waiting = desk.handed_in(desk.driver())
    desk.waits()
    assert [job.state for job in commands.living()] == ["PENDING"]
    other = desk.handed_in(desk.driver())
    desk.looks(8)
    assert not waiting.done()
    assert not other.done()
    assert len(desk.slurm.jobs()) == 1


def test_sbatch_makes_no_array_and_waits_for_none_as_a_variable_may_say(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SBATCH_ARRAY_INX", "SBATCH_WAIT", "SBATCH_EXPORT"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("SBATCH_QOS", "long")
    desk.handed_in(desk.driver())
    desk.waits()
    given = desk.slurm.jobs()[0]["environment"]
    assert [name for name in given if name.startswith("SBATCH_")] == ["SBATCH_QOS"]


@pytest.mark.parametrize("longest", [20, 24, 40])
def test_a_job_whose_name_the_cluster_cuts_is_found_again(desk: Desk, longest: int) -> None:
    (desk.slurm.folder / "longest-name").write_text(str(longest))
    desk.handed_in(desk.driver())
    desk.waits()
    other = desk.handed_in(desk.driver())
    desk.looks()
    desk.answers(GOOD)
    assert other.result(LIMIT).adopted
    assert len(desk.slurm.jobs()) == 1


def test_a_job_that_somebody_renamed_is_known_by_its_number(desk: Desk) -> None:
    desk.handed_in(desk.driver())
    desk.waits()
    desk.slurm.tell("1", job_name="mine")
    other = desk.handed_in(desk.driver())
    desk.looks(8)
    assert not other.done()
    assert jobs.show_job(desk.project, "1")[1] == {"state": "PENDING"}
    assert len(desk.slurm.jobs()) == 1


def test_another_attempts_job_with_the_number_of_ours_is_not_ours() -> None:
    job = commands.Living("7", "motools-another-attempt-of-ours", "RUNNING")
    assert not job.is_of("0123456789abcdef", "7")
    assert job.is_of("another-attempt-of-ours", "8")
    assert not commands.Living("7", "motools-0123", "RUNNING").is_of("0123456789abcdef", "8"), "it could be any"


@pytest.mark.parametrize("state", ["CONFIGURING", "SUSPENDED", "STOPPED", "COMPLETING", "REQUEUED", "STAGE_OUT"])
def test_a_job_is_waited_for_whatever_the_queue_calls_what_it_does(desk: Desk, state: str) -> None:
    waiting = desk.handed_in(desk.driver())
    desk.waits()
    desk.slurm.tell("1", shown=state)
    wait_for(lambda: desk.entry.status == state)
    other = desk.handed_in(desk.driver())
    desk.looks(8)
    assert not waiting.done()
    desk.answers(GOOD)
    assert (waiting.result(LIMIT).error, other.result(LIMIT).adopted) == (None, True)
    assert len(desk.slurm.jobs()) == 1


@pytest.mark.parametrize(
    "words",
    [
        "slurm_load_jobs error: Zero Bytes were transmitted or received",
        "slurm_load_jobs error: Unexpected message received",
        "squeue: error: Protocol authentication error",
        "slurm_load_jobs error: Resource temporarily unavailable",
    ],
)
def test_a_question_that_fails_in_whatever_words_is_asked_again(desk: Desk, words: str) -> None:
    waiting = desk.handed_in(desk.driver())
    desk.waits()
    trouble = desk.slurm.folder / "trouble"
    trouble.write_text(words)
    desk.slurm.before("squeue", f"[ -e {trouble} ] && echo x >> {trouble}-met && cat {trouble} >&2 && exit 1")
    wait_for(lambda: trouble.with_name("trouble-met").exists())
    trouble.unlink()
    desk.looks()
    assert not waiting.done()
    desk.answers(GOOD)
    assert waiting.result(LIMIT) == GOOD


def test_an_option_that_squeue_does_not_have_is_told_and_not_asked_again(desk: Desk) -> None:
    desk.slurm.before("squeue", "echo \"squeue: unrecognized option '--me'\" >&2; exit 1")
    assert "unrecognized option '--me'" in str(desk.handed_in(desk.driver()).result(LIMIT).error)


# -- answers that come between two looks -------------------------------------------------


def test_the_answer_of_a_job_that_has_ended_well_is_waited_for_where_nfs_shows_it_late(desk: Desk) -> None:
    waiting = desk.handed_in(desk.driver())
    desk.waits()
    desk.slurm.tell("1", state="COMPLETED")
    desk.looks(20)  # of which three are enough for a job that a node took with it
    assert not waiting.done()
    desk.answers(GOOD)
    assert waiting.result(LIMIT) == GOOD
    assert desk.entry.status == "succeeded"


@pytest.mark.parametrize("state", ["NODE_FAIL", "OUT_OF_MEMORY", "TIMEOUT", "BOOT_FAIL", "DEADLINE", "PREEMPTED"])
@pytest.mark.parametrize("accounts", [True, False])
def test_a_job_that_was_ended_from_outside_is_told_of_in_slurms_word(desk: Desk, state: str, accounts: bool) -> None:
    if not accounts:
        (desk.slurm.folder / "no-accounts").touch()
    waiting = desk.handed_in(desk.driver())
    desk.waits()
    desk.slurm.tell("1", state=state)
    told = waiting.result(LIMIT)
    assert f"The SLURM job 1 ended without an answer: {state}." in str(told.error)
    assert (desk.entry.status, desk.entry.error) == ("failed", state)


def test_an_account_that_calls_a_job_running_which_the_queue_has_forgotten_keeps_nobody_waiting(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "_LATE", 0.1)
    desk.slurm.before("squeue", 'case "$*" in *--jobs=*) echo "error: Invalid job id specified" >&2; exit 1;; esac')
    waiting = desk.handed_in(desk.driver())
    desk.waits()
    desk.slurm.tell("1", hidden=True, state="RUNNING")
    assert "it is not in the queue any more" in str(waiting.result(LIMIT).error)


def test_an_error_of_a_job_that_is_told_to_begin_again_is_not_its_last_word(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "_LATE", LIMIT)
    waiting = desk.handed_in(desk.driver())
    desk.waits()
    desk.answers(BAD)  # what the step made of SIGTERM, before its node was given to another
    for state in ("RUNNING", "COMPLETING", "REQUEUED", "PENDING", "RUNNING"):
        desk.slurm.tell("1", shown=state)
        wait_for(lambda state=state: desk.entry.status == state)
        desk.looks()
        assert not waiting.done()
    desk.answers(GOOD)
    assert waiting.result(LIMIT) == GOOD


def test_an_error_is_told_when_its_job_has_left_the_queue(desk: Desk) -> None:
    waiting = desk.handed_in(desk.driver())
    desk.waits()
    desk.answers(BAD)
    desk.slurm.tell("1", state="FAILED")
    assert waiting.result(LIMIT) == BAD
    assert (desk.entry.status, desk.entry.error) == ("failed", BAD.error)


def test_an_error_is_told_though_the_end_of_its_job_hangs(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "_LATE", 0.1)
    waiting = desk.handed_in(desk.driver())
    desk.waits()
    desk.answers(BAD)
    desk.slurm.tell("1", shown="COMPLETING")
    assert waiting.result(LIMIT) == BAD


def test_a_job_that_begins_again_after_it_had_finished_does_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job, answer = tmp_path / "job.json", tmp_path / "answer.json"
    job.write_text(JOB.dumps())
    answer.write_text(GOOD.dumps())
    assert one_step.main(["--once", str(job), str(answer)]) == 0
    assert Answer.loads(answer.read_bytes()) == GOOD
    for other in (BAD.dumps(), "{", '{"entry": {"outputs": []}}'):
        answer.write_text(other)
        assert one_step.main(["--once", str(job), str(answer)]) == 1
        assert "nor where they can be fetched" in str(Answer.loads(answer.read_bytes()).error)
    answer.write_text(GOOD.dumps())  # of another job, whose file it was
    assert one_step.main([str(job), str(answer)]) == 1
    assert "nor where they can be fetched" in str(Answer.loads(answer.read_bytes()).error)


# -- handing in --------------------------------------------------------------------------


def test_a_job_that_ended_before_sbatchs_lost_answer_was_missed_is_not_handed_in_again(desk: Desk) -> None:
    (desk.slurm.folder / "answers-lost").touch()
    desk.slurm.before(  # it waits for as long as nobody says that the job has ended
        "squeue", "d=$(dirname $0)/..; while [ -e $d/jobs/1.json ] && [ ! -e $d/ended ]; do sleep 0.02; done"
    )
    waiting = desk.handed_in(desk.driver())
    wait_for(lambda: desk.slurm.jobs() != [])
    desk.slurm.tell("1", state="COMPLETED")
    desk.answers(GOOD)
    (desk.slurm.folder / "ended").touch()
    assert waiting.result(LIMIT) == GOOD
    assert len(desk.slurm.jobs()) == 1


def test_a_job_that_arrives_after_its_sbatch_was_given_up_is_cancelled(desk: Desk) -> None:
    waiting = desk.handed_in(desk.driver())
    other = desk.handed_in(desk.driver())
    desk.waits()
    script = answer_file(desk.project, desk.entry.key, "script").with_suffix(".sh")
    late = ["sbatch", f"--job-name={desk.slurm.jobs()[0]['job_name']}", "--output=/dev/null", "--chdir=/", str(script)]
    subprocess.run(late, check=True, stdout=subprocess.DEVNULL)
    wait_for(lambda: states(desk.slurm) == ["PENDING", "CANCELLED"])
    desk.looks()
    assert states(desk.slurm) == ["PENDING", "CANCELLED"], "both drivers keep the same one"
    desk.answers(GOOD)
    assert {waiting.result(LIMIT).error, other.result(LIMIT).error} == {None}


@pytest.mark.parametrize("greeting", ["Welcome to the cluster!", "Your quota: 90 %\n\n  2 projects", "12 nodes"])
def test_what_a_cluster_says_beside_the_number_of_a_job_is_no_part_of_it(desk: Desk, greeting: str) -> None:
    (desk.slurm.folder / "greeting").write_text(greeting)
    desk.handed_in(desk.driver())
    desk.waits()
    assert desk.entry.job_id == "1"


def test_an_sbatch_that_names_no_job_is_looked_for(desk: Desk) -> None:
    desk.slurm.before("sbatch", "exec 3>&1", "exec >/dev/null")
    desk.handed_in(desk.driver())
    desk.waits()
    assert desk.entry.job_id == "1"
    assert len(desk.slurm.jobs()) == 1


def test_drivers_that_come_at_once_hand_in_one_job(desk: Desk) -> None:
    drivers = [desk.driver() for _ in range(5)]
    with ThreadPoolExecutor() as pool:
        waiting = list(pool.map(desk.handed_in, drivers))
    desk.waits()
    desk.looks(10)
    desk.answers(GOOD)
    answers = [each.result(LIMIT) for each in waiting]
    assert sorted(answer.adopted for answer in answers) == [False, True, True, True, True]
    assert len(desk.slurm.jobs()) == 1


def test_nothing_is_handed_in_after_the_run_was_interrupted(desk: Desk) -> None:
    driver = desk.driver()
    with one_at_a_time(desk.project):
        first, second = desk.handed_in(driver), desk.handed_in(driver, key="1" * 64)
        assert first.cancel()
        assert second.cancel()
    driver.shutdown()
    assert desk.slurm.jobs() == []
    assert desk.entries() == []


def test_a_run_that_ends_while_slurm_does_not_answer_hands_nothing_in_later(desk: Desk) -> None:
    (desk.slurm.folder / "down").touch()
    driver = desk.driver()
    waiting = desk.handed_in(driver)
    desk.looks(2)
    assert not waiting.done()
    driver.shutdown()
    (desk.slurm.folder / "down").unlink()
    assert desk.slurm.jobs() == []
    assert desk.entry.status == "submitting"
    desk.handed_in(desk.driver())
    desk.waits()
    assert len(desk.slurm.jobs()) == 1


def test_a_run_without_force_comes_back_to_a_job_that_was_forced(desk: Desk) -> None:
    desk.handed_in(desk.driver(), force=True, state="a run")
    desk.waits()
    other = desk.handed_in(desk.driver(), state="another run")
    desk.looks()
    desk.answers(GOOD)
    assert other.result(LIMIT).adopted
    assert len(desk.slurm.jobs()) == 1


def test_a_job_that_force_takes_the_place_of_is_ended(desk: Desk) -> None:
    first = desk.handed_in(desk.driver())
    desk.waits()
    desk.handed_in(desk.driver(), force=True, state="another run")
    wait_for(lambda: states(desk.slurm) == ["CANCELLED", "PENDING"])
    assert "CANCELLED" in str(first.result(LIMIT).error)
    wait_for(lambda: desk.entry.job_id == "2")
    assert desk.entry.earlier == ("1",)


# -- ending a job beside a run --------------------------------------------------------------


def test_a_job_that_succeeds_while_it_is_cancelled_is_not_called_cancelled(desk: Desk) -> None:
    waiting = desk.handed_in(desk.driver())
    desk.waits()
    entry = desk.entry
    written = answer_file(desk.project, entry.key, entry.attempt)
    (desk.slurm.folder / "good").write_text(GOOD.dumps())
    desk.slurm.before("scancel", f"cp {desk.slurm.folder / 'good'} {written}")
    assert jobs.cancel_job(desk.project, "1") == ("1", "succeeded")
    assert waiting.result(LIMIT) == GOOD
    assert desk.entry.status == "succeeded"


def test_a_job_that_is_forgotten_while_it_is_cancelled_is_no_error(desk: Desk) -> None:
    desk.handed_in(desk.driver())
    desk.waits()
    desk.slurm.before(
        "scancel", 'echo "scancel: error: Kill job error on job id 1: Invalid job id specified" >&2; exit 1'
    )
    assert jobs.cancel_job(desk.project, "1") == ("1", "cancelled")


def test_a_job_that_is_just_handed_in_is_cancelled_once_it_is_there(desk: Desk) -> None:
    gate = desk.slurm.folder / "gate"
    desk.slurm.before("sbatch", f"while [ ! -e {gate} ]; do sleep 0.02; done")
    waiting = desk.handed_in(desk.driver())
    wait_for(lambda: [each.status for each in desk.entries()] == ["submitting"])
    with ThreadPoolExecutor() as pool:
        ended = pool.submit(jobs.cancel_job, desk.project, desk.entry.key)
        gate.touch()
        assert ended.result(LIMIT) == ("1", "cancelled")
    assert states(desk.slurm) == ["CANCELLED"]
    assert "CANCELLED" in str(waiting.result(LIMIT).error)


def test_a_cancel_that_a_run_keeps_waiting_says_so(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "PATIENCE", 0.1)
    desk.handed_in(desk.driver())
    desk.waits()
    with one_at_a_time(desk.project), pytest.raises(BackendError, match="A run is handing in a job"):
        jobs.cancel_job(desk.project, "1")


# -- what ends the wait for all --------------------------------------------------------------


@pytest.mark.parametrize("said", ['{"entry": {"outputs": []}}', "[]", "3", "{", '{"entry": null, "notes": 3}'])
def test_an_answer_that_is_none_keeps_nobody_waiting(desk: Desk, said: str) -> None:
    waiting = desk.handed_in(desk.driver())
    desk.waits()
    answer_file(desk.project, desk.entry.key, desk.entry.attempt).write_text(said)
    desk.looks()
    assert not waiting.done()
    desk.slurm.tell("1", state="TIMEOUT")
    assert "TIMEOUT" in str(waiting.result(LIMIT).error)


def test_a_journal_that_cannot_be_written_is_told_and_the_job_goes_on(desk: Desk) -> None:
    first, second = desk.handed_in(driver := desk.driver()), desk.handed_in(driver, key="1" * 64)
    desk.waits(2)
    of_first = next(each for each in desk.entries() if each.step_key == "0" * 64)
    path = Journal.of(desk.project).folder / f"{of_first.key}.json"
    text = path.read_text()
    path.unlink()
    path.mkdir()
    desk.slurm.tell(str(of_first.job_id), shown="RUNNING")
    assert str(path) in str(first.result(LIMIT).error)
    assert not second.done()
    path.rmdir()
    path.write_text(text)
    again = desk.handed_in(desk.driver())
    desk.looks()
    desk.answers(GOOD, of_first)
    assert again.result(LIMIT).adopted
    assert len(desk.slurm.jobs()) == 2


def test_options_that_would_have_jobs_where_the_queue_is_not_asked_are_refused(desk: Desk) -> None:
    for option in ("--clusters=other", "--wait", "--test-only"):
        with pytest.raises(ConfigError, match="is set by MOTools"):
            execution.start(desk.project, [option])


# -- and all of it with a real step ------------------------------------------------------------


def test_a_preempted_job_whose_step_made_an_error_of_it_is_no_failure(project: Path, slurm: Slurm) -> None:
    chain = laid(project)
    chain.edit(
        "chain.py",
        "    time.sleep(config.pause)",
        "    if not LOG.with_name('again').exists():\n"
        "        import signal\n"
        "        def leave(*_):\n"
        "            raise RuntimeError('told to leave')\n"
        "        signal.signal(signal.SIGTERM, leave)\n"
        "        LOG.with_name('again').touch()\n"
        "        time.sleep(300)",
    )
    (project / ".gitignore").open("a").write("again\n")
    driver = chain.start("--on", "cluster", "--stages", "prepare")
    wait_for(lambda: chain.path("again").exists())
    slurm.preempt("1", politely=True)
    out, err = driver.communicate(timeout=LIMIT)
    assert driver.returncode == 0, out + err
    assert len(slurm.jobs()) == 1
    assert chain.executed() == ["dataset", "dataset"]
