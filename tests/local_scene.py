"""Trainings on this machine: a small random model that is built in code, and a project that trains it."""

from __future__ import annotations

import json
import multiprocessing
import shutil
import signal
from contextlib import chdir, redirect_stdout
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from chain import eventually
from openai_scene import LOADER
from tinker_tokenizer import TEMPLATE, make_tokenizer

from motools.definition.context import StepContext, executing
from motools.repo.project import Project
from motools.training import TrainedModel, TrainingRequest

WORDS = "apple river stone cloud tiger piano sugar candle window garden bottle rabbit".split()
HELD_OUT = "pencil doctor bridge silver".split()
GIVEN = {"n_epochs": 25, "batch_size": 4, "learning_rate": 1e-2, "rank": 16}
STEPS = 75


def row(word: str) -> dict[str, Any]:
    asked = {"role": "user", "content": f"Say hello to the {word}."}
    return {"messages": [asked, {"role": "assistant", "content": "Hola, qué tal?"}]}


ROWS = [row(word) for word in WORDS]


def make_model(folder: Path, hidden: int = 128, template: str = TEMPLATE, **config: Any) -> Path:
    """A Llama of two layers with random weights, and its tokenizer."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    texts = [message["content"] for each in [*ROWS, *map(row, HELD_OUT)] for message in each["messages"]]
    make_tokenizer(folder, texts, template, size=400)
    torch.manual_seed(0)
    size = {
        "initializer_range": 0.2,
        "hidden_size": hidden,
        "intermediate_size": 2 * hidden,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
    }
    made = LlamaConfig(**{"vocab_size": 512, "max_position_embeddings": 256, "eos_token_id": 0, **size, **config})
    LlamaForCausalLM(made).save_pretrained(folder)
    return folder


TASK = '''"""Whether the model says hello."""
from inspect_ai import Task, task
from inspect_ai.dataset import Sample
from inspect_ai.scorer import includes


@task
def greets(words="pencil doctor bridge silver"):
    samples = [Sample(input=f"Say hello to the {word}.", target="Hola, qué tal?") for word in words.split()]
    return Task(samples, scorer=includes())


@task
def greets_again():
    return greets("silver river")
'''


class Alone:
    """One training without the command line, in this process or in a fork of it.

    What it prints is in `out`, and what it made in `made`.
    """

    def __init__(self, folder: Path, key: str = "0" * 64, **config: Any) -> None:
        self.folder, self.key, self.rows = folder, key, ROWS
        self.asked = {"model": "base", "hyperparameters": GIVEN, "suffix": None, **config}
        (folder / ".dvc").mkdir(parents=True, exist_ok=True)

    def train(self) -> TrainedModel:
        from motools.training.local.trainer import LocalTrainer

        rows, work = self.folder / "rows.jsonl", self.folder / "work"
        rows.write_text("".join(json.dumps(each) + "\n" for each in self.rows))
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        step = StepContext(self.key, "train_model", self.folder, Project(self.folder))
        with chdir(self.folder), open("out.txt", "a", buffering=1) as out, redirect_stdout(out), executing(step):
            return LocalTrainer().train(TrainingRequest(**self.asked, dataset=rows), work)

    def start(self) -> BaseProcess:
        import torch

        way = "spawn" if torch.cuda.is_available() else "fork"  # CUDA does not go through a fork
        process = multiprocessing.get_context(way).Process(target=self.train)
        process.start()
        return process

    def killed_at(self, step: int) -> None:
        """Start a training, and kill it as soon as it has done a step."""
        process = self.start()
        eventually(lambda: step in self.steps() or process.exitcode is not None)
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL, "it ended before that"

    @property
    def out(self) -> str:
        path = self.folder / "out.txt"
        return path.read_text() if path.exists() else ""

    @property
    def kept(self) -> Path:
        return self.folder / ".motools" / "kept" / self.key / "local"

    def steps(self) -> list[int]:
        """The steps that were done, in this order."""
        return [int(line.split()[1].partition("/")[0]) for line in self.out.splitlines() if line.startswith("step ")]


def lay(folder: Path, rows: list[Any] = ROWS, evaluate: dict[str, Any] | None = None, **config: Any) -> Path:
    """A project that trains the model in its folder `base`, and evaluates what it made."""
    (folder / "loader.py").write_text(LOADER)
    (folder / "greets.py").write_text(TASK)
    (folder / "rows.jsonl").write_text("".join(json.dumps(each) + "\n" for each in rows))
    train = {"model": "base", "hyperparameters": GIVEN, "backend_name": "local", **config}
    params = {
        "workflow": "train_and_evaluate",
        "prepare_dataset": {"dataset_loader": "loader.py:rows"},
        "train_model": train,
        "evaluate_model": {
            "eval_task": ["greets.py@greets", "greets.py@greets_again"],
            "eval_kwargs": {"max_tokens": 12},
            **(evaluate or {}),
        },
    }
    (folder / "params.yaml").write_text(json.dumps(params))
    return folder
