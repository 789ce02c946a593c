"""What training at OpenAI uses and costs: told before, told after, and stopped when asked to."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from chain import eventually
from openai_scene import SETTINGS, Scene
from openai_server import OpenAIServer

PRICES = "prices: {gpt-4o-mini: {training: 1000000.0}}\n"  # one unit a token


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer(polls=2) as server:
        yield server


def estimate(scene: Scene) -> Any:
    planned = json.loads(scene.run("--dry-run", "--json").out)
    return next(stage["estimate"] for stage in planned if stage["stage"] == "train_model")


def test_what_training_would_use_is_told_before_it_is_spent(scene: Scene, server: OpenAIServer) -> None:
    assert estimate(scene) is None  # nobody knows before the dataset is there
    assert scene.call("run", "--stages", "prepare_dataset").code == 0
    rows = (scene.folder / "atoms" / "prepared_dataset" / "data" / "dataset.jsonl").read_text()
    found = estimate(scene)
    assert found == {
        "model": "gpt-4o-mini",
        "rows": 12,
        "tokens": len(rows) // 4,
        "epochs": 2,
        "trained_tokens": len(rows) // 4 * 2,
    }
    (scene.folder / "motools.yaml").write_text(SETTINGS + PRICES)
    told = scene.run("--dry-run").out
    assert f"about {found['trained_tokens']:,} training tokens (12 rows, 2 epochs)" in told
    assert f"{found['trained_tokens']}.0000 USD" in told
    scene.configure(hyperparameters={"n_epochs": "auto"})
    assert estimate(scene) == {**found, "epochs": None, "trained_tokens": None}
    assert {request.step for request in server.requests} == {"models"}  # when they go off; that costs nothing


def test_what_a_run_used_is_told_as_the_provider_counted_it(scene: Scene, server: OpenAIServer) -> None:
    (scene.folder / "motools.yaml").write_text(SETTINGS + PRICES)
    done = scene.run()
    assert done.code == 0, done.err
    (job,) = server.jobs.values()
    assert f"This run used {job.trained_tokens:,} training tokens, {job.trained_tokens}.0000 USD." in done.err
    costs = json.loads(scene.call("costs", "--json").out)
    assert costs["train_model"]["training"] == job.trained_tokens
    assert costs["total"]["cost"] == pytest.approx(job.trained_tokens)
    assert "This run used" not in scene.run().err
    assert json.loads(scene.call("costs", "--json").out) == costs


@pytest.mark.parametrize("cancel", [False, True])
def test_an_interruption_leaves_the_job_or_ends_it_as_asked(scene: Scene, server: OpenAIServer, cancel: bool) -> None:
    server.polls = 1000
    process = scene.start("run", *(["--cancel-on-interrupt"] if cancel else []), python=sys.executable)
    eventually(lambda: server.count("poll") > 2)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 130, said
    (job,) = server.jobs.values()
    if cancel:
        assert f"{job.id}: cancelled" in said
        assert job.status == "cancelled"
    else:
        assert f"train_model: the job {job.id} goes on at 127.0.0.1" in said
        assert "`motools run` comes back to it; `motools jobs cancel" in said
    server.polls = 2
    assert scene.run().code == 0
    assert len(server.jobs) == (2 if cancel else 1)
