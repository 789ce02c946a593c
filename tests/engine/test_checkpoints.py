"""A step whose one execution makes several of an output, such as checkpoints: an axis of what follows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from chain import Chain

from motools.base import yaml12

TRAIN = """\
def checkpoints(config):
    return {"checkpoint": config.more.get("checkpoints", [])}


def train(config, input_atoms, workspace):
    made = make("model", "model", config, input_atoms, workspace)
    if not config.more:
        return made
    found = []
    for each in config.more["checkpoints"][: config.more.get("most")]:
        out = workspace / f"at-{each}"
        out.mkdir()
        (out / "part.txt").write_text(f"{config.seed} after {each}")
        found.append(AtomConstructor(f"model@checkpoint={each}", out, "model"))
    return found
"""


@pytest.fixture
def chain(project: Path) -> Chain:
    chain = Chain.lay(project)
    made = 'return make("model", "model", config, input_atoms, workspace)'
    chain.edit("chain.py", f"def train(config, input_atoms, workspace):\n    {made}\n", TRAIN)
    chain.edit(
        "chain.py", '{"model": "model"}, Config, train)', '{"model": "model"}, Config, train, varies=checkpoints)'
    )
    chain.set("train", more={"checkpoints": [50, "last"]})
    return chain


def counted(chain: Chain) -> dict[str, int]:
    executed = chain.executed()
    return {name: executed.count(name) for name in dict.fromkeys(executed)}


def sweep(chain: Chain, axes: dict[str, Any]) -> None:
    path = chain.path("params.yaml")
    path.write_text(yaml12.dumps({**yaml12.load(path), "sweep": axes}))


def test_it_is_executed_once_and_what_is_made_of_it_once_for_each(chain: Chain) -> None:
    done = chain.run()
    assert done.code == 0, done.err
    assert counted(chain) == {"dataset": 1, "model": 1, "results": 2}
    assert [each["stage"] for each in done.stages] == [
        "prepare",
        "train",
        "evaluate@checkpoint=50",
        "evaluate@checkpoint=last",
    ]
    assert chain.path("atoms/model/checkpoint=50/data/part.txt").read_text() == "0 after 50"
    assert "after last" in chain.path("atoms/results/checkpoint=last/data/part.txt").read_text()
    assert chain.dvc_status() == {}
    assert set(chain.run().statuses) == {"current"}


def test_along_a_sweep_each_training_has_its_own(chain: Chain) -> None:
    sweep(chain, {"train.seed": [0, 1], "evaluate.seed": [7, 8], "exclude": [{"train.seed": 1, "checkpoint": 50}]})
    done = chain.run()
    assert done.code == 0, done.err
    assert counted(chain) == {"dataset": 1, "model": 2, "results": 6}
    assert chain.path("atoms/model/train.seed=1/checkpoint=50").is_dir(), "what is excluded is what is made of it"
    read = chain.path("atoms/results/train.seed=1/evaluate.seed=8/checkpoint=last/data/part.txt").read_text()
    assert "1 after last" in read
    assert chain.dvc_status() == {}
    assert set(chain.run().statuses) == {"current"}


def test_another_checkpoint_is_another_training_and_what_was_made_of_the_others_is_at_hand(chain: Chain) -> None:
    chain.run()
    chain.executed()
    chain.set("train", more={"checkpoints": [50, 100, "last"]})
    assert chain.run().code == 0
    assert counted(chain) == {"model": 1, "results": 1}
    chain.set("train", more={})
    assert chain.run().code == 0
    assert sorted(counted(chain)) == ["model", "results"]
    assert chain.path("atoms/model/atom.json").exists()
    chain.set("train", more={"checkpoints": [50, 100, "last"]})
    assert chain.run().code == 0
    assert chain.executed() == []
    assert chain.dvc_status() == {}


def test_they_are_an_axis_of_the_table_of_results(chain: Chain) -> None:
    chain.run()
    done = chain.command("results", str(chain.folder), "--json")
    assert [(row["axes"], row["state"]) for row in json.loads(done.out)] == [
        ({"checkpoint": "50"}, "current"),
        ({"checkpoint": "last"}, "current"),
    ]
    chain.set("train", seed=1)
    done = chain.command("results", str(chain.folder), "--json")
    assert [row["state"] for row in json.loads(done.out)] == ["stale", "stale"]


def test_a_step_that_gives_less_than_it_says_fails(chain: Chain) -> None:
    chain.run()
    chain.set("train", more={"checkpoints": [50, 60], "most": 1})
    done = chain.run()
    assert done.code == 1
    assert (
        "returned the outputs model@checkpoint=50, but declares model@checkpoint=50, model@checkpoint=60" in done.said
    )


def test_a_checkpoint_cannot_be_asked_for_twice(chain: Chain) -> None:
    chain.set("train", more={"checkpoints": [50, 50]})
    done = chain.run()
    assert done.code == 2
    assert "50 is there twice" in done.said
    assert chain.executed() == []


AGAIN = """\
def again(config, input_atoms, workspace):
    (model,) = input_atoms.values()
    read = (model.get_data_path() / "part.txt").read_text()
    found = []
    for each in config.more["checkpoints"]:
        out = workspace / f"at-{each}"
        out.mkdir()
        (out / "part.txt").write_text(f"{read}, then {each}")
        found.append(AtomConstructor(f"student@checkpoint={each}", out, "model"))
    return found


def evaluate("""


def test_two_trainings_that_both_keep_checkpoints_are_two_axes_each_named_after_its_step(chain: Chain) -> None:
    step = 'Step("again", {"model": "model"}, {"student": "model"}, Config, again, varies=checkpoints),'
    chain.edit("chain.py", "def evaluate(", AGAIN)
    chain.edit("chain.py", 'Step("evaluate", {"model": "model",', f'{step}\n    Step("evaluate", {{"student": "model",')
    chain.set("again", more={"checkpoints": [5, 6]})
    done = chain.run()
    assert done.code == 0, done.err
    assert counted(chain) == {"dataset": 1, "model": 1, "results": 4}
    where = "atoms/results/train.checkpoint={}/again.checkpoint={}/data/part.txt".format
    for first in (50, "last"):
        for second in (5, 6):
            assert f"0 after {first}, then {second}" in chain.path(where(first, second)).read_text()
    table = json.loads(chain.command("results", "--json").out)
    assert {(row["axes"]["train.checkpoint"], row["axes"]["again.checkpoint"]) for row in table} == {
        ("50", "5"),
        ("50", "6"),
        ("last", "5"),
        ("last", "6"),
    }
    assert set(chain.run().statuses) == {"current"}
    assert chain.dvc_status() == {}
