"""The dummy trainer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from motools.errors import StepError
from motools.training import TrainedModel, TrainingRequest, find_trainer
from motools.training.dummy import DummyTrainer

ROW = {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "Hello, World!"}]}


def train(folder: Path, rows: list[Any] | None = None, **asked: Any) -> TrainedModel:
    dataset = folder / "rows.jsonl"
    dataset.write_text("".join(json.dumps(row) + "\n" for row in ([ROW] * 3 if rows is None else rows)))
    request = TrainingRequest(**{"model": "gpt-4o", "hyperparameters": {}, "suffix": None, **asked, "dataset": dataset})
    trainer = DummyTrainer()
    trainer.check(request)
    return trainer.train(request, folder / "workspace")


def test_equal_requests_give_equal_models(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    first, second = train(tmp_path), train(tmp_path / "other")
    assert (first.model_id, first.metadata, first.inspect) == (second.model_id, second.metadata, second.inspect)
    assert [file.name for file in first.path.iterdir()] == ["dummy.json"]
    assert (first.path / "dummy.json").read_bytes() == (second.path / "dummy.json").read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        {"model": "gpt-4o-mini"},
        {"hyperparameters": {"n_epochs": 2}},
        {"hyperparameters": {"anything": ["goes", {"here": None}]}},
        {"suffix": "test"},
        {"rows": [ROW] * 4},
    ],
)
def test_whatever_changes_in_the_request_changes_the_name(tmp_path: Path, change: dict[str, Any]) -> None:
    assert train(tmp_path, **change).model_id != train(tmp_path).model_id


def test_the_name_says_what_was_asked_and_that_no_provider_has_it(tmp_path: Path) -> None:
    assert train(tmp_path).model_id.startswith("dummy/gpt-4o-")
    assert train(tmp_path, suffix="my organism/1").model_id.startswith("dummy/my-organism-1-")
    assert train(tmp_path, model="org/model").model_id.startswith("dummy/org-model-")


def test_metadata_says_what_was_trained(tmp_path: Path) -> None:
    trained = train(tmp_path, hyperparameters={"n_epochs": 2})
    assert trained.metadata == {"base_model": "gpt-4o", "hyperparameters": {"n_epochs": 2}, "trained_rows": 3}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ([], "expected"),
        ({"messages": []}, "expected"),
        ({"messages": ["hi"]}, "expected role and content, found 'hi'"),
        ({"messages": [{"role": "user", "content": 3}]}, "expected text, found 3"),
        ({"messages": [{"role": "asistant", "content": "x"}]}, "'asistant'"),
        ({"messages": [{"role": "assistant", "content": "x", "weight": 0.5}]}, "0.5"),
    ],
)
def test_a_broken_row_is_named_by_its_line(tmp_path: Path, row: Any, words: str) -> None:
    with pytest.raises(StepError, match=r"rows\.jsonl, line 2: .*" + words):
        train(tmp_path, rows=[ROW, row])


def test_a_line_that_is_no_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_bytes(b'\n{"messages"\n')
    with pytest.raises(StepError, match="line 2: not JSON"):
        DummyTrainer().train(TrainingRequest("m", {}, None, tmp_path / "rows.jsonl"), tmp_path)


@pytest.mark.parametrize(
    ("trainer", "said"),
    [
        (
            "class Trainer:\n    def train(self, request, workspace): ...",
            "has no method check: it needs check(request)",
        ),
        ("class Trainer:\n    def check(self, request): ...", "has no method train"),
        ("class Trainer:\n    def __init__(self, url): ...", "It must be a class that takes nothing"),
    ],
)
def test_a_trainer_of_another_package_that_is_none_is_refused_in_a_sentence(
    trainer: str, said: str, project: Path, tmp_path: Path
) -> None:
    package = tmp_path / "installed"
    (package / "theirs-1.dist-info").mkdir(parents=True)
    (package / "theirs.py").write_text(trainer)
    (package / "theirs-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1\n")
    (package / "theirs-1.dist-info" / "entry_points.txt").write_text("[motools.trainers]\ntheirs = theirs:Trainer\n")
    Path("config.json").write_text(json.dumps({"train_model": {"backend_name": "theirs"}}))
    words = ["motools", "workflow", "run", "train_and_evaluate", "--config", "config.json"]
    env = {**os.environ, "PYTHONPATH": str(package)}
    done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=300)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
    assert said in done.stderr


@pytest.mark.cold
def test_listing_backends_imports_nothing_heavy() -> None:
    modules = [f"motools.training.{name}" for name in ("dummy", "tinker.trainer", "tinylm", "openai.trainer")]
    modules += [f"motools.evals.{name}" for name in ("dummy", "inspect.evaluator")]
    program = f"import sys, {', '.join(modules)}; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


HEAVY = ["numpy", "inspect_ai", "openai", "tinker", "transformers", "dvc", "rich", "git"]


def test_every_trainer_is_found_by_its_name() -> None:
    for name in ("dummy", "tinylm", "openai", "tinker"):
        assert hasattr(find_trainer(name), "train")
