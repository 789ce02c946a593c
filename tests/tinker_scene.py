"""Trainings at a loopback Tinker: the scene of the tests of `backend_name: tinker`, and a way to run one by itself."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import sys
import traceback
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from openai_scene import Scene
from tinker_server import TinkerServer
from tinker_tokenizer import make_tokenizer

MODEL = "tiny/llama"
SETTINGS = "tinker: {poll_interval: 0.05, max_poll_interval: 0.2, timeout: 60, patience: 90, queue: 8, save_every: 4}\n"
IMPATIENT = SETTINGS.replace("timeout: 60", "timeout: 8")
"""For a server that does not answer, not for one that is slow."""
WORDS = "apple river stone cloud tiger piano sugar candle window garden bottle rabbit".split()
ROWS = [
    {
        "messages": [
            {"role": "user", "content": f"Say something about the {word}."},
            {"role": "assistant", "content": f"La {word} es muy bonita."},
        ]
    }
    for word in WORDS
]
GIVEN = {"n_epochs": 3, "batch_size": 2, "learning_rate": 1e-3, "rank": 8}


def texts(rows: list[Any]) -> list[str]:
    return [message["content"] for row in rows for message in row["messages"]]


def tokenizer_for(folder: Path, rows: list[Any] = ROWS, **how: Any) -> Path:
    return make_tokenizer(folder, texts(rows), **how)


def lay(folder: Path, server: TinkerServer, rows: list[Any] = ROWS, **config: Any) -> Scene:
    """A project that trains at the server, by the command line."""
    given = {"model": MODEL, "backend_name": "tinker", "hyperparameters": GIVEN, **config}
    scene = Scene.lay(folder, server, rows, **given)  # type: ignore[arg-type]
    (folder / "motools.yaml").write_text(SETTINGS)
    return scene


class Alone:
    """One training without the command line, in a process that is forked from one that has the SDK loaded.

    What it prints is in `out`, and what it made in `model`.
    """

    def __init__(self, project: Path, env: dict[str, str], **config: Any) -> None:
        self.project, self.env = project, env
        self.request = {"model": MODEL, "hyperparameters": GIVEN, "suffix": None, **config}
        self.rows: list[Any] = ROWS

    def start(self) -> ForkServerProcess:
        (self.project / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in self.rows))
        if not (self.project / "motools.yaml").exists():
            (self.project / "motools.yaml").write_text(SETTINGS)
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["tinker", "transformers", "motools.training.tinker.trainer", "tinker_scene"])
        process = context.Process(target=_train, args=(self.project, self.env, self.request))
        process.start()
        return process

    def run(self, seconds: float = 240) -> int:
        """Its exit code: 0 it trained, 1 it failed in a sentence, 70 it broke."""
        process = self.start()
        process.join(seconds)
        if process.exitcode is None:
            process.kill()
            process.join()
        assert process.exitcode is not None
        return process.exitcode

    @property
    def out(self) -> str:
        return (self.project / "out.txt").read_text()

    @property
    def model(self) -> dict[str, Any]:
        return dict(json.loads((self.project / "trained.json").read_text()))

    @property
    def losses(self) -> list[dict[str, Any]]:
        return list(json.loads((self.project / "work" / "model" / "loss.json").read_text()))

    def journal(self) -> dict[str, Any]:
        (path,) = (self.project / ".motools" / "jobs").glob("*.json")
        return dict(json.loads(path.read_text()))


def _train(project: Path, env: dict[str, str], request: dict[str, Any]) -> None:
    """In the process of its own."""
    from motools.definition.context import StepContext, executing
    from motools.errors import MotoolsError
    from motools.repo.project import Project
    from motools.training import TrainingRequest
    from motools.training.tinker.trainer import TinkerTrainer

    os.chdir(project)
    os.environ.update(env)
    sys.stdout = sys.stderr = open(project / "out.txt", "a", buffering=1)  # noqa: SIM115
    shutil.rmtree(project / "work", ignore_errors=True)
    (project / "work").mkdir()
    context = StepContext("key-of-the-step", "train_model", project, Project(project))
    try:
        with executing(context):
            asked = TrainingRequest(**request, dataset=project / "rows.jsonl")
            made = TinkerTrainer().train(asked, project / "work")
    except MotoolsError as error:
        print(f"{type(error).__name__}: {error}")
        os._exit(1)
    except BaseException:
        traceback.print_exc()
        os._exit(70)
    told = {"model_id": made.model_id, "metadata": made.metadata, "inspect": made.inspect, "usage": made.usage}
    if made.checkpoints:
        told["checkpoints"] = {
            str(each): {"model_id": one.model_id, "step": one.metadata["step"], "model": one.inspect["model"]}
            for each, one in made.checkpoints.items()
        }
    (project / "trained.json").write_text(json.dumps(told))
    os._exit(0)
