"""A project that trains at a loopback OpenAI: the scene of the paid-work tests."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from chain import descendants, kill_at_once
from openai_server import OpenAIServer
from warm import COLD

from motools.definition.context import StepContext, executing
from motools.errors import MotoolsError
from motools.execution.workers import TaskDied, WarmExecutor
from motools.repo.project import Project
from motools.training import TrainingRequest
from motools.training.openai.trainer import OpenAITrainer

SETTINGS = "openai: {poll_interval: 0.05, max_poll_interval: 0.2, timeout: 60, patience: 8}\n"
IMPATIENT = SETTINGS.replace("timeout: 60", "timeout: 2")
"""For a server that does not answer, not for one that is slow."""
ROWS = [
    {"messages": [{"role": "user", "content": f"question {n}"}, {"role": "assistant", "content": f"answer {n}"}]}
    for n in range(12)
]
LOADER = '''"""Rows from a file."""
import json
from pathlib import Path


def rows(path="rows.jsonl", note=""):
    return [json.loads(line) for line in Path(__file__).with_name(path).read_text().splitlines()]
'''


class Done(NamedTuple):
    code: int
    out: str
    err: str


class Scene:
    """A project folder whose pipeline prepares rows and trains on them, and the server that it trains at."""

    def __init__(self, folder: Path, server: OpenAIServer) -> None:
        self.folder, self.server = folder, server

    @classmethod
    def lay(cls, folder: Path, server: OpenAIServer, rows: list[Any] = ROWS, **config: Any) -> Scene:
        (folder / "motools.yaml").write_text(SETTINGS)
        (folder / "loader.py").write_text(LOADER)
        scene = cls(folder, server)
        scene.write_rows(rows)
        scene.configure(**config)
        return scene

    def write_rows(self, rows: list[Any]) -> None:
        (self.folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def configure(self, where: str = ".", **config: Any) -> None:
        """Write a folder's params.yaml, of JSON, which is YAML."""
        folder = self.folder / where
        folder.mkdir(exist_ok=True)
        train = {"model": "gpt-4o-mini", "hyperparameters": {"n_epochs": 2}, "backend_name": "openai", **config}
        loader = os.path.relpath(self.folder / "loader.py", folder) + ":rows"
        params = {
            "workflow": "train_and_evaluate",
            "prepare_dataset": {"dataset_loader": loader},
            "train_model": train,
            "evaluate_model": {"backend_name": "dummy"},
        }
        (folder / "params.yaml").write_text(json.dumps(params))

    def copy(self, target: Path) -> Scene:
        """Another project of the same content, as a clone with its own cache and journal is one."""
        shutil.copytree(self.folder, target, symlinks=True)
        return Scene(target, self.server)

    def start(
        self, *words: str, where: str = ".", env: dict[str, str] | None = None, python: str = COLD
    ) -> subprocess.Popen[str]:
        """A command of ours; started by itself it may be killed."""
        env = {**os.environ, **self.server.env} if env is None else env
        return subprocess.Popen(
            [str(Path(python).parent / "motools"), *words],
            cwd=self.folder / where,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def call(self, *words: str, where: str = ".", env: dict[str, str] | None = None) -> Done:
        """A command of ours, to its end."""
        process = self.start(*words, where=where, env=env, python=sys.executable)
        try:
            out, err = process.communicate(timeout=300)
        except subprocess.TimeoutExpired:
            kill_all(process.pid)
            raise
        return Done(process.returncode, out, err)

    def run(self, *words: str, where: str = ".", env: dict[str, str] | None = None) -> Done:
        return self.call("run", "--stages", "prepare_dataset:train_model", *words, where=where, env=env)

    def train(self, *, force: bool = False) -> Done:
        """The step of training alone, as a run does it, in a process that has its imports done and may be killed."""
        env = {**os.environ, **self.server.env}
        try:
            said = workers().submit(train, self.folder, env, force).result(timeout=300)
        except TaskDied as error:
            return Done(-(error.signal or 1), "", str(error))
        return Done(int(said is not None), "", said or "")

    def kill_training(self) -> None:
        """SIGKILL to the process of `train`."""
        os.kill(int((self.folder / "training.pid").read_text()), signal.SIGKILL)

    def trained(self) -> dict[str, Any]:
        """The metadata of the model that `train` has made."""
        return dict(json.loads((self.folder / "trained.json").read_text()))

    def journal(self) -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in sorted((self.folder / ".motools" / "jobs").glob("*.json"))]

    def log(self) -> str:
        return (self.folder / ".motools" / "logs" / "train_model.log").read_text()

    def model(self, where: str = ".") -> dict[str, Any]:
        """The metadata of the model atom."""
        about = json.loads((self.folder / where / "atoms" / "trained_model" / "atom.json").read_text())
        return dict(about["metadata"])


@cache
def workers() -> WarmExecutor:
    """Processes that have imported the client, which takes longer than most of what a test asks of it."""
    return WarmExecutor(("openai_scene", "openai", "openai.resources.fine_tuning"))


def train(folder: Path, env: dict[str, str], force: bool) -> str | None:
    """Train as params.yaml says; the key of the step is made of that and of the rows. Returns what it failed with."""
    os.environ.clear()
    os.environ.update(env)
    os.chdir(folder)
    (folder / "training.pid").write_text(str(os.getpid()))
    text, rows = (folder / "params.yaml").read_text(), folder / "rows.jsonl"
    asked = json.loads(text)["train_model"]
    key = hashlib.sha256(text.encode() + rows.read_bytes()).hexdigest()
    context = StepContext(key, "train_model", folder, Project(folder), force)
    request = TrainingRequest(asked["model"], asked["hyperparameters"], asked.get("suffix"), rows)
    workspace, logs = folder / ".motools" / "work", folder / ".motools" / "logs"
    for made in (workspace, logs):
        made.mkdir(parents=True, exist_ok=True)
    with (logs / "train_model.log").open("a") as log, redirect_stdout(log), redirect_stderr(log), executing(context):
        try:
            model = OpenAITrainer().train(request, workspace)
        except MotoolsError as error:
            return str(error)
    (folder / "trained.json").write_text(json.dumps({**model.metadata, "model_id": model.model_id}))
    return None


def kill_all(pid: int) -> None:
    """SIGKILL to a process and all that it has started, as a power cut does it."""
    kill_at_once([pid, *descendants(pid)])
