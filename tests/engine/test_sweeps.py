"""A sweep as a pipeline: how often each step is executed, where its results lie, and what DVC makes of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from chain import Chain, commit, dvc, eventually
from warm import COLD

from motools.base import yaml12

SWEEP = {"prepare.seed": [0, 1], "train.seed": [0, 1, 2]}
GATHERING = """

def compare(config, input_atoms, workspace):
    from motools.workflow import axes_in
    make("table", "eval", config, {}, workspace)
    told = {name: dict(axes_in(name)) for name in input_atoms}
    (workspace / "out" / "axes.json").write_text(json.dumps(told, sort_keys=True))
    return [AtomConstructor("table", workspace / "out", "eval")]


workflow = Workflow("chain", [
    *workflow.steps,
    Step("compare", {"results": "eval"}, {"table": "eval"}, Config, compare, gathers=["results"]),
])
"""


@pytest.fixture
def chain(project: Path) -> Chain:
    chain = Chain.lay(project)
    vary(chain, SWEEP)
    return chain


def vary(chain: Chain, sweep: Any) -> None:
    path = chain.path("params.yaml")
    path.write_text(yaml12.dumps({**yaml12.load(path), "sweep": sweep}))


def counted(chain: Chain) -> dict[str, int]:
    executed = chain.executed()
    return {name: executed.count(name) for name in dict.fromkeys(executed)}


def test_each_step_is_executed_once_for_each_combination_that_reaches_it(chain: Chain) -> None:
    done = chain.run()
    assert done.code == 0, done.err
    assert counted(chain) == {"dataset": 2, "model": 6, "results": 6}
    assert chain.path("atoms/model/seed=1/train.seed=2/atom.json").exists() or chain.path("atoms/model").is_dir()
    assert chain.dvc_status() == {}
    again = chain.run()
    assert set(again.statuses) == {"current"}
    assert chain.executed() == []


def test_results_lie_under_what_varies_and_atoms_are_those_of_a_run_without_a_sweep(
    chain: Chain, tmp_path: Path
) -> None:
    chain.run()
    assert chain.path("atoms/model/prepare.seed=1/train.seed=2/data/part.txt").exists()
    assert chain.path("metrics/evaluate/prepare.seed=1/train.seed=2.json").exists()
    swept = chain.oid("atoms/model/prepare.seed=1/train.seed=2")
    chain.executed()
    (one := chain.path("one")).mkdir()
    shutil.copy(chain.path("chain.py"), one)
    text = {"workflow": "chain.py:workflow", "prepare": {"seed": 1}, "train": {"seed": 2}}
    (one / "params.yaml").write_text(yaml12.dumps(text))
    shutil.copytree(chain.folder, tmp_path / "x", symlinks=True)
    done = Chain(chain.folder).command("run", str(one), "--json")
    assert done.code == 0, done.err
    assert done.ids["model"].endswith(swept.removesuffix(".dir"))


def test_adding_a_value_executes_what_is_new_and_taking_one_away_nothing(chain: Chain) -> None:
    chain.run()
    chain.executed()
    vary(chain, {**SWEEP, "train.seed": [0, 1, 2, 3]})
    assert chain.run().code == 0
    assert counted(chain) == {"model": 2, "results": 2}
    vary(chain, {**SWEEP, "train.seed": [0, 3]})
    assert chain.run().code == 0
    assert chain.executed() == []
    assert chain.dvc_status() == {}


def test_the_same_sweep_in_another_folder_executes_nothing(chain: Chain) -> None:
    chain.run()
    chain.executed()
    (other := chain.path("other")).mkdir()
    shutil.copy(chain.path("params.yaml"), other)
    params = yaml12.load(other / "params.yaml")
    (other / "params.yaml").write_text(yaml12.dumps({**params, "workflow": "../chain.py:workflow"}))
    done = chain.command("run", str(other), "--json")
    assert done.code == 0, done.err
    assert set(done.statuses) == {"restored"}
    assert chain.executed() == []


def test_dvc_knows_the_stages_reproduces_one_and_finds_all_up_to_date(chain: Chain) -> None:
    dvc_yaml = chain.path("dvc.yaml")
    chain.run()
    assert list(yaml12.load(dvc_yaml)["stages"]) == ["prepare", "train", "evaluate"]
    chain.executed()
    assert "didn't change" in dvc(chain.folder, "repro").stdout
    name = "train@prepare.seed=1,train.seed=2"
    assert name in dvc(chain.folder, "stage", "list").stdout
    dvc(chain.folder, "repro", "--single-item", "--force", name)
    assert chain.dvc_status() == {}
    assert set(chain.run().statuses) == {"current"}


def test_what_one_instance_reads_dvc_takes_all_to_read_and_still_only_that_one_runs(chain: Chain) -> None:
    chain.edit(
        "chain.py",
        'return make("model", "model", config, input_atoms, workspace)',
        'config.seed == 1 and LOG.with_name("extra.txt").read_text()\n'
        '    return make("model", "model", config, input_atoms, workspace)',
    )
    chain.path("extra.txt").write_text("one")
    assert chain.run().code == 0
    assert chain.dvc_status() == {}
    assert set(chain.run().statuses) == {"current"}
    chain.executed()
    chain.path("extra.txt").write_text("two")
    assert chain.run().code == 0
    assert counted(chain) == {"model": 2}
    assert chain.dvc_status() == {}
    assert set(chain.run().statuses) == {"current"}


def test_arms_are_told_apart_by_what_they_set(chain: Chain) -> None:
    vary(chain, {"arms": {"control": {}, "poisoned": {"prepare.seed": 5}}})
    assert chain.run().code == 0
    assert counted(chain) == {"dataset": 2, "model": 2, "results": 2}
    assert chain.dvc_status() == {}
    vary(chain, {"arms": {"control": {}, "poisoned": {"prepare.seed": 6}}})
    assert "prepare@arm=poisoned" in json.dumps(chain.dvc_status())
    assert chain.run().code == 0
    assert counted(chain) == {"dataset": 1, "model": 1, "results": 1}
    assert chain.dvc_status() == {}


def test_a_gathering_step_is_given_every_instance_by_its_name_and_runs_again_when_there_is_one_more(
    chain: Chain,
) -> None:
    path = chain.path("chain.py")
    path.write_text(path.read_text().replace("import os\n", "import json\nimport os\n") + GATHERING)
    vary(chain, {"train.seed": [0, 1]})
    done = chain.run()
    assert done.code == 0, done.err
    told = json.loads(chain.path("atoms/table/data/axes.json").read_text())
    assert told == {"results@seed=0": {"seed": "0"}, "results@seed=1": {"seed": "1"}}
    assert counted(chain)["table"] == 1
    vary(chain, {"train.seed": [0, 1, 2]})
    assert chain.run().code == 0
    assert counted(chain) == {"model": 1, "results": 1, "table": 1}
    assert chain.dvc_status() == {}


def test_from_one_to_many_and_back_nothing_is_executed_twice_and_nothing_lies_about(chain: Chain) -> None:
    params = yaml12.load(chain.path("params.yaml"))
    del params["sweep"]
    chain.path("params.yaml").write_text(yaml12.dumps(params))
    assert chain.run().code == 0
    chain.executed()
    vary(chain, {"train.seed": [0, 1]})
    assert chain.run().code == 0
    assert counted(chain) == {"model": 1, "results": 1}
    assert sorted(os.listdir(chain.path("atoms/model"))) == ["seed=0", "seed=1"]
    assert chain.dvc_status() == {}
    chain.path("params.yaml").write_text(yaml12.dumps(params))
    assert chain.run().code == 0
    assert chain.executed() == []
    assert sorted(os.listdir(chain.path("atoms/model"))) == ["atom.json", "data"]
    assert chain.dvc_status() == {}


def test_a_killed_sweep_goes_on_and_executes_nothing_twice_that_had_finished(chain: Chain) -> None:
    chain.set(pause=0.3)
    run = chain.start("--jobs", "2")
    eventually(
        lambda: chain.path("executed.log").exists() and len(chain.path("executed.log").read_text().split("\n")) > 6
    )
    run.kill()
    run.communicate()
    begun = counted(chain)
    assert chain.run().code == 0
    after = counted(chain)
    total = {name: begun.get(name, 0) + after.get(name, 0) for name in ("dataset", "model", "results")}
    assert all(total[name] <= each + 2 for name, each in {"dataset": 2, "model": 6, "results": 6}.items()), total
    assert chain.dvc_status() == {}
    assert set(chain.run().statuses) == {"current"}


def test_results_are_found_by_their_name_and_lineage_goes_through_the_sweep(chain: Chain) -> None:
    chain.run()
    commit(chain.folder)
    shown = chain.command("atoms", "list")
    assert shown.code == 0, shown.err
    assert "results@prepare.seed=1,train.seed=2" in shown.out
    os.chdir(chain.folder)
    told = chain.command("lineage", "atoms/results/prepare.seed=1/train.seed=2")
    assert told.code == 0, told.err
    assert "dataset-" in told.out


def test_nothing_of_dvc_is_loaded_for_a_sweep(chain: Chain) -> None:
    command = "import sys; from motools.cli import app; sys.argv = ['motools', 'run', '-q']\ntry: app.main()\n"
    command += "except SystemExit: print([m for m in sys.modules if m.partition('.')[0] in ('dvc', 'dvc_data')])"
    done = subprocess.run([COLD, "-c", command], cwd=chain.folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert chain.executed()
    assert done.stdout.splitlines()[-1] == "[]"


def test_what_is_set_on_the_command_line_stands_in_params_and_several_values_vary(chain: Chain) -> None:
    done = chain.run("--set", "train.seed=4,5", "--set", "prepare.seed=3", "--set", "evaluate.more.word='a, b'")
    assert done.code == 0, done.err
    written = yaml12.load(chain.path("params.yaml"))
    assert written["sweep"] == {"train.seed": [4, 5]}
    assert (written["prepare"]["seed"], written["evaluate"]["more"]) == (3, {"word": "a, b"})
    assert counted(chain) == {"dataset": 1, "model": 2, "results": 2}
    assert chain.run("--set", "train.seed=4").code == 0
    assert "sweep" not in yaml12.load(chain.path("params.yaml"))
    assert chain.executed() == []


def test_an_axis_keeps_its_place_when_it_is_given_other_values(chain: Chain) -> None:
    done = chain.run("--set", "prepare.seed=0,1,2", "--dry-run")
    assert done.code == 0
    assert chain.run("--set", "prepare.seed=0,1,2").code == 0
    assert list(yaml12.load(chain.path("params.yaml"))["sweep"]) == ["prepare.seed", "train.seed"]
    assert chain.path("atoms/model/prepare.seed=2/train.seed=0").is_dir()


def test_with_a_dry_run_nothing_is_written(chain: Chain) -> None:
    before = chain.path("params.yaml").read_text()
    assert chain.command("run", str(chain.folder), "--dry-run", "--set", "train.seed=4,5").code == 0
    assert chain.path("params.yaml").read_text() == before


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("train.seed", "--set takes KEY=VALUE or KEY=A,B"),
        ("train.seed=", "--set takes KEY=VALUE or KEY=A,B"),
        ("seed=1", "'seed' is no key of a step. Write STEP.KEY=VALUE"),
        ("train.sed=1", "train.sed: unknown key. Did you mean 'seed'?"),
        ("trian.seed=1", "trian: there is no such step. Did you mean 'train'?"),
        ("train.seed=x", 'train.seed: "x" should be a valid integer'),
        (
            'train.seed="1',
            "--set train.seed=\"1: '\"1' cannot be read. Put it in quotes twice: --set 'train.seed=\"...\"'",
        ),
        ("train.seed=#1", "'#1' cannot be read"),
    ],
)
def test_what_cannot_be_set_is_refused_in_a_sentence(chain: Chain, given: str, said: str) -> None:
    done = chain.command("run", str(chain.folder), "--set", given)
    assert done.code == 2
    assert said in done.said
    assert not chain.path("dvc.lock").exists()


def test_a_key_that_is_set_twice_is_refused_in_a_sentence(chain: Chain) -> None:
    done = chain.command("run", str(chain.folder), "--set", "train.seed=1", "--set", "train.seed=2")
    assert (done.code, done.sentence) == (
        2,
        "--set train.seed is there twice. Write both values in one: train.seed=1,2",
    )
    assert chain.executed() == []
