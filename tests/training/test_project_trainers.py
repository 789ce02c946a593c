"""Trainers that are code of a project: found by their place, observed as all its code is, refused in a sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from chain import Chain

TRAINER = '''"""A trainer of the project's own."""
from motools.training import TrainedModel

WORD = "one"


class Mine:
    cores = 0.5

    def check(self, request):
        pass

    def train(self, request, workspace):
        (workspace / "model").mkdir()
        (workspace / "model" / "word.txt").write_text(WORD)
        return TrainedModel(workspace / "model", "mine/model", {"word": WORD}, {"model": "mine/model"})


class Half:
    def train(self, request, workspace):
        raise NotImplementedError


def unused():
    return 1
'''


@pytest.fixture
def chain(project: Path) -> Chain:
    (project / "my_trainer.py").write_text(TRAINER)
    configure(project)
    return Chain(project)


def configure(project: Path, trainer: str = "my_trainer.py:Mine") -> None:
    params: dict[str, Any] = {
        "workflow": "train_and_evaluate",
        "prepare_dataset": {
            "dataset_loader": "mozoo.datasets.hello_world:get_hello_world_dataset",
            "loader_kwargs": {"sample_size": 12},
        },
        "train_model": {"model": "x/y", "backend_name": trainer},
        "evaluate_model": {"backend_name": "dummy"},
    }
    (project / "params.yaml").write_text(json.dumps(params))


def test_a_trainer_of_the_project_trains_again_when_what_it_ran_is_edited(chain: Chain) -> None:
    assert chain.run().statuses == ["finished"] * 3
    assert chain.run().statuses == ["current"] * 3
    chain.edit("my_trainer.py", "return 1", "return 2")  # which did not run
    assert chain.run().statuses == ["current", "restored", "current"]
    chain.edit("my_trainer.py", '"one"', '"two"')
    assert chain.run().statuses == ["current", "finished", "finished"]
    about = json.loads(chain.path("atoms", "trained_model", "atom.json").read_text())
    assert about["metadata"]["word"] == "two"


@pytest.mark.parametrize(
    ("trainer", "words"),
    [
        ("my_trainer.py:Half", "has no method check: it needs check(request), which may do nothing"),
        ("my_trainer.py:Nobody", "Nobody"),
        ("nowhere.py:Mine", "nowhere.py"),
        ("my_trainer.py:unused", "has no method check"),
    ],
)
def test_what_is_no_trainer_is_refused_in_a_sentence(chain: Chain, trainer: str, words: str) -> None:
    configure(chain.folder, trainer)
    done = chain.run()
    assert (done.code, words in done.sentence) == (2, True), done.err
    assert not chain.path("atoms").exists()
