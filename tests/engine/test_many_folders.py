"""Several pipelines as one run, several seeds by a word, and experiments that are named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from chain import WORKFLOW, Chain, git

from motools.base import yaml12
from motools.engine.answering import unchanged_in


@pytest.fixture
def chain(project: Path) -> Chain:
    return Chain.lay(project)


def lay(chain: Chain, name: str, **sections: Any) -> Path:
    folder = chain.path("experiments", name)
    folder.mkdir(parents=True)
    (folder / "params.yaml").write_text(yaml12.dumps({"workflow": "../../chain.py:workflow", **sections}))
    return folder


def test_pipelines_of_a_folder_are_one_run_in_which_equal_steps_are_executed_once(chain: Chain) -> None:
    lay(chain, "a", train={"seed": 1})
    lay(chain, "b", train={"seed": 2})
    done = chain.command("run", str(chain.path("experiments")), "--json")
    assert done.code == 0, done.err
    assert [(each["folder"], each["stage"]) for each in done.stages] == [
        (f"experiments/{name}", stage) for name in ("a", "b") for stage in ("prepare", "train", "evaluate")
    ]
    assert sorted(chain.executed()) == ["dataset", "model", "model", "results", "results"]
    for name in ("a", "b"):
        again = chain.command("run", str(chain.path("experiments", name)), "--json")
        assert set(again.statuses) == {"current"}
    assert set(chain.command("run", str(chain.path("experiments")), "--json").statuses) == {"current"}
    assert chain.dvc_status() == {}


def test_that_nothing_has_changed_in_any_of_many_folders_is_told_from_their_snapshots(
    chain: Chain, tmp_path: Path
) -> None:
    below = chain.path("experiments")
    lay(chain, "a", train={"seed": 1})
    params = lay(chain, "b", train={"seed": 2}) / "params.yaml"
    for _ in range(2):  # in the first one came the file in which steps tell of themselves
        assert chain.command("run", str(below)).code == 0
    known = unchanged_in([below])
    assert known is not None
    assert [*known] == ["experiments/a", "experiments/b"]
    assert {each["status"] for stages in known.values() for each in stages} == {"current"}
    told = chain.command("run", str(below), "--json")
    assert [(each["folder"], each["stage"]) for each in told.stages][:2] == [
        ("experiments/a", "prepare"),
        ("experiments/a", "train"),
    ]
    assert unchanged_in([below / "b", below]) is not None
    before = params.read_text()
    params.write_text(before.replace("seed: 2", "seed: 3"))
    assert unchanged_in([below]) is None
    assert unchanged_in([below / "a"]) is not None
    params.write_text(before)
    assert chain.command("run", str(below)).code == 0
    assert unchanged_in([below]) is not None
    for text in ("workflow: ../../chain.py:workflow\n", "of: something else\n", "workflow: [\n"):
        (new := below / "c").mkdir()
        (new / "params.yaml").write_text(text)
        assert unchanged_in([below]) is None, text
        shutil.rmtree(new)
    assert unchanged_in([below, tmp_path]) is None
    (other := tmp_path / "other" / ".dvc").mkdir(parents=True)
    assert unchanged_in([below, other.parent]) is None
    assert unchanged_in([below / "nowhere"]) is None


def test_folders_run_at_once_wait_for_what_another_one_writes(chain: Chain) -> None:
    lay(chain, "a", train={"pause": 0.1})
    reader = WORKFLOW.replace(
        'return make("dataset",',
        'config.more and Path(config.more["file"]).read_text()\n    return make("dataset",',
    )
    chain.path("reader.py").write_text(reader.replace('"executed.log"', '"executed.log"'))
    other = lay(chain, "b")
    file = "../a/atoms/model/data/part.txt"
    text = {"workflow": "../../reader.py:workflow", "prepare": {"more": {"file": file}}}
    (other / "params.yaml").write_text(yaml12.dumps(text))
    done = chain.command("run", str(other), str(chain.path("experiments", "a")), "--json")
    assert done.code == 0, done.err
    chain.executed()
    (chain.path("experiments", "a") / "params.yaml").write_text(
        yaml12.dumps({"workflow": "../../chain.py:workflow", "train": {"seed": 5}})
    )
    done = chain.command("run", str(chain.path("experiments")), "--json")
    assert done.code == 0, done.err
    assert "dataset" in chain.executed(), "what it reads has changed, in this very run"
    assert set(chain.command("run", str(chain.path("experiments")), "--json").statuses) == {"current"}


def test_what_fails_in_one_folder_stops_nothing_in_another_and_is_told_with_its_folder(chain: Chain) -> None:
    chain.edit("chain.py", 'return make("model"', 'assert config.seed != 1\n    return make("model"')
    lay(chain, "a", train={"seed": 1})
    lay(chain, "b", train={"seed": 2})
    done = chain.command("run", str(chain.path("experiments")))
    assert done.code == 1
    assert "experiments/a: train: failed" in done.said
    assert "experiments/b: evaluate: finished" in done.said
    told = chain.command("status", str(chain.path("experiments")), "--json")
    rows = {(each["folder"], each["stage"]): each["action"] for each in json.loads(told.out)}
    assert rows["experiments/a", "train"] == "run"
    assert rows["experiments/b", "evaluate"] == "current"


def test_a_folder_that_would_be_refused_keeps_all_from_starting(chain: Chain) -> None:
    lay(chain, "a")
    lay(chain, "b", train={"sed": 2})
    done = chain.command("run", str(chain.path("experiments")))
    assert done.code == 2
    assert "train.sed: unknown key" in done.said
    assert chain.executed() == []


def test_several_seeds_are_written_into_params_and_more_of_them_train_what_is_new(chain: Chain) -> None:
    assert chain.run("--seeds", "2").code == 0
    assert yaml12.load(chain.path("params.yaml"))["sweep"] == {"train.seed": [0, 1]}
    assert sorted(chain.executed()) == ["dataset", "model", "model", "results", "results"]
    assert chain.run("--seeds", "3").code == 0
    assert sorted(chain.executed()) == ["model", "results"]
    assert chain.run("--seeds", "1").code == 0
    assert "sweep" not in yaml12.load(chain.path("params.yaml"))
    assert chain.executed() == []


def test_seeds_that_a_sweep_has_come_first(chain: Chain) -> None:
    params = yaml12.load(chain.path("params.yaml"))
    chain.path("params.yaml").write_text(yaml12.dumps({**params, "sweep": {"train.seed": [7, 1]}}))
    assert chain.run("--seeds", "4", "--dry-run").code == 0
    done = chain.run("--seeds", "4")
    assert done.code == 0, done.err
    assert yaml12.load(chain.path("params.yaml"))["sweep"] == {"train.seed": [7, 1, 0, 2]}


def test_a_named_experiment_has_a_folder_of_its_own_and_its_params_say_what_differs(chain: Chain) -> None:
    chain.set("prepare", more={"file": "chain.py"})
    assert chain.run().code == 0
    chain.executed()
    before = chain.path("params.yaml").read_text()
    done = chain.run("--set", "train.seed=4", "--as", "other-seed")
    assert done.code == 0, done.err
    folder = chain.path("experiments", "other-seed")
    written = yaml12.load(folder / "params.yaml")
    assert (written["workflow"], written["train"]["seed"]) == ("chain.py:workflow", 4)
    assert written["prepare"]["more"] == {"file": "../../chain.py"}
    assert chain.path("params.yaml").read_text() == before
    assert [name for name in chain.executed() if name != "dataset"] == ["model", "results"]
    assert set(chain.command("run", str(folder), "--json").statuses) == {"current"}
    assert git(chain.folder, "status", "--porcelain", "experiments").strip() == "?? experiments/"
    again = chain.run("--set", "train.seed=4", "--as", "other-seed")
    assert (again.code, set(again.statuses)) == (0, {"current"})


def test_an_experiment_that_is_refused_or_only_planned_leaves_no_folder(chain: Chain) -> None:
    chain.edit("chain.py", "def prepare(", "def refuse(config):\n    raise ConfigError('no')\n\n\ndef prepare(")
    chain.edit("chain.py", "import os\n", "import os\nfrom motools.errors import ConfigError\n")
    assert chain.run("--as", "planned", "--dry-run").code == 0
    chain.edit("chain.py", "Config, prepare)", "Config, prepare, check=refuse)")
    done = chain.run("--as", "refused")
    assert (done.code, done.sentence) == (2, "no")
    assert not chain.path("experiments").exists()


def test_an_experiment_of_an_experiment_lies_beside_it(chain: Chain) -> None:
    first = lay(chain, "first")
    assert chain.command("run", str(first), "--as", "second", "--set", "train.seed=3,4").code == 0
    assert yaml12.load(chain.path("experiments", "second", "params.yaml"))["sweep"] == {"train.seed": [3, 4]}
    assert yaml12.load(chain.path("experiments", "second", "params.yaml"))["workflow"] == "../../chain.py:workflow"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--as", "a/b"), "--as a/b: an experiment is named with letters"),
        (("--as", "there", "--set", "train.seed=9"), "experiments/there is there already, with other parameters"),
        (("--seeds", "0"), "greater than or equal to 1"),
        (("--as", "x", "--set", "trian.seed=1"), "trian: there is no such step. Did you mean 'train'?"),
    ],
)
def test_what_cannot_be_an_experiment_is_refused_in_a_sentence(chain: Chain, words: tuple[str, ...], said: str) -> None:
    lay(chain, "there")
    done = chain.command("run", str(chain.folder), *words)
    assert done.code == 2
    assert said in done.said
    assert chain.executed() == []
    assert not chain.path("experiments", "x").exists()


def test_one_experiment_cannot_be_made_of_several_pipelines(chain: Chain) -> None:
    lay(chain, "a")
    lay(chain, "b")
    done = chain.command("run", str(chain.path("experiments")), "--as", "c")
    assert done.code == 2
    assert "--as c makes an experiment of one pipeline, not of 2: give one folder." in done.said
