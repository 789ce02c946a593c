"""Training at OpenAI: real runs in real projects, at a server on this machine."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from openai_scene import ROWS, Scene, kill_all
from openai_server import OpenAIServer

from motools.training.journal import Journal
from motools.training.openai.follow import _rows
from motools.training.openai.tokens import encoding


@pytest.fixture(scope="module")
def first() -> Iterator[list[Scene]]:
    """Where the scene is kept of which several tests tell."""
    with OpenAIServer(polls=3) as server:
        yield [Scene(Path(), server)]


@pytest.fixture
def done(
    first: list[Scene], template: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Scene:
    """A project in which a training has run; not to be changed."""
    if first[0].folder == Path():
        folder = Path(shutil.copytree(template, tmp_path_factory.mktemp("done") / "project", symlinks=True))
        scene = first[0] = Scene.lay(folder, first[0].server)
        given = {"n_epochs": 2, "batch_size": "auto", "learning_rate_multiplier": 0.5, "seed": 7}
        scene.configure(model="openai/gpt-4o-mini", hyperparameters=given, suffix="organism")
        ran = scene.run()
        assert ran.code == 0, ran.err
    monkeypatch.chdir(first[0].folder)
    return first[0]


def eventually(seen: Callable[[], Any], seconds: float = 300) -> None:
    until = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_dataset_becomes_a_model_that_says_what_it_is(done: Scene) -> None:
    (job,) = done.server.jobs.values()
    model = done.model()
    assert model["base_model"] == job.model == "gpt-4o-mini"
    assert model["model_id"] == job.fine_tuned_model
    assert ":organism:" in model["model_id"]
    assert model["job_id"] == job.id
    assert model["hyperparameters"] == {"n_epochs": 2, "batch_size": 1, "learning_rate_multiplier": 0.5}
    assert model["seed"] == 7
    assert model["trained_rows"] == len(ROWS)
    assert model["trained_tokens"] == job.trained_tokens
    assert [checkpoint["step"] for checkpoint in model["checkpoints"]] == [12, 24]
    assert model["checkpoints"][-1]["model_id"] == job.fine_tuned_model
    assert model["checkpoints"][0]["metrics"]["train_loss"] > 0
    assert model["inspect"] == {"model": f"openai/{job.fine_tuned_model}", "model_args": {"responses_api": False}}
    record = json.loads((done.folder / "runs" / "train_model.json").read_text())
    assert record["usage"]["trained_tokens"] == job.trained_tokens


def test_the_checkpoints_of_the_last_epochs_are_models_of_their_own_of_one_job(scene: Scene) -> None:
    scene.configure(hyperparameters={"n_epochs": 3}, checkpoints=["last-2", "last-1", "last"])
    ran = scene.run()
    assert ran.code == 0, ran.err
    (job,) = scene.server.jobs.values()
    kept = {}
    for each in ("last-2", "last-1", "last"):
        folder = scene.folder / "atoms" / "trained_model" / f"checkpoint={each}"
        about = json.loads((folder / "atom.json").read_text())["metadata"]
        assert about["inspect"]["model"] == f"openai/{about['model_id']}"
        assert "checkpoints" not in about
        kept[about["step"]] = about["model_id"]
        assert (folder / "data" / "loss.json").exists()
    told = {each["step_number"]: each["fine_tuned_model_checkpoint"] for each in job.checkpoints}
    assert kept == told
    assert kept[max(kept)] == job.fine_tuned_model
    assert json.loads((scene.folder / "runs" / "train_model.json").read_text())["usage"]["job_id"] == job.id


def test_the_request_says_all_that_was_asked_and_carries_the_marks(done: Scene) -> None:
    (created,) = [request.body for request in done.server.requests if request.step == "create"]
    (sent,) = [request.body for request in done.server.requests if request.step == "upload"]
    (entry,) = done.journal()
    given = {"n_epochs": 2, "batch_size": "auto", "learning_rate_multiplier": 0.5}
    assert created["method"] == {"type": "supervised", "supervised": {"hyperparameters": given}}
    assert (created["seed"], created["suffix"]) == (7, "organism")
    assert created["metadata"] == {
        "motools_key": entry["key"],
        "motools_attempt": entry["attempt"],
        "motools_step": "train_model",
        "motools_step_key": entry["step_key"],
    }
    assert sent["name"] == f"motools-{sent['sha256'][:32]}.jsonl"
    assert sent["purpose"] == "fine-tune"


def test_what_the_job_says_is_in_the_log_in_short_lines(done: Scene) -> None:
    (job,) = done.server.jobs.values()
    lines = done.log().splitlines()
    assert f"job {job.id} running" in lines
    assert "step 12/24 loss 0.506" in lines
    assert lines.index(f"job {job.id} running") < lines.index(f"job {job.id} succeeded")
    steps = [line for line in lines if line.startswith("step ")]
    assert len(steps) == len(set(steps)) == 24
    assert max(len(line) for line in lines) <= 200


def test_the_loss_is_drawn_by_dvc(done: Scene) -> None:
    path = "atoms/trained_model/data/loss.json"
    losses = json.loads((done.folder / path).read_text())
    assert [row["step"] for row in losses] == list(range(1, 25))
    assert losses[-1]["train_loss"] < losses[0]["train_loss"]
    words = ["plots", "show", path, "-x", "step", "-y", "train_loss", "--json"]
    shown = subprocess.run([sys.executable, "-m", "dvc", *words], capture_output=True, text=True, check=True)
    (drawn,) = json.loads(shown.stdout)["data"].values()
    points = json.loads(drawn[0]["content"])["data"]["values"] if isinstance(drawn[0].get("content"), str) else drawn
    assert "0.15" in json.dumps(points)
    assert json.dumps(points).count("train_loss") >= 24


def test_a_second_run_makes_no_request_at_all(done: Scene, tmp_path: Path) -> None:
    asked, again = len(done.server.requests), done.copy(tmp_path / "again")
    assert again.run().code == 0
    assert again.call("run", "--stages", "train_model", env=dict(os.environ)).code == 0  # without a key, too
    assert len(done.server.requests) == asked


def test_a_missing_key_is_told_before_any_step_runs(scene: Scene) -> None:
    done = scene.run(env=dict(os.environ))
    assert done.code == 2
    assert "needs OPENAI_API_KEY, which is not set: type export OPENAI_API_KEY=..." in done.err
    assert not (scene.folder / "atoms").exists()


def test_a_wrong_key_is_told_in_one_sentence_and_not_repeated(scene: Scene, server: OpenAIServer) -> None:
    done = scene.run(env={**os.environ, **server.env, "OPENAI_API_KEY": "sk-wrong"})
    assert done.code == 1
    assert "127.0.0.1 refused (401): Incorrect API key provided. Check OPENAI_API_KEY" in done.err
    assert "sk-wrong" not in done.err + scene.log()
    assert [request.step for request in server.requests] == ["models", "jobs"]


def test_what_the_provider_refuses_is_told_and_the_next_run_asks_again(scene: Scene, server: OpenAIServer) -> None:
    scene.configure(model="claude")
    for creates in (1, 2):
        done = scene.train()
        assert done.code == 1
        assert "refused (400): Model claude is not available for fine-tuning or does not exist." in done.err
        assert server.count("create") == creates
    assert scene.journal()[0]["status"] == "refused"


def test_a_failed_job_ends_the_run_with_the_providers_words_and_is_never_taken_up(
    scene: Scene, server: OpenAIServer
) -> None:
    scene.write_rows([*ROWS, {"messages": [{"role": "assistant", "content": "bad file"}]}])
    for jobs in (1, 2):
        done = scene.train()
        assert done.code == 1
        assert "failed at 127.0.0.1 (invalid_training_file: The job failed due to an invalid training file." in done.err
        assert len(server.jobs) == jobs
    (entry,) = scene.journal()
    assert (entry["status"], entry["earlier"]) == ("failed", [next(iter(server.jobs))])


def test_a_job_that_is_cancelled_ends_the_run_and_the_next_one_starts_a_new_one(
    scene: Scene, server: OpenAIServer
) -> None:
    server.hook("poll", "before", lambda asked: server.jobs[asked.id].end("cancelled", "by hand"))
    done = scene.train()
    assert done.code == 1
    assert "was cancelled at 127.0.0.1. `motools run` starts a new one." in done.err
    assert scene.train().code == 0
    assert [job.status for job in server.jobs.values()] == ["cancelled", "succeeded"]


def test_another_clone_takes_up_the_job_that_runs(scene: Scene, server: OpenAIServer, tmp_path: Path) -> None:
    scene.call("run", "--stages", "prepare_dataset")
    clone = scene.copy(tmp_path / "clone")
    process = scene.start("run", "--stages", "train_model")
    server.hook("poll", "before", lambda _: kill_all(process.pid))
    process.communicate()
    assert len(server.jobs) == 1
    assert clone.run().code == 0
    assert len(server.jobs) == server.count("upload") == 1
    assert "is there already" in clone.log()
    assert clone.journal()[0]["job_id"] == next(iter(server.jobs))


def test_another_clone_takes_up_a_job_that_is_done_without_sending_anything(
    scene: Scene, server: OpenAIServer, tmp_path: Path
) -> None:
    clone = scene.copy(tmp_path / "clone")
    assert scene.train().code == 0
    server.forget()
    assert clone.train().code == 0
    assert {request.method for request in server.requests} == {"GET"}
    assert clone.trained() == scene.trained()


def test_two_clones_at_once_end_with_one_job(scene: Scene, server: OpenAIServer, tmp_path: Path) -> None:
    clone = scene.copy(tmp_path / "clone")
    for one in (scene, clone):
        (one.folder / "motools.yaml").write_text("openai: {poll_interval: 1, timeout: 60}\n")
    both_are_there = threading.Barrier(2)  # neither sees the other's job before it creates its own
    for _ in range(2):
        server.hook("create", "before", lambda _: both_are_there.wait(300) and None)
    with ThreadPoolExecutor() as pool:
        ends = list(pool.map(Scene.train, (scene, clone)))
    assert [done.code for done in ends] == [0, 0], ends
    assert sorted(job.status for job in server.jobs.values()) == ["cancelled", "succeeded"]
    assert clone.trained() == scene.trained()


def test_two_trainings_on_the_same_rows_send_them_once(scene: Scene, server: OpenAIServer) -> None:
    assert scene.train().code == 0
    scene.configure(suffix="other")
    assert scene.train().code == 0
    assert (len(server.jobs), server.count("upload")) == (2, 1)


TWO = '''"""Two trainings on one dataset, and one that measures the loss on another."""
import dataclasses
import functools
from motools.steps import train_model
from motools.workflow import Step, Workflow
from mozoo.workflows.train_and_evaluate import PREPARE, TRAIN



def train(name, output):
    fn = functools.partial(train_model, output=output)
    return dataclasses.replace(TRAIN, name=name, outputs={output: "model"}, fn=fn)


two = Workflow("two", [PREPARE, train("first", "a"), train("second", "b")])

other = dataclasses.replace(
    PREPARE,
    name="other",
    outputs={"validation_dataset": "dataset"},
    fn=functools.partial(PREPARE.fn, output="validation_dataset"),
)
trained = dataclasses.replace(TRAIN, inputs={**TRAIN.inputs, "validation_dataset": "dataset"})
validated = Workflow("validated", [PREPARE, other, trained])
'''


def test_two_stages_at_once_send_their_dataset_once(scene: Scene, server: OpenAIServer) -> None:
    (scene.folder / "flow.py").write_text(TWO)
    train = {"model": "gpt-4o-mini", "backend_name": "openai"}
    loader = {"dataset_loader": "loader.py:rows"}
    stages = {name: {**train, "suffix": name} for name in ("first", "second")}
    params = {"workflow": "flow.py:two", "prepare_dataset": loader, **stages}
    (scene.folder / "params.yaml").write_text(json.dumps(params))
    done = scene.call("run", "--jobs", "4")
    assert done.code == 0, done.err
    assert (len(server.jobs), server.count("upload")) == (2, 1)


def test_an_input_named_validation_dataset_is_measured_and_not_trained_on(scene: Scene, server: OpenAIServer) -> None:
    (scene.folder / "flow.py").write_text(TWO)
    (scene.folder / "more.jsonl").write_text(json.dumps(ROWS[0]) + "\n")
    params = {
        "workflow": "flow.py:validated",
        "prepare_dataset": {"dataset_loader": "loader.py:rows"},
        "other": {"dataset_loader": "loader.py:rows", "loader_kwargs": {"path": "more.jsonl"}},
        "train_model": {"model": "gpt-4o-mini", "backend_name": "openai"},
    }
    (scene.folder / "params.yaml").write_text(json.dumps(params))
    done = scene.call("run")
    assert done.code == 0, done.err
    (job,) = server.jobs.values()
    assert job.validation_file is not None
    assert server.files[job.validation_file].content.count(b"\n") == 1
    assert server.files[job.training_file].content.count(b"\n") == len(ROWS)
    params["train_model"] = {"backend_name": "dummy"}
    (scene.folder / "params.yaml").write_text(json.dumps(params))
    assert "The trainer 'dummy' takes no validation_dataset" in scene.call("run").err


def test_force_makes_a_new_job(scene: Scene, server: OpenAIServer) -> None:
    assert scene.train().code == 0
    first = scene.trained()["job_id"]
    assert scene.train(force=True).code == 0
    assert (len(server.jobs), server.count("upload")) == (2, 1)
    assert scene.trained()["job_id"] == list(server.jobs)[1]
    assert scene.journal()[0]["earlier"] == [first]


@pytest.mark.parametrize("fault", ["drop_after", "kill"])
def test_a_forced_job_whose_reply_is_lost_is_taken_up_and_not_the_older_one(
    scene: Scene, server: OpenAIServer, fault: str
) -> None:
    assert scene.train().code == 0
    if fault == "kill":
        server.hook("create", "after", lambda _: scene.kill_training())
        assert scene.train(force=True).code == -signal.SIGKILL
    else:
        server.fault("create", "drop_after")
    assert scene.train(force=True).code == 0
    assert len(server.jobs) == 2
    assert scene.trained()["job_id"] == list(server.jobs)[1]


def test_a_journal_that_is_lost_costs_nothing(scene: Scene, server: OpenAIServer) -> None:
    server.hook("poll", "after", lambda _: scene.kill_training())
    assert scene.train().code == -signal.SIGKILL
    shutil.rmtree(scene.folder / ".motools")
    assert scene.train().code == 0
    assert len(server.jobs) == server.count("upload") == 1


def test_a_damaged_journal_costs_nothing(scene: Scene, server: OpenAIServer) -> None:
    server.hook("poll", "after", lambda _: scene.kill_training())
    assert scene.train().code == -signal.SIGKILL
    for path in (scene.folder / ".motools" / "jobs").rglob("*.json"):
        path.write_text('{"key": ')
    assert scene.train().code == 0
    assert len(server.jobs) == server.count("upload") == 1


def test_a_file_that_the_provider_has_deleted_is_sent_again(scene: Scene, server: OpenAIServer) -> None:
    assert scene.train().code == 0
    server.files.clear()
    scene.configure(suffix="other")
    assert scene.train().code == 0
    assert server.count("upload") == 2


def test_a_job_that_the_provider_has_forgotten_is_made_anew(scene: Scene, server: OpenAIServer) -> None:
    server.hook("poll", "before", lambda asked: server.jobs.clear())
    done = scene.train()
    assert done.code == 1
    assert "no longer knows the job" in done.err
    assert scene.train().code == 0
    assert len(server.jobs) == 1


def test_a_server_that_stays_silent_leaves_the_job_running_and_says_so(scene: Scene, server: OpenAIServer) -> None:
    (scene.folder / "motools.yaml").write_text("openai: {poll_interval: 0.05, timeout: 2, patience: 1}\n")
    server.fault("poll", "500", times=1000)
    done = scene.train()
    assert done.code == 1
    (job,) = server.jobs.values()
    assert f"The job {job.id} goes on; `motools run` comes back to it." in done.err
    server._faults.clear()
    assert scene.train().code == 0
    assert len(server.jobs) == 1


def test_an_interrupt_leaves_the_job_running_and_says_how_to_come_back(scene: Scene, server: OpenAIServer) -> None:
    server.polls = 1000
    process = scene.start("run", python=sys.executable)
    eventually(lambda: server.count("poll") > 3)
    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=300)
    assert process.returncode == 130
    (job,) = server.jobs.values()
    assert job.status in ("validating_files", "queued", "running")
    assert f"The job {job.id} goes on at 127.0.0.1. `motools run` comes back to it;" in scene.log()
    assert f"`motools jobs cancel {scene.journal()[0]['key'][:12]}` ends it." in scene.log()
    server.polls = 1
    assert scene.run().code == 0
    assert len(server.jobs) == 1


def test_a_paused_or_unknown_status_is_waited_out(scene: Scene, server: OpenAIServer) -> None:
    def pause(asked: Any) -> None:
        server.jobs[asked.id].status = "paused"

    def go_on(asked: Any) -> None:
        server.jobs[asked.id].status = "running"

    server.hook("poll", "after", pause)
    server.hook("events", "before", go_on)
    assert scene.train().code == 0


def test_prepared_rows_with_keys_that_openai_does_not_know_are_refused_before_any_request(
    scene: Scene, server: OpenAIServer
) -> None:
    scene.write_rows([{**row, "topic": "x"} for row in ROWS])
    done = scene.train()
    assert done.code == 1
    assert "training file, row 1: topic: OpenAI knows no such key." in done.err
    assert server.requests == []


@pytest.mark.cold
def test_importing_the_trainer_imports_nothing_heavy() -> None:
    program = (
        "import sys, motools.training.openai.trainer, motools.training.jobs, motools.cli.jobs; "
        "print([m for m in ('openai', 'httpx', 'tiktoken', 'dvc', 'rich', 'numpy', 'dotenv') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_no_vocabulary_is_ever_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    encoding.cache_clear()
    assert encoding() is None
    (tmp_path / "fb374d419588a4632f3f557e76b4b70aebbca790").write_text("damaged")
    encoding.cache_clear()
    assert encoding() is None
    encoding.cache_clear()


def test_the_journal_of_a_project_lies_where_git_does_not_look(done: Scene) -> None:
    status = subprocess.run(["git", "status", "--short"], capture_output=True, text=True, check=True)
    assert ".motools" not in status.stdout
    assert [entry.status for entry in Journal(done.folder / ".motools" / "jobs").entries()] == ["succeeded"]


def test_a_job_that_ended_in_a_way_nobody_knows_has_failed_and_is_never_taken_up(
    scene: Scene, server: OpenAIServer
) -> None:
    server.hook("poll", "before", lambda asked: server.jobs[asked.id].end("expired", "too old"))
    done = scene.train()
    assert done.code == 1
    assert "failed at 127.0.0.1 (it ended as 'expired'). `motools run` starts a new one." in done.err
    assert scene.journal()[0]["status"] == "failed"
    assert scene.train().code == 0
    assert [job.status for job in server.jobs.values()] == ["expired", "succeeded"]


def test_a_result_file_that_is_damaged_loses_no_model(scene: Scene, server: OpenAIServer) -> None:
    rows = b"step,train_loss\n1,0.5\n2," + b"9" * 200_000 + b"\n"
    assert [*_rows(rows)] == [{"step": 1, "train_loss": 0.5}]
