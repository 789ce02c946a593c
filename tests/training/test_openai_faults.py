"""Every step of the protocol with every fault: after at most one more run there is one job, and a model of it.

Alone, `python tests/training/test_openai_faults.py` prints the table.
"""

from __future__ import annotations

import email.utils
import json
import math
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # where it is called alone

import pytest
from chain import descendants
from openai_scene import IMPATIENT, Done, Scene, kill_all
from openai_server import OpenAIServer, Refusal
from sampling import sample

from motools.base.too_many_requests import curable
from motools.errors import StepError
from motools.repo.settings import OpenAISettings
from motools.training.tries import Busy, Tries

STEPS = ["upload", "create", "poll", "events", "checkpoints", "content"]
FAULTS = ["500", "429", "drop_before", "drop_after", "silence", "malformed", "kill before", "kill after"]
AT_ONCE = 8  # most of a case is waiting


@dataclass(frozen=True)
class Case:
    """What became of a fault: how often we ran, what there was then, and how long it took."""

    step: str
    fault: str
    runs: int
    code: int
    jobs: int
    files: int
    creates: int
    seconds: float
    said: str

    @property
    def good(self) -> bool:
        return (self.code, self.jobs, self.files) == (0, 1, 1) and self.runs <= 2

    def row(self) -> str:
        verdict = "ok" if self.good else "BAD"
        counts = f"{self.runs:4} {self.jobs:4} {self.files:5} {self.creates:7} {self.seconds:7.1f}"
        return f"{self.step:12} {self.fault:12} {counts}  {verdict}"


HEAD = f"{'step':12} {'fault':12} runs jobs files creates seconds"


def try_out(scene: Scene, step: Any, fault: str, whole: bool) -> Case:
    """Training meets a fault, and is tried once more where that ended it: as a whole run, or as the step alone."""
    server, started = scene.server, time.monotonic()
    kind, _, when = fault.partition(" ")
    if kind == "silence":
        (scene.folder / "motools.yaml").write_text(IMPATIENT)
    process: list[subprocess.Popen[str]] = []
    if kind == "kill":
        kill = (lambda _: kill_all(process[0].pid)) if whole else (lambda _: scene.kill_training())
        server.hook(step, when, kill)  # type: ignore[arg-type]
    else:
        server.fault(step, kind, retry_after=0.5)  # type: ignore[arg-type]
    if whole:
        process.append(scene.start("run", "--stages", "train_model"))
        out, err = process[0].communicate(timeout=300)
        done = Done(process[0].returncode, out, err)
    else:
        done = scene.train()
    runs, said = 1, done.out + done.err
    if done.code != 0:
        done = scene.call("run", "--stages", "train_model") if whole else scene.train()
        runs, said = 2, said + done.out + done.err
    code, made = done.code, [job for job in server.jobs.values() if job.status not in ("failed", "cancelled")]
    sent = [file for file in server.files.values() if file.purpose == "fine-tune"]
    model = (scene.model() if whole else scene.trained()) if code == 0 else {}
    if code == 0 and (not made or model["model_id"] != made[0].fine_tuned_model):
        code = -1
    seconds = time.monotonic() - started
    return Case(step, fault, runs, code, len(server.jobs), len(sent), server.count("create"), seconds, said)


def matrix(template: Path, folder: Path, cases: list[tuple[str, str]], whole: bool) -> list[Case]:
    """Try the cases out, several at once, each in a copy of a project that only has to train."""

    def one(case: tuple[str, str]) -> Case:
        with OpenAIServer(polls=2) as server:
            scene = Scene(template, server).copy(folder / "-".join(case).replace(" ", "-"))
            return try_out(scene, *case, whole)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(one, cases))


def prepared(folder: Path) -> Path:
    """A project whose dataset is prepared."""
    with OpenAIServer() as server:
        done = Scene.lay(folder, server).call("run", "--stages", "prepare_dataset")
    assert done.code == 0, done.err
    return folder


EVERY = [(step, fault) for step in STEPS for fault in FAULTS]
WHOLE_RUNS = sample(EVERY, 3)


@pytest.mark.parametrize("whole", [False, True], ids=["the step", "whole runs"])
def test_no_fault_of_the_server_or_of_ours_loses_doubles_or_misreports_a_job(
    new_project: Callable[[str], Path], tmp_path: Path, whole: bool
) -> None:
    started = time.monotonic()
    if whole:
        template, cases = prepared(new_project("template")), WHOLE_RUNS
    else:
        template, cases = new_project("template"), EVERY
        with OpenAIServer() as server:
            Scene.lay(template, server)
    tried = matrix(template, tmp_path, cases, whole)
    print(f"\n{HEAD}", *(case.row() for case in tried), f"in {time.monotonic() - started:.0f} s", sep="\n")
    assert [f"{case.row()}\n{case.said}" for case in tried if not case.good] == []


def test_a_lost_reply_is_looked_for_before_the_request_is_sent_again(project: Path) -> None:
    for step, fault in [("create", "drop_after"), ("upload", "malformed"), ("create", "silence")]:
        with OpenAIServer(polls=1) as server:
            (project / f"{step}-{fault}").mkdir()
            scene = Scene.lay(project, server, suffix=f"{step}-{fault}")
            scene.write_rows([{"messages": [{"role": "assistant", "content": f"{fault} {n}"}]} for n in range(10)])
            if fault == "silence":
                (project / "motools.yaml").write_text(IMPATIENT)
            server.fault(step, fault)  # type: ignore[arg-type]
            assert scene.train().code == 0
            assert (server.count("create"), server.count("upload")) == (1, 1)


def test_a_lost_job_that_the_list_does_not_show_at_once_is_waited_for(project: Path) -> None:
    with OpenAIServer(polls=1) as server:
        hidden: dict[str, Any] = {}

        def hide(_: Any) -> None:
            hidden.update(server.jobs)
            server.jobs.clear()

        def show(_: Any) -> None:
            server.jobs.update(hidden)

        def lag(_: Any) -> None:
            for when, call in (("before", hide), ("after", show)):
                server.hook("jobs", when, call, times=2)  # type: ignore[arg-type]

        scene = Scene.lay(project, server)
        server.hook("create", "after", lag)
        server.fault("create", "drop_after")
        assert scene.train().code == 0
        assert (len(server.jobs), server.count("create")) == (1, 1)


def test_a_job_that_is_made_long_after_its_request_was_given_up_is_cancelled(project: Path) -> None:
    with OpenAIServer(seconds=4) as server:
        scene = Scene.lay(project, server)
        (project / "motools.yaml").write_text(IMPATIENT)
        asked_again = threading.Event()  # we wait for 2 s, then look, then ask again
        server.hook("create", "before", lambda _: asked_again.wait(300))
        server.hook("create", "after", lambda _: asked_again.set())
        assert scene.train().code == 0
        assert server.count("create") == 2
        assert sorted(job.status for job in server.jobs.values()) == ["cancelled", "succeeded"]
        assert "is one too many" in scene.log()


def test_a_server_that_asks_to_come_back_at_once_is_not_overrun(project: Path) -> None:
    with OpenAIServer(polls=1) as server:
        scene = Scene.lay(project, server)
        (project / "motools.yaml").write_text("openai: {poll_interval: 0.2, max_poll_interval: 1, patience: 2}\n")
        server.fault("create", "429", times=1000, retry_after=0)
        done = scene.train()
        assert done.code == 1
        assert "too many requests" in done.err
        assert server.count("create") < 8
        assert server.jobs == {}


def refuse(status: int, message: str, code: str | None, **headers: str) -> Callable[[Any], None]:
    def call(_: Any) -> None:
        raise Refusal(status, message, code=code, headers={n.replace("_", "-"): text for n, text in headers.items()})

    return call


def test_an_account_without_money_is_told_at_once_and_not_asked_again(project: Path) -> None:
    with OpenAIServer(polls=1) as server:
        scene = Scene.lay(project, server)
        server.hook("create", "before", refuse(429, "You exceeded your current quota.", "insufficient_quota"))
        done = scene.train()
        assert done.code == 1
        assert "refused (429): You exceeded your current quota." in done.err
        assert server.count("create") == 1
        assert scene.train().code == 0


INCURABLE = [
    (429, "billing_hard_limit_reached", "Billing hard limit has been reached."),
    (429, "daily_rate_limit_exceeded", "Your organization has reached the maximum of 8 fine-tuning requests per day."),
    (429, None, "Your account is not active, please check your billing details on our website."),
    (429, "rate_limit_exceeded", "You have run out of credits."),
    (402, "payment_required", "Add a payment method."),
    (403, "training_not_allowed", "Fine-tuning is closed to new organizations."),
    (401, "account_deactivated", "This account has been deactivated."),
    (404, "model_not_found", "The model gpt-4o-mini does not exist, or is not yours."),
    (400, "invalid_request", "Fine-tuning is winding down."),
]


@pytest.mark.parametrize(("status", "code", "words"), INCURABLE)
def test_what_waiting_cannot_cure_is_told_at_once_in_the_providers_own_words(
    status: int, code: str, words: str, project: Path
) -> None:
    with OpenAIServer(polls=1) as server:
        scene = Scene.lay(project, server)
        server.hook("create", "before", refuse(status, words, code), 99)
        done = scene.train()
        assert done.code == 1
        assert f"refused ({status}): {words}" in done.err
        assert server.count("create") == 1


CURABLE = [
    ("rate_limit_exceeded", "Rate limit reached on requests per day (RPD): Limit 9, Used 9. Please try again in 0.5s."),
    ("rate_limit_exceeded", "Rate limit reached on requests per min. Please try again in 500ms. You can increase your "
     "rate limit by adding a payment method at https://example.org/account/billing."),
    ("daily_rate_limit_exceeded", "Your organization has reached the maximum of 3 running jobs."),
    (None, "Quota exceeded: 10 requests per minute."),
    (None, "slow down"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "words"), CURABLE)
def test_what_waiting_cures_is_waited_for(code: str, words: str, project: Path) -> None:
    with OpenAIServer(polls=1) as server:
        scene = Scene.lay(project, server)
        server.hook("create", "before", refuse(429, words, code), 2)
        done = scene.train()
        assert done.code == 0, done.err
        assert server.count("create") == 3


def test_what_was_waited_for_in_vain_is_told_in_the_providers_own_words(project: Path) -> None:
    with OpenAIServer(polls=1) as server:
        scene = Scene.lay(project, server)
        (project / "motools.yaml").write_text("openai: {poll_interval: 0.2, patience: 1}\n")
        server.hook("create", "before", refuse(429, "The engine is overloaded, slow down.", "busy"), 99)
        done = scene.train()
        assert done.code == 1
        assert "while creating the job (too many requests: The engine is overloaded, slow down.)" in done.err


@pytest.mark.parametrize("words", ["You may have two fine-tuning jobs at a time.", "Come back later."])
def test_a_training_waits_for_a_place_as_long_as_jobs_of_the_account_go_on(words: str, project: Path) -> None:
    with OpenAIServer(seconds=4) as server:

        def full(_: Any) -> None:
            if any(job.status not in ("succeeded", "failed", "cancelled") for job in server.jobs.values()):
                raise Refusal(429, words, code="rate_limit_exceeded")

        scene = Scene.lay(project, server)
        (project / "motools.yaml").write_text("openai: {poll_interval: 0.1, max_poll_interval: 0.3, patience: 1}\n")
        server.hook("create", "before", full, 999)
        other = scene.copy(project.with_name("clone"))
        other.configure(suffix="other")
        with ThreadPoolExecutor() as pool:
            both = list(pool.map(Scene.train, (scene, other)))
        assert [done.code for done in both] == [0, 0], both
        assert [job.status for job in server.jobs.values()] == ["succeeded", "succeeded"]


def test_a_pause_that_is_asked_for_as_a_date_is_kept(project: Path) -> None:
    with OpenAIServer(polls=1) as server:
        scene = Scene.lay(project, server)
        then = int(time.time()) + 4
        date = email.utils.formatdate(then, usegmt=True)
        server.hook("upload", "before", refuse(429, "slow down", "rate_limit_exceeded", Retry_After=date))
        assert scene.train().code == 0
        assert time.time() >= then
        assert server.count("upload") == 2


def test_sigkill_of_the_whole_process_group_while_a_job_runs_costs_nothing(project: Path) -> None:
    with OpenAIServer(polls=4) as server:
        scene = Scene.lay(project, server)
        groups: list[int] = []

        def kill(_: Any) -> None:
            for pid in [process.pid, *descendants(process.pid)]:
                with suppress(ProcessLookupError):  # it has ended with another one
                    groups.append(os.getpgid(pid))
                    os.killpg(groups[-1], 9)

        server.hook("poll", "after", kill)
        process = scene.start("run")
        process.communicate(timeout=300)
        assert process.returncode == -9
        assert groups
        assert scene.run().code == 0
        assert len(server.jobs) == server.count("create") == server.count("upload") == 1


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run(["motools", "init", str(folder / "template")], check=True, stdout=subprocess.DEVNULL)
        started = time.monotonic()
        print(HEAD, flush=True)
        for case in matrix(prepared(folder / "template"), folder, EVERY, whole=True):
            print(case.row(), flush=True)
        print(f"in {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()


def test_a_pause_that_is_asked_for_in_odd_words_is_none() -> None:
    for said in ("Wed, 21 Oct 99999 07:28:00 GMT", "nan", "soon", "Thu, 99 Foo 2026 99:99:99 GMT", "1e400"):
        error = SimpleNamespace(response=SimpleNamespace(headers={"retry-after": said}))
        assert curable(error, "slow down; try again in ...s") in (None, math.inf)


def test_while_jobs_go_on_no_pause_is_longer_than_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    tries = Tries("server", OpenAISettings(patience=8.0), "creating the job")
    for wait in (math.inf, 1e12, 3.0):
        tries.wait(Busy(wait, "the maximum of 3 running jobs"), "", "waiting for a place")
    assert slept == [8.0, 8.0, 4.0]


def test_patience_begins_when_there_is_nothing_to_wait_for_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """The job of which the account has too many ends after a request was refused for it, and before it is looked at."""
    monkeypatch.setattr("motools.training.tries.time", SimpleNamespace(monotonic=lambda: now, sleep=lambda _: None))
    tries, busy, now = Tries("server", OpenAISettings(patience=8.0), "creating the job"), Busy(1.0, "too many"), 0.0
    tries.wait(busy, "", "waiting for a place")
    now = 60.0
    tries.wait(busy, "")
    now = 62.0
    tries.wait(busy, "")
    now = 68.0
    with pytest.raises(StepError, match="with a patience of 8 s"):
        tries.wait(busy, "")


@pytest.mark.parametrize(
    ("error", "said"), [("no more capacity today", "no more capacity today"), (["bad", 3], '["bad", 3]')]
)
def test_an_error_of_a_job_that_is_no_object_is_shown_as_it_is(project: Path, error: Any, said: str) -> None:
    with OpenAIServer(polls=2) as server:

        def fail(_: Any) -> None:
            (job,) = server.jobs.values()
            job.status, job.error, job.finished_at = "failed", error, int(time.time())

        scene = Scene.lay(project, server)
        server.hook("poll", "before", fail)
        done = scene.train()
        assert done.code == 1
        assert f"failed at 127.0.0.1 ({said}). `motools run` starts a new one." in done.err
        assert server.count("create") == 1
        listed = json.loads(scene.call("jobs", "list", "--json").out)
        assert [job["error"] for job in listed] == [said]
