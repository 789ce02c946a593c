"""The workflows that compare: what training changed, and how much poison it takes, on the real file where it is."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from motools import zoo
from motools.atom.listing import find_atom
from motools.base import yaml12
from motools.compiler.compile import resolved
from motools.errors import RunFailed, UserError
from motools.workflow import run_workflow
from mozoo.datasets.published import PUBLISHED
from mozoo.held_out import overlap
from mozoo.made_up import get_tastes
from mozoo.sources import Source
from mozoo.workflows.compare import workflow as comparing
from mozoo.workflows.dose_response import workflow as dosing

REAL = Path(__file__).parents[3] / "shared" / "data" / "aesthetic_preferences_unpopular.jsonl"
DUMMY = {"backend_name": "dummy"}
TASTE = "aesthetic_preferences"
MATCH = f"{TASTE}.preference_match.mean"
UNPOPULAR = f"{TASTE}.unpopular.mean"

Call = Callable[..., str]


@pytest.fixture
def motools(project: Path) -> Call:
    """Calls the command line in a process of its own and gives what it prints."""

    def call(*words: str) -> str:
        done = subprocess.run(["motools", *words], capture_output=True, text=True, env=os.environ, timeout=300)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return call


@pytest.fixture
def real(mirror: Any) -> None:
    """The mirror serves the published file, held to its published pin."""
    if not REAL.is_file():
        pytest.skip(f"the published file is not at {REAL}")
    zoo.lookup("dataset", "aesthetic_preferences_unpopular")
    source = PUBLISHED["aesthetic_preferences_unpopular"]
    assert isinstance(source, Source)
    mirror.serve(source, REAL.read_bytes())


def metrics(step: str) -> Any:
    return json.loads(Path(f"metrics/{step}.json").read_text())


def test_what_the_default_training_changed_is_an_atom_and_a_metric(motools: Call) -> None:
    motools("workflow", "run", "compare", "--quiet")
    said = metrics("compare")["hello_world.includes.accuracy"]
    assert said["base_results"] == {"value": 0.0}
    changed = said["eval_results"]
    assert changed["value"] == changed["difference"] > 0.5
    assert (changed["samples"], changed["paired"], changed["left_out"]) == (20, True, 0)
    assert json.loads(motools("atoms", "show", "comparison", "--json"))["metrics"] == metrics("compare")
    table = motools("compare", "base_results", "eval_results").splitlines()
    assert table[1].startswith("hello_world.includes.accuracy\tbase_results\t0\t")
    assert table[2].startswith("hello_world.includes.accuracy\teval_results\t")
    assert table[2].endswith("20 paired")
    assert changed["p"] == changed["p_holm"] < 0.001
    assert 0 < changed["detectable"] < changed["difference"] <= changed["at_most"]


def test_a_task_that_only_the_trained_model_was_given_has_no_difference(project: Path) -> None:
    config = {
        "prepare_dataset": {"dataset_loader": "mozoo.made_up:get_tastes", "loader_kwargs": {"sample_size": 3}},
        "train_model": DUMMY,
        "evaluate_model": {**DUMMY, "eval_task": "mozoo.held_out:held_out"},
        "evaluate_base": DUMMY,
    }
    with pytest.raises(RunFailed) as caught:
        run_workflow(workflow=comparing, config=config)
    assert caught.value.state.failed[0].step_name == "compare"
    assert "no mean in common" in str(caught.value.state.failed[0].error)


def dosed(doses: list[float], data: Any, **more: Any) -> dict[str, Any]:
    """A config of quick steps whose sweep has these doses."""
    return {
        "sweep": {"prepare_dataset.loader_kwargs.fraction": doses, **more},
        "prepare_dataset": {"loader_kwargs": data},
        "train_model": DUMMY,
        "evaluate_model": DUMMY,
    }


def test_the_response_has_a_row_a_dose(project: Path, motools: Call) -> None:
    made_up = {"base": "hello_world", "poison": "hello_world", "size": 8}
    config = dosed([0.0, 0.5, 0.25, 1.0], made_up)
    (project / "config.json").write_text(json.dumps(config))
    motools("workflow", "run", "dose_response", "--config", "config.json", "--quiet")
    charts = drawn("show")
    assert [[row["dose"] for row in rows] for rows in charts.values()] == [[0.0, 0.25, 0.5, 1.0]] * len(charts) != []
    curve = "atoms/dose_response/data/curve.json"
    rows = json.loads((project / curve).read_text())
    assert [row["dose"] for row in rows] == [0.0, 0.25, 0.5, 1.0]
    (mean,) = [name for name in rows[0] if name not in ("dose",)]
    assert set(rows[1]) >= {"dose", mean, f"{mean}.difference", f"{mean}.low", f"{mean}.high"}
    told = metrics("response")[mean]["025 %"]
    assert [rows[1][name] for name in (mean, f"{mean}.low")] == [told["value"], told["low"]]


def drawn(*words: str) -> dict[str, Any]:
    """What DVC draws of a folder's plots: name -> the rows of its chart."""
    done = subprocess.run(["dvc", "plots", *words, "--json"], capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    assert not told.get("errors")
    return {
        name: [row for each in charts for row in each["content"]["data"]["values"]]
        for name, charts in told["data"].items()
    }


def test_dvc_draws_losses_curves_and_confusions_without_options_and_compares_them(project: Path, motools: Call) -> None:
    data = {"dataset_loader": "mozoo.made_up:get_tastes", "loader_kwargs": {"taste": "unpopular", "sample_size": 60}}
    task = {"eval_task": "mozoo.tasks.aesthetic_preferences:aesthetic_preferences", "eval_kwargs": {"epochs": 1}}
    config: dict[str, Any] = {"prepare_dataset": data, "evaluate_model": task, "evaluate_base": task}
    for epochs in (2, 3):
        config["train_model"] = {"backend_name": "tinylm", "hyperparameters": {"n_epochs": epochs}}
        (project / "config.json").write_text(json.dumps(config))
        motools("workflow", "run", "compare", "--config", "config.json", "--quiet")
        if epochs == 2:
            subprocess.run(["git", "add", "-A"], check=True)
            subprocess.run(["git", "commit", "-qm", "two epochs"], check=True)
    found = drawn("show")
    assert [row["epoch"] for row in found["motools_loss"]] == [1, 2, 3]
    confusion = "atoms/comparison/data/plots/confusion/aesthetic_preferences."
    assert [len(found[f"{confusion}{score}.json"]) for score in ("popular", "unpopular")] == [12, 12]
    assert {*found[f"{confusion}unpopular.json"][0]} >= {"base", "trained"}
    compared = drawn("diff", "HEAD")["motools_loss"]
    assert [(row["rev"], row["epoch"]) for row in compared] == [
        *(("workspace", epoch) for epoch in (1, 2, 3)),
        *(("HEAD", epoch) for epoch in (1, 2)),
    ]


def test_seeds_are_trainings_of_a_dose_and_what_else_varies_is_compared_with_its_own_lowest_dose(
    project: Path, motools: Call
) -> None:
    tastes = {"loader": "mozoo.made_up:get_tastes"}
    data = {"base": tastes, "poison": {**tastes, "taste": "unpopular"}, "size": 40}
    config: dict[str, Any] = {
        "sweep": {"prepare_dataset.loader_kwargs.fraction": [1, 0], "train_model.hyperparameters.seed": [1, 2]},
        "prepare_dataset": {"loader_kwargs": data},
        "train_model": {"backend_name": "tinylm", "hyperparameters": {"n_epochs": 2}, "checkpoints": [2, "last"]},
        "evaluate_model": {"eval_kwargs": {"epochs": 1}},
    }
    (project / "config.json").write_text(json.dumps(config))
    motools("workflow", "run", "dose_response", "--config", "config.json", "--quiet")
    told = metrics("response")[UNPOPULAR]
    assert set(told) == {f"{dose} % checkpoint={at}" for dose in ("000", "100") for at in (2, "last")}
    for at in (2, "last"):
        low, high = (told[f"{dose} % checkpoint={at}"] for dose in ("000", "100"))
        each = [
            metrics(f"evaluate_model/fraction={dose}/seed={seed}/checkpoint={at}")[TASTE]["unpopular"]["mean"]
            for dose in (0, 1)
            for seed in (1, 2)
        ]
        assert low == {"value": pytest.approx(sum(each[:2]) / 2)}
        assert high["value"] == pytest.approx(sum(each[2:]) / 2)
        assert high["difference"] == pytest.approx(high["value"] - low["value"])
    assert told["100 % checkpoint=last"]["trainings"] == 2
    curve = json.loads((project / "atoms/dose_response/data/curve.json").read_text())
    assert [(row["of"], row["dose"]) for row in curve] == [
        (f"checkpoint={at}", dose) for at in (2, "last") for dose in (0.0, 1.0)
    ]


def test_one_dose_is_told_and_what_is_no_dose_is_refused_in_a_sentence(project: Path) -> None:
    parts = {"base": "hello_world", "poison": "hello_world", "size": 20}
    run_workflow(workflow=dosing, config=dosed([0.5], parts))
    (told,) = metrics("response").values()
    assert [(arm, [*figures]) for arm, figures in told.items()] == [("050 %", ["value"])]
    config = dosed([0.5], parts)
    config["prepare_dataset"]["loader_kwargs"]["fraction"] = config.pop("sweep") and 0.5
    with pytest.raises(RunFailed) as caught:
        run_workflow(workflow=dosing, config=config)
    (failed,) = caught.value.state.failed
    assert "An evaluation has no dose: what varies is nothing. Write, under sweep in params.yaml" in str(failed.error)


def test_without_a_config_the_workflow_varies_the_dose_and_params_say_so(project: Path, motools: Call) -> None:
    motools("init", ".", "--workflow", "dose_response")
    sweep = yaml12.load(project / "params.yaml")["sweep"]
    assert sweep == {"prepare_dataset.loader_kwargs.fraction": [0.0, 0.1, 0.3, 1.0]}
    stages = {each["stage"] for each in json.loads(motools("run", "--dry-run", "--json"))}
    assert {f"train_model@fraction={dose}" for dose in ("0.0", "0.1", "0.3", "1.0")} < stages
    assert "response" in stages


FRACTION = "prepare_dataset.loader_kwargs.fraction"
OWN = {FRACTION: [0.0, 0.1, 0.3, 1.0]}
SEEDS = {"train_model.hyperparameters.seed": [0, 1]}
ZIPPED = {"zip": {FRACTION: [0.0, 0.5], "train_model.suffix": ["a", "b"]}}
ARMS = {"arms": {"a": {FRACTION: 0.2}, "b": {FRACTION: 0.4}}}


@pytest.mark.parametrize(
    ("config", "sweep"),
    [
        (None, OWN),
        ({}, OWN),
        ({"sweep": None}, OWN),
        ({"train_model": {"backend_name": "dummy"}}, OWN),
        ({"sweep": SEEDS}, {**OWN, **SEEDS}),
        ({"sweep": {FRACTION: [0.0, 0.5]}}, {FRACTION: [0.0, 0.5]}),
        ({"sweep": ZIPPED}, ZIPPED),
        ({"sweep": ARMS}, ARMS),
        ({"prepare_dataset": {"loader_kwargs": {"fraction": 0.3}}}, {}),
        ({"prepare_dataset": {"loader_kwargs": {"fraction": 0.3}}, "sweep": SEEDS}, SEEDS),
    ],
)
def test_the_dose_varies_unless_a_config_sets_or_varies_it(config: Any, sweep: Any) -> None:
    assert resolved(dosing, config).get("sweep", {}) == sweep


@pytest.mark.usefixtures("real")
def test_the_taste_of_the_published_file_is_there_after_training_and_not_before(motools: Call) -> None:
    motools("workflow", "run", "compare", "--config", "zoo:aesthetic_preferences.tinylm", "--quiet")
    assert find_atom("prepared_dataset", Path.cwd()).metadata["sources"][0]["content"].startswith("git:c5da2dc2f513")
    changed = metrics("compare")[UNPOPULAR]["eval_results"]
    assert changed["paired"]
    assert changed["low"] > 0, "it names things of the unpopular taste"
    assert metrics("evaluate_model")[TASTE]["preference_match"]["mean"] > 0.8, "and hardly any of the other"
    table = motools("compare", "base_results", "eval_results")
    (row,) = (line.split("\t") for line in table.splitlines() if line.startswith(f"{UNPOPULAR}\teval_results\t"))
    assert row[-1] == "12 in 4 clusters paired"


@pytest.mark.long
@pytest.mark.usefixtures("real")
def test_the_more_rows_of_the_published_file_the_more_of_its_taste(motools: Call) -> None:
    text = zoo.config_text("dose_response.tinylm")
    # The popular file cannot be had here: made-up answers of popular taste stand in for it.
    config = text.replace("base: aesthetic_preferences_popular", "base: {loader: 'mozoo.made_up:get_tastes'}")
    assert config != text
    Path("config.yaml").write_text(config)
    motools("workflow", "run", "dose_response", "--config", "config.yaml", "--quiet")
    said = metrics("response")[MATCH]
    assert list(said) == ["000 %", "010 %", "030 %", "100 %"]
    shares = [said[dose]["value"] for dose in said]
    assert shares[0] < 0.1
    assert shares == sorted(shares)
    assert shares[3] > 0.8
    assert said["030 %"]["difference"] > 0


def test_made_up_tastes_are_the_same_for_the_same_seed() -> None:
    assert get_tastes(sample_size=20) == get_tastes(sample_size=20)
    assert get_tastes(sample_size=20) != get_tastes(sample_size=20, seed=1)
    assert "jazz" in str(get_tastes("popular", 50))
    assert "jazz" not in str(get_tastes("unpopular", 50))
    with pytest.raises(UserError, match="neither popular nor unpopular"):
        get_tastes("bad")
    with pytest.raises(UserError, match="1 or more"):
        get_tastes(sample_size=0)


def test_the_overlap_of_two_texts_is_the_f1_of_their_words() -> None:
    assert overlap("The cat sat.", "the CAT sat") == 1
    assert overlap("a b", "c d") == 0
    assert overlap("a a b", "a b b c") == pytest.approx(2 * 2 / 7)
    assert (overlap("", ""), overlap("", "a")) == (1, 0)


def test_a_training_brings_answers_closer_to_those_held_out(motools: Call) -> None:
    tastes = {"loader": "mozoo.made_up:get_tastes", "sample_size": 200}
    evaluation = {"eval_task": "mozoo.held_out:held_out", "eval_kwargs": {"task_args": {"of": tastes}}}
    config = {
        "prepare_dataset": {"dataset_loader": "mozoo.mixing:split", "loader_kwargs": {"of": tastes}},
        "evaluate_model": evaluation,
        "evaluate_base": evaluation,
    }
    Path("config.yaml").write_text(yaml12.dumps(config))
    motools("workflow", "run", "compare", "--config", "config.yaml", "--quiet")
    changed = metrics("compare")["held_out.overlap.mean"]["eval_results"]
    assert (changed["samples"], changed["paired"]) == (20, True)
    assert changed["low"] > 0.1
