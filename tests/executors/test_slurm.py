"""Steps as SLURM jobs: each is handed in once, whatever happens to who waits for it."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from chain import Chain, Done, holding
from fake_slurm import Slurm

from motools.base import yaml12
from motools.code.search_path import pipeline_folder
from motools.engine.cleanup import clean_up
from motools.execution import one_step
from motools.executors.job import Answer
from motools.training.journal import JobEntry, Journal

LIMIT = 300.0
"""Seconds after which a wait has failed."""


@pytest.fixture
def chain(project: Path) -> Chain:
    return laid(project)


def laid(project: Path, **settings: object) -> Chain:
    chain = Chain.lay_to_be_held(project)
    queue = {"kind": "slurm", "poll": 0.1, **settings}
    chain.path("motools.yaml").write_text(yaml12.dumps({"executors": {"cluster": queue}}))
    return chain


def wait_for(true: Callable[[], object]) -> None:
    limit = time.monotonic() + LIMIT
    while not true():
        assert time.monotonic() < limit, "it did not happen"
        time.sleep(0.02)


@contextmanager
def killed_while_a_job_runs(chain: Chain, slurm: Slurm, *options: str) -> Iterator[None]:
    """The run is killed whose job goes on, and does not end within."""
    with holding(chain, "dataset"):
        driver = chain.start("--on", "cluster", *options)
        wait_for(lambda: states(slurm) == ["RUNNING"])
        driver.kill()
        driver.communicate()
        yield


def come_back(chain: Chain, *options: str) -> subprocess.Popen[str]:
    """A run that has found the job of the one before it at work."""
    (entry,) = chain.path(".motools/jobs").glob("*.json")
    before = entry.stat()
    again = chain.start("--on", "cluster", "--json", *options)
    wait_for(lambda: entry.stat().st_mtime_ns > before.st_mtime_ns)
    return again


def end_of(driver: subprocess.Popen[str]) -> tuple[int, list[str], str]:
    """The exit code of a run, the statuses of its stages, and what it said as one line."""
    out, err = driver.communicate(timeout=LIMIT)
    return driver.returncode, [stage["status"] for stage in json.loads(out or "[]")], " ".join(err.split())


def jobs_listed(chain: Chain) -> list[dict[str, object]]:
    listed: list[dict[str, object]] = json.loads(chain.command("jobs", "list", "--json").out)
    return listed


def states(slurm: Slurm) -> list[str]:
    return [job["state"] for job in slurm.jobs()]


def test_a_pipeline_gives_there_what_it_gives_here(chain: Chain, slurm: Slurm) -> None:
    here = chain.run()
    assert chain.executed() == ["dataset", "model", "results"]
    there = chain.run("--on", "cluster", "--force")
    assert there.statuses == ["finished"] * 3
    assert there.ids == here.ids
    assert chain.executed() == ["dataset", "model", "results"]
    wait_for(lambda: states(slurm) == ["COMPLETED"] * 3)
    assert chain.run("--on", "cluster").statuses == ["current"] * 3
    assert len(slurm.jobs()) == 3
    assert [job["status"] for job in jobs_listed(chain)] == ["succeeded"] * 3
    assert chain.dvc_status() == {}
    assert chain.leftovers() == []


def test_the_run_after_one_that_was_killed_comes_back_to_its_job(chain: Chain, slurm: Slurm) -> None:
    with killed_while_a_job_runs(chain, slurm):
        again = come_back(chain)
    assert end_of(again)[:2] == (0, ["finished"] * 3)
    assert chain.executed() == ["dataset", "model", "results"]
    assert len(slurm.jobs()) == 3


def test_a_job_that_ended_while_nobody_waited_is_a_result(chain: Chain, slurm: Slurm) -> None:
    with killed_while_a_job_runs(chain, slurm, "--stages", "prepare"):
        pass
    wait_for(lambda: states(slurm) == ["COMPLETED"])
    assert chain.run("--stages", "prepare").statuses[0] == "restored"
    assert chain.executed() == ["dataset"]


def test_a_driver_that_is_killed_while_sbatch_is_at_work_leaves_one_job(chain: Chain, slurm: Slurm) -> None:
    with (slurm.folder / "lock").open("a") as held:  # no job is made as long as somebody else has it
        fcntl.flock(held, fcntl.LOCK_EX)
        driver = chain.start("--on", "cluster", "--stages", "prepare")
        wait_for(lambda: slurm.asked("sbatch"))
        driver.kill()
        driver.communicate()
        assert slurm.jobs() == []
    assert chain.run("--on", "cluster", "--stages", "prepare").statuses[0] in ("finished", "restored")
    assert len(slurm.jobs()) == 1
    assert chain.executed() == ["dataset"]


def test_a_job_that_ends_while_the_queue_is_asked_about_it_is_not_handed_in_again(chain: Chain, slurm: Slurm) -> None:
    with killed_while_a_job_runs(chain, slurm, "--stages", "prepare"):
        wait = "while grep -rqE 'PENDING|RUNNING' $(dirname $0)/../jobs; do sleep 0.05; done"
        slurm.before("squeue", "touch $0-is-asked", wait)
        again = chain.start("--on", "cluster", "--json", "--stages", "prepare")
        wait_for((slurm.bin / "squeue-is-asked").exists)
    code, statuses, said = end_of(again)
    assert (code, statuses[0]) == (0, "finished"), said
    assert len(slurm.jobs()) == 1
    assert chain.executed() == ["dataset"]


def test_a_job_of_older_code_is_no_result_of_the_present_one(chain: Chain, slurm: Slurm) -> None:
    with killed_while_a_job_runs(chain, slurm, "--stages", "prepare"):
        wait_for(lambda: chain.path("executed.log").exists())
        chain.edit("chain.py", "config.seed} {sorted", "config.seed} again {sorted")
        again = come_back(chain, "--stages", "prepare")
    code, _, said = end_of(again)
    assert code == 1
    assert "began before this changed: chain.py: make()" in said
    assert chain.run("--on", "cluster", "--stages", "prepare").statuses[0] == "finished"
    assert "again" in chain.path("atoms/dataset/data/part.txt").read_text()
    assert len(slurm.jobs()) == 2


def test_a_preempted_job_begins_again_under_its_id(chain: Chain, slurm: Slurm) -> None:
    with holding(chain, "dataset"):
        driver = chain.start("--on", "cluster", "--stages", "prepare")
        wait_for(lambda: chain.path("executed.log").exists())
        slurm.preempt("1")
        wait_for(lambda: slurm.jobs()[0]["restarts"])
    out, err = driver.communicate(timeout=LIMIT)
    assert driver.returncode == 0, out + err
    assert slurm.jobs()[0]["restarts"] == 1
    assert len(slurm.jobs()) == 1
    assert chain.executed() == ["dataset", "dataset"]


def test_a_job_whose_node_died_is_told_of_and_submitted_again_by_the_next_run(chain: Chain, slurm: Slurm) -> None:
    with holding(chain, "dataset"):
        driver = chain.start("--on", "cluster", "--stages", "prepare")
        wait_for(lambda: chain.path("executed.log").exists())
        slurm.lose("1")
        out, err = driver.communicate(timeout=LIMIT)
    assert driver.returncode == 1
    assert "NODE_FAIL" in out + err
    assert chain.run("--on", "cluster", "--stages", "prepare").statuses[0] == "finished"
    assert len(slurm.jobs()) == 2


def test_ctrl_c_leaves_the_job_and_says_how_to_end_it(chain: Chain, slurm: Slurm) -> None:
    with holding(chain, "dataset"):
        driver = chain.start("--on", "cluster", "--stages", "prepare")
        wait_for(lambda: states(slurm) == ["RUNNING"])
        driver.send_signal(signal.SIGINT)
        _, err = driver.communicate(timeout=LIMIT)
        assert driver.returncode == 130
        assert states(slurm) == ["RUNNING"]
        key = str(jobs_listed(chain)[0]["key"])
        assert f"motools jobs cancel {key[:12]}" in err
        shown = json.loads(chain.command("jobs", "show", key[:12], "--json").out)
        assert shown["provider"] == {"state": "RUNNING"}
        assert "1: cancelled" in chain.command("jobs", "cancel", key[:12]).out
        assert states(slurm) == ["CANCELLED"]


def test_the_log_of_a_job_is_followed_to_its_end_when_no_run_goes_on(chain: Chain, slurm: Slurm) -> None:
    chain.edit(
        "chain.py", "    time.sleep(config.pause)", "    print('begins'); time.sleep(config.pause); print('ends')"
    )
    chain.set("prepare", pause=2.0)
    with killed_while_a_job_runs(chain, slurm, "--stages", "prepare"):
        pass
    told = chain.command("log", "-f", "prepare", str(chain.folder))
    assert told.code == 0
    assert told.out.split() == ["begins", "ends"]
    assert states(slurm) == ["COMPLETED"]


def test_a_job_that_somebody_cancels_ends_the_wait(chain: Chain, slurm: Slurm) -> None:
    with holding(chain, "dataset"):
        driver = chain.start("--on", "cluster", "--stages", "prepare")
        wait_for(lambda: states(slurm) == ["RUNNING"])
        subprocess.run([slurm.bin / "scancel", "1"], check=True)
        out, err = driver.communicate(timeout=LIMIT)
    assert driver.returncode == 1
    assert "CANCELLED" in out + err


def test_while_slurm_does_not_answer_the_run_waits_and_says_so_once(chain: Chain, slurm: Slurm) -> None:
    with holding(chain, "dataset"):
        driver = chain.start("--on", "cluster", "--stages", "prepare")
        wait_for(lambda: states(slurm) == ["RUNNING"])
        (slurm.folder / "down").touch()
        asked = slurm.asked("squeue")
        wait_for(lambda: slurm.asked("squeue") > asked + 3)
        (slurm.folder / "down").unlink()
    _, err = driver.communicate(timeout=LIMIT)
    assert driver.returncode == 0
    assert err.count("Unable to contact slurm controller") == 1


def test_what_a_step_needs_is_asked_of_slurm_and_no_key_travels(
    project: Path, slurm: Slurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-" + "a" * 30)
    chain = laid(project, options=["--partition=gpu"], setup="export FROM_SETUP=1")
    chain.path("motools.yaml").write_text(
        chain.path("motools.yaml").read_text()
        + "run_on: {dataset: cluster}\nresources: {dataset: {cores: 3, gpu: 2, memory: 2 GiB, time: 90 min}}\n"
    )
    assert chain.run("--stages", "prepare").statuses[0] == "finished"
    (job,) = slurm.jobs()
    asked = {name: job[name] for name in ("cpus_per_task", "gpus", "mem", "time", "partition")}
    assert asked == {"cpus_per_task": "3", "gpus": "2", "mem": "2048M", "time": "90", "partition": "gpu"}
    assert "OPENAI_API_KEY" not in job["environment"]
    assert "sk-aaa" not in "".join(path.read_text() for path in chain.path(".motools").rglob("*.json"))


def test_a_env_that_git_brought_is_refused_on_the_node_in_the_jobs_answer(
    chain: Chain, slurm: Slurm, tmp_path: Path
) -> None:
    assert chain.run("--on", "cluster", "--stages", "prepare").code == 0
    (job,) = chain.path(".motools/queued").glob("*/job.json")
    chain.path(".env").write_text("OPENAI_BASE_URL=https://elsewhere.example/v1\n")
    subprocess.run(["git", "add", "-f", ".env"], cwd=chain.folder, check=True)
    assert one_step.main([str(job), str(tmp_path / "answer.json")]) == 1
    answer = Answer.loads((tmp_path / "answer.json").read_bytes())
    assert "OPENAI_BASE_URL" in str(answer.error)


@pytest.mark.parametrize(
    ("status", "days", "stays"),
    [
        ("succeeded", 0.5, True),
        ("succeeded", 2, False),
        ("failed", 2, True),
        ("failed", 40, False),
        ("RUNNING", 400, True),
        ("submitting", 400, True),
        (None, 400, True),
    ],
)
def test_what_a_job_has_left_is_removed_once_it_has_ended(
    project: Path, status: str | None, days: float, stays: bool
) -> None:
    place = pipeline_folder(project)
    if status is not None:
        Journal.of(place.project).write(JobEntry("k", "s", "prepare", ".", "", "SLURM", "", status=status))
    left = project / ".motools" / "queued" / "k"
    left.mkdir(parents=True)
    (left / "job.json").write_text("{}")
    then = time.time() - days * 24 * 3600
    os.utime(left, (then, then))
    with (left.parent / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # another run submits just now
        clean_up(place)
        assert left.exists()
    clean_up(place)
    assert left.exists() is stays


def sentence_of(chain: Chain, *words: str) -> Done:
    done = chain.run("--on", "cluster", *words)
    assert done.code in (1, 2)
    assert "Traceback" not in done.err
    return done


def test_what_slurm_refuses_is_told_in_its_own_words(project: Path, slurm: Slurm) -> None:
    chain = laid(project, options=["--partition=nowhere"])
    assert "invalid partition specified: nowhere" in sentence_of(chain, "--stages", "prepare").said
    assert slurm.jobs() == []
    assert [job["status"] for job in jobs_listed(chain)] == ["refused"]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"options": ["--wrap=ls"]}, "'--wrap=ls' of a SLURM executor is set by MOTools"),
        ({"options": ["partition"]}, "write it as --name=value"),
        ({"poll": 0}, "poll of a SLURM executor must be above 0"),
        ({"pol": 1}, "poll"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(
    project: Path, slurm: Slurm, settings: dict[str, object], says: str
) -> None:
    refused = sentence_of(laid(project, **settings))
    assert refused.code == 2
    assert says in refused.said
    assert slurm.jobs() == []


def test_where_there_is_no_slurm_a_sentence_says_so(chain: Chain) -> None:
    assert "There is no squeue here" in sentence_of(chain, "--stages", "prepare").said or os.environ["PATH"] == ""


@pytest.mark.long
def test_a_driver_that_is_killed_again_and_again_hands_in_each_step_once(chain: Chain, slurm: Slurm) -> None:
    chain.path("params.yaml").write_text(
        "workflow: chain.py:workflow\nsweep:\n  train.seed: [1, 2, 3, 4]\nprepare: {pause: 0.3}\ntrain: {pause: 0.3}\n"
    )
    for _ in range(3):
        before = len(slurm.jobs())
        driver = chain.start("--on", "cluster")
        wait_for(lambda before=before: len(slurm.jobs()) > before)
        driver.kill()
        driver.communicate()
    done = chain.run("--on", "cluster")
    assert done.code == 0, done.err
    assert sorted(chain.executed()) == ["dataset", *["model"] * 4, *["results"] * 4]
    assert len(slurm.jobs()) == 9
