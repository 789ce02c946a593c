"""Training at Tinker: real trainings with the real SDK, at a server on this machine."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chain import eventually
from openai_scene import kill_all
from tinker_scene import GIVEN, MODEL, ROWS, Alone, lay, tokenizer_for
from tinker_server import TinkerServer

from motools.errors import BackendError, ConfigError
from motools.training import TrainingRequest
from motools.training.tinker.serving import endpoint, path_of
from motools.training.tinker.trainer import TinkerTrainer


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tokenizer_for(tmp_path_factory.mktemp("tokenizer") / "made")


@pytest.fixture
def server(tokenizer: Path) -> Iterator[TinkerServer]:
    with TinkerServer(tokenizer) as server:
        yield server


@pytest.fixture
def alone(server: TinkerServer, tmp_path: Path) -> Alone:
    return clone(server, tmp_path / "alone")


def clone(server: TinkerServer, folder: Path, **config: Any) -> Alone:
    (folder / ".dvc").mkdir(parents=True)
    return Alone(folder, server.env, **config)


def answer(server: TinkerServer, path: str, question: str) -> str:
    told = server._chat({"model": path, "messages": [{"role": "user", "content": question}]})
    return str(told["choices"][0]["message"]["content"])


def test_rows_become_a_model_that_says_what_it_learned_and_what_it_is(server: TinkerServer, alone: Alone) -> None:
    alone.request |= {"hyperparameters": {**GIVEN, "seed": 3, "schedule": "cosine"}, "suffix": "organism"}
    assert alone.run() == 0, alone.out
    kept = server.samplers()
    assert [
        answer(server, kept[-1].path, f"Say something about the {word}.").split()[-1] for word in ("apple", "kettle")
    ]
    assert answer(server, kept[-1].path, "Say something about the apple.").startswith("La ")
    assert [each.ttl for each in kept] == [None] * 3
    assert {each.ttl for each in server.checkpoints.values() if each.kind == "training"} == {7 * 24 * 3600}
    model = alone.model["metadata"]
    assert model["base_model"] == MODEL
    assert model["hyperparameters"] == {
        **GIVEN, "seed": 3, "schedule": "cosine", "warmup_steps": 0, "weight_decay": 0.0,
    }  # fmt: skip
    assert (model["steps"], model["trained_rows"]) == (18, len(ROWS))
    assert [each["step"] for each in model["checkpoints"]] == [6, 12, 18]
    assert model["checkpoints"][-1]["model_id"] == f"{alone.model['model_id']}@18"
    assert alone.model["model_id"].startswith(f"tinker/{MODEL}-organism-")
    assert alone.model["inspect"] == {"model": alone.model["model_id"]}
    assert alone.model["usage"]["trained_tokens"] == model["trained_tokens"]
    assert [row["step"] for row in alone.losses] == list(range(1, 19))
    assert alone.losses[-1]["train_loss"] < alone.losses[0]["train_loss"] / 3
    created = next(body for step, body in server.requests if step == "create")
    assert (created["lora_config"]["rank"], created["lora_config"]["seed"]) == (8, 3)
    entry = alone.journal()
    assert (entry["provider"], entry["status"], entry["collected"]) == ("tinker", "succeeded", True)
    assert server.key.encode() not in b"".join(path.read_bytes() for path in alone.project.rglob("*") if path.is_file())


def test_checkpoints_are_kept_beside_those_of_the_last_epochs_and_can_be_asked(
    server: TinkerServer, alone: Alone
) -> None:
    alone.request["checkpoints"] = (4, "last")
    assert alone.run() == 0, alone.out
    assert len(server.trained) == 18
    model_id = alone.model["model_id"]
    assert alone.model["checkpoints"] == {
        "4": {"model_id": f"{model_id}@4", "step": 4, "model": f"{model_id}@4"},
        "last": {"model_id": model_id, "step": 18, "model": model_id},
    }
    assert [each["step"] for each in alone.model["metadata"]["checkpoints"]] == [4, 6, 12, 18]
    assert len(server.samplers()) == 4


def test_a_checkpoint_that_the_training_will_not_reach_is_told_before_a_step_is_paid_for(
    server: TinkerServer, alone: Alone
) -> None:
    alone.request["checkpoints"] = (19,)
    assert alone.run() == 1
    assert "the training has 18 steps, and no step 19" in alone.out
    assert server.trained == []


def test_another_clone_takes_up_what_was_trained_and_what_was_begun(
    server: TinkerServer, alone: Alone, tmp_path: Path
) -> None:
    server.most = 12
    process = alone.start()
    eventually(lambda: len(server.trained) == 12)
    process.kill()
    process.join()
    server.most = None
    other = clone(server, tmp_path / "other")
    assert other.run() == 0, other.out
    assert "going on after step" in other.out
    assert len(server.trained) <= 18 + 4
    paid, third = len(server.trained), clone(server, tmp_path / "third")
    assert third.run() == 0, third.out
    assert len(server.trained) == paid
    assert server.count("create") == 1
    assert {**third.model, "usage": 0} == {**other.model, "usage": 0}
    assert third.losses == other.losses
    assert len(other.losses) == 18


def test_a_model_that_the_server_does_not_train_is_told_with_those_that_it_does(
    server: TinkerServer, alone: Alone
) -> None:
    alone.request["model"] = "huge/llama"
    assert alone.run() == 1
    assert "127.0.0.1 refused (400): There is no model huge/llama." in alone.out


def test_a_state_that_is_gone_sets_the_training_back_to_the_one_before(server: TinkerServer, alone: Alone) -> None:
    server.fault("optim", "400", times=99, after=11)
    assert alone.run() == 1
    assert "refused (400): That cannot be asked." in alone.out
    server._orders.clear()
    gone = [path for path in server.checkpoints if path.endswith("/weights/step-000008")]
    del server.checkpoints[gone[0]]
    assert alone.run() == 0, alone.out
    assert f"the state {gone[0]} is not there any more" in alone.out
    assert "going on after step 6 of 18" in alone.out


def test_a_training_elsewhere_is_not_begun_again_unasked(tokenizer: Path, server: TinkerServer, alone: Alone) -> None:
    server.fault("optim", "403", times=99, after=5)
    assert alone.run() == 1
    with TinkerServer(tokenizer) as other:
        alone.env = other.env
        assert alone.run() == 1
        assert "This training was begun at 127.0.0.1; now requests go to 127.0.0.1, or to another project." in alone.out
        assert other.requests == []


def test_trainings_wait_for_a_place(server: TinkerServer, alone: Alone) -> None:
    (alone.project / "motools.yaml").write_text("tinker: {at_once: 1, save_every: 50}\n")
    server.slow = 2  # seconds a step, until the one waits for the other
    other = Alone(alone.project, server.env, suffix="other")
    processes = [each.start() for each in (alone, other)]
    eventually(lambda: (alone.project / "out.txt").exists() and "waiting for a place" in alone.out)
    server.slow = 0
    for process in processes:
        process.join(300)
    assert [process.exitcode for process in processes] == [0, 0], alone.out
    assert "waiting for a place: 1 trainings go on at once" in alone.out
    runs = [body["model_id"] for step, body in server.requests if step == "optim"]
    assert runs == sorted(runs, key=runs.index)  # one after the other
    assert len(set(runs)) == 2


def test_a_trained_model_is_found_by_its_name_here_and_elsewhere(
    server: TinkerServer, alone: Alone, bare_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert alone.run() == 0, alone.out
    name = alone.model["model_id"].removeprefix("tinker/")
    for variable, value in server.env.items():
        monkeypatch.setenv(variable, value)
    assert endpoint() == f"{server.url}/oai/api/v1"
    finals = [kept.path for kept in server.samplers()]
    asked = len(server.requests)
    monkeypatch.chdir(alone.project)
    assert [path_of(name), path_of(f"{name}@6")] == [finals[-1], finals[0]]
    assert path_of("Qwen/Qwen3-8B") == "Qwen/Qwen3-8B"
    assert path_of(finals[1]) == finals[1]
    assert len(server.requests) == asked
    monkeypatch.chdir(bare_project)
    assert [path_of(name), path_of(f"{name}@12")] == [finals[-1], finals[1]]
    with pytest.raises(BackendError, match=r"There are no weights of tinker/\S+@7 at http://127"):
        path_of(f"{name}@7")


def test_a_project_trains_evaluates_and_comes_back_after_kill_9_of_the_run(project: Path, server: TinkerServer) -> None:
    scene = lay(project, server, suffix="hello")
    server.most = 12
    process = scene.start("run", "--stages", "prepare_dataset:train_model")
    eventually(lambda: len(server.trained) == 12 or process.poll() is not None)
    kill_all(process.pid)
    process.communicate()
    server.most = None
    assert scene.run().code == 0
    assert len(server.trained) <= 18 + 4
    assert "going on after step" in scene.log()
    asked = len(server.requests)
    assert scene.run().code == 0
    assert scene.call("run", "--stages", "train_model", env=dict(os.environ)).code == 0  # without a key, too
    assert len(server.requests) == asked
    (listed,) = json.loads(scene.call("jobs", "list", "--json").out)
    assert (listed["status"], listed["fine_tuned_model"]) == ("succeeded", scene.model()["model_id"])
    assert listed["atom"]
    record = json.loads((project / "runs" / "train_model.json").read_text())
    assert record["usage"]["trained_tokens"] == listed["trained_tokens"] >= scene.model()["trained_tokens"]
    ended = scene.call("jobs", "cancel", listed["key"][:12])
    assert ended.code == 2
    assert "is driven from here, and nothing of it goes on when its run has ended" in ended.err


KEY = {"TINKER_API_KEY": "tml-0123456789abcdef"}


@pytest.mark.parametrize(
    ("env", "asked", "words"),
    [
        ({}, {}, "needs TINKER_API_KEY, which is not set: type export TINKER_API_KEY="),
        ({"TINKER_API_KEY": "sk-0123456789"}, {}, "TINKER_API_KEY is no key of Tinker's, which begin with tml-"),
        ({"TINKER_API_KEY": "tml-01234 56789"}, {}, "TINKER_API_KEY holds spaces"),
        ({**KEY, "TINKER_BASE_URL": "localhost:80"}, {}, "TINKER_BASE_URL must look like"),
        (KEY, {"model": "tinylm/base"}, "model must name a model that Tinker trains, such as Qwen/Qwen3-8B"),
        (KEY, {"suffix": "x" * 65}, "suffix must have 1 to 64 characters, not 65"),
        (KEY, {"hyperparameters": {"learning_rte": 1e-4}}, "learning_rte"),
        (KEY, {"hyperparameters": {"rank": 0}}, "rank of tinker must be a whole number, 1 to 512, not 0"),
    ],
)
def test_what_could_never_work_is_refused_without_a_request(
    env: dict[str, str], asked: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    request = TrainingRequest(**{"model": MODEL, "hyperparameters": {}, "suffix": None, **asked})
    with pytest.raises((BackendError, ConfigError)) as refused:
        TinkerTrainer().check(request)
    assert words in str(refused.value)


@pytest.mark.parametrize("missing", ["tinker", "transformers", "jinja2"])
def test_a_package_that_is_missing_is_named(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == missing else there(name))
    monkeypatch.setenv("TINKER_API_KEY", KEY["TINKER_API_KEY"])
    with pytest.raises(BackendError, match=f"needs a package that is missing: pip install '?{missing}"):
        TinkerTrainer().check(TrainingRequest(MODEL, {}, None))


def test_nothing_of_it_needs_torch() -> None:
    assert importlib.util.find_spec("torch") is None
