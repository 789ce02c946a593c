"""What a sweep makes of a workflow: which instances there are, how they are called, and what each is given."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from motools.definition.instances import axes_in
from motools.definition.sweep import axes_of, instances_of
from motools.errors import ConfigError, WorkflowError
from motools.workflow import AtomConstructor, Step, StepConfig, Workflow


@dataclass
class Config(StepConfig):
    seed: int = 0
    rate: float = 0.1
    task: str = "a"
    settings: dict[str, Any] = field(default_factory=dict)


def nothing(config: Config, input_atoms: Any, workspace: Path) -> list[AtomConstructor]:
    return []


PREPARE = Step("prepare", {}, {"dataset": "dataset"}, Config, nothing)
TRAIN = Step("train", {"dataset": "dataset"}, {"model": "model"}, Config, nothing)
EVALUATE = Step("evaluate", {"model": "model"}, {"results": "eval"}, Config, nothing)
COMPARE = Step("compare", {"results": "eval"}, {"table": "eval"}, Config, nothing, gathers=["results"])
WORKFLOW = Workflow("study", [PREPARE, TRAIN, EVALUATE, COMPARE])


def made(sweep: Any, **sections: Any) -> tuple[Workflow, Any]:
    return instances_of(WORKFLOW, {**WORKFLOW.resolve(sections), "sweep": sweep})


def names(sweep: Any, step: str) -> list[str]:
    return [each.name for each in made(sweep)[0].steps if each.name.partition("@")[0] == step]


def test_each_step_is_there_once_for_each_combination_that_reaches_it() -> None:
    sweep = {"prepare.rate": [0.1, 0.5], "train.seed": [0, 1, 2], "evaluate.task": ["a", "b"]}
    assert names(sweep, "prepare") == ["prepare@rate=0.1", "prepare@rate=0.5"]
    assert names(sweep, "train") == [f"train@rate={rate},seed={seed}" for rate in (0.1, 0.5) for seed in (0, 1, 2)]
    assert len(names(sweep, "evaluate")) == 12
    assert names(sweep, "compare") == ["compare"]


def test_an_instance_takes_from_those_that_agree_with_it_and_has_its_values_in_its_section() -> None:
    workflow, sections = made({"prepare.rate": [0.1, 0.5], "train.settings.depth": [1, 2]})
    step = workflow.step("train@rate=0.5,depth=2")
    assert dict(step.inputs) == {"dataset@rate=0.5": "dataset"}
    assert dict(step.outputs) == {"model@rate=0.5,depth=2": "model"}
    assert sections[step.name]["settings"] == {"depth": 2}
    assert sections["prepare@rate=0.5"]["rate"] == 0.5
    assert axes_in(step.name) == {"rate": "0.5", "depth": "2"}


def test_a_step_that_gathers_takes_all_instances_as_one() -> None:
    workflow, _ = made({"train.seed": [0, 1]})
    assert list(workflow.step("compare").inputs) == ["results@seed=0", "results@seed=1"]


def test_values_that_go_together_are_one_axis() -> None:
    sweep = {"zip": {"train.rate": [0.1, 0.01], "train.seed": [7, 8]}}
    assert names(sweep, "train") == ["train@rate=0.1,seed=7", "train@rate=0.01,seed=8"]


def test_arms_have_a_name_and_set_what_they_say() -> None:
    sweep = {"arms": {"control": {}, "poisoned": {"prepare.rate": 0.5, "train.seed": 3}}}
    workflow, sections = made(sweep)
    assert names(sweep, "evaluate") == ["evaluate@arm=control", "evaluate@arm=poisoned"]
    assert (sections["prepare@arm=control"]["rate"], sections["prepare@arm=poisoned"]["rate"]) == (0.1, 0.5)
    assert list(workflow.step("train@arm=poisoned").inputs) == ["dataset@arm=poisoned"]


def test_what_is_excluded_is_not_there_and_nothing_is_made_for_it() -> None:
    sweep = {"prepare.rate": [0.1, 0.5], "train.seed": [0, 1], "exclude": [{"rate": 0.5, "seed": 1}, {"rate": 0.1}]}
    assert names(sweep, "prepare") == ["prepare@rate=0.5"]
    assert names(sweep, "train") == ["train@rate=0.5,seed=0"]


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([0, 1.0, True, None], ["0", "1.0", "true", "null"]),
        (["a", "a.b-c_d"], ["a", "a.b-c_d"]),
        ([1e-5, 0.1], ["1e-05", "0.1"]),
    ],
)
def test_a_plain_value_is_its_own_label(values: list[Any], labels: list[str]) -> None:
    (axis,) = axes_of({"train.settings.x": values}, WORKFLOW)
    assert [point.labels["x"] for point in axis.points] == labels


def test_every_value_has_a_label_of_its_own_that_names_a_folder() -> None:
    values = ["true", "1", "1.0", True, 1, 1.0, "..", "", "a/b", "b", "x:b", "a=b", "a,b", {"a": 1}, {"a": 2}, [1], "é"]
    (axis,) = axes_of({"train.settings.x": values}, WORKFLOW)
    labels = [point.labels["x"] for point in axis.points]
    assert len(set(labels)) == len(values)
    assert not any(set(label) & set("/,=@ :") or label in ("", ".", "..") for label in labels)
    (alone,) = axes_of({"train.settings.x": ["a/b"]}, WORKFLOW)
    assert alone.points[0].labels["x"] == labels[values.index("a/b")], "it does not change when a value is added"


def test_axes_of_one_name_say_of_which_step_they_are() -> None:
    assert names({"prepare.seed": [0], "train.seed": [1]}, "train") == ["train@prepare.seed=0,train.seed=1"]


@pytest.mark.parametrize(
    ("sweep", "said"),
    [
        ([1], "sweep: expected keys and lists of values, found [1]"),
        ({"seed": [1]}, "'seed' is no key of a step. Write STEP.KEY"),
        ({"trian.seed": [1]}, "there is no step 'trian'. Did you mean 'train'?"),
        ({"train.seed": 1}, "sweep.train.seed: expected a list of values, found 1. Write [1]"),
        ({"train.seed": [1, 1]}, "sweep.train.seed: 1 is there twice"),
        ({"train.seed": []}, "sweep.train.seed: expected a list of values, found []. Write [0, 1], or leave the"),
        ({"train.task": [date(2026, 1, 2)]}, "sweep.train.task: 2026-01-02 is a date. Write it in quotes: '2026-01-"),
        ({"zip": {"train.task": [date(2026, 1, 2)]}}, "sweep.zip.train.task: 2026-01-02 is a date. Write it in quotes"),
        ({"train.sed": [1]}, "train.sed: unknown key. Did you mean 'seed'?"),
        ({"train.seed": ["x"]}, 'train.seed: "x" should be a valid integer'),
        ({"train.seed.x": [1]}, "train.seed is 0, which has no keys"),
        ({"train.seed": [1], "zip": {"train.seed": [2]}}, "train.seed is varied twice"),
        ({"zip": {"train.seed": [1], "train.rate": [1.0, 2.0]}}, "train.seed has 1, train.rate has 2"),
        ({"arms": {"a b": {}}}, "'a b' cannot name an arm"),
        ({"arms": {"a": [1]}}, "sweep.arms.a: expected keys and values, found [1]"),
        ({"train.seed": [1], "exclude": [{"sed": 1}]}, "nothing is called so. Did you mean 'seed'?"),
        ({"train.seed": [1], "exclude": [{"seed": 2}]}, "2 is none of its values: 1"),
        ({"train.seed": [1], "exclude": [{"seed": 1}]}, "sweep.exclude leaves no combination"),
        ({f"train.settings.x{n}": list(range(10)) for n in range(6)}, "1,000,000 combinations are more than 100,000"),
    ],
)
def test_what_is_wrong_in_a_sweep_is_said_in_a_sentence(sweep: Any, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        made(sweep)
    assert said in str(refused.value)


def test_a_step_cannot_gather_what_it_does_not_take() -> None:
    with pytest.raises(WorkflowError, match="gathers 'model', which is none of its inputs"):
        Step("compare", {"results": "eval"}, {"table": "eval"}, Config, nothing, gathers=["model"])


@pytest.mark.parametrize(
    ("asked", "chosen"),
    [
        ("train", ["train@rate=0.1,seed=0", "train@rate=0.1,seed=1", "train@rate=0.5,seed=0", "train@rate=0.5,seed=1"]),
        ("train@seed=1", ["train@rate=0.1,seed=1", "train@rate=0.5,seed=1"]),
        ("train@seed=1,rate=0.5,compare", ["train@rate=0.5,seed=1", "compare"]),
        ("prepare@rate=0.5", ["prepare@rate=0.5"]),
    ],
)
def test_stages_are_selected_by_step_and_by_what_holds_for_them(asked: str, chosen: list[str]) -> None:
    workflow, _ = made({"prepare.rate": [0.1, 0.5], "train.seed": [0, 1]})
    assert workflow.select(asked) == chosen


@pytest.mark.parametrize("asked", ["train@seed=7", "train@sead=0", "train@rate=0.1,seed=7"])
def test_instances_that_are_not_there_are_refused_with_those_that_are(asked: str) -> None:
    workflow, _ = made({"prepare.rate": [0.1, 0.5], "train.seed": [0, 1]})
    with pytest.raises(WorkflowError) as refused:
        workflow.select(asked)
    said = str(refused.value)
    assert said.startswith(
        f"The workflow 'study' has no step {asked!r}. Of train there is what has: rate=0.1, 0.5; seed=0, 1."
    )


def test_a_range_of_steps_has_all_their_instances() -> None:
    workflow, _ = made({"train.seed": [0, 1]})
    assert workflow.select("train:") == [step.name for step in workflow.steps if step.name != "prepare"]


def test_a_config_needs_no_value_of_a_key_that_every_combination_sets() -> None:
    from motools.compiler.compile import resolved

    @dataclass
    class Needed(StepConfig):
        size: int

    workflow = Workflow("needed", [Step("prepare", {}, {"dataset": "dataset"}, Needed, nothing)])
    assert resolved(workflow, {"sweep": {"prepare.size": [3, 4]}})["prepare"] == {"size": 3}


def test_what_is_said_of_one_key_leaves_the_defaults_of_those_beside_it() -> None:
    from motools.compiler.compile import resolved
    from motools.definition.sweep import with_seeds, with_values

    @dataclass
    class Trained(StepConfig):
        hyperparameters: dict[str, Any] = field(default_factory=lambda: {"n_epochs": 10})

    workflow = Workflow("trained", [Step("train", {}, {"model": "model"}, Trained, nothing)])
    key = "train.hyperparameters.seed"
    for sweep in ({key: [4, 5]}, {"arms": {"one": {key: 4}, "two": {key: 5}}}):
        assert resolved(workflow, {"sweep": sweep})["train"]["hyperparameters"] == {"n_epochs": 10, "seed": 4}
    changed = with_values({}, {key: [7]}, workflow)
    assert changed == {"train": {"hyperparameters": {"n_epochs": 10, "seed": 7}}}
    assert workflow.resolve(with_seeds({}, 1, workflow))["train"]["hyperparameters"] == {"n_epochs": 10, "seed": 0}
    said = {"train": {"hyperparameters": {"batch_size": 2}}}
    assert with_values(said, {key: [7]}, workflow) == {"train": {"hyperparameters": {"batch_size": 2, "seed": 7}}}


def test_a_sweep_that_is_no_mapping_is_refused_before_anything_is_set_in_it() -> None:
    from motools.definition.sweep import with_seeds, with_values

    for call in (lambda c: with_values(c, {"train.seed": [1]}, WORKFLOW), lambda c: with_seeds(c, 2, WORKFLOW)):
        with pytest.raises(ConfigError, match=r"sweep: expected keys and lists of values, found \[1, 2\]"):
            call({"sweep": [1, 2]})


def test_many_values_take_time_in_proportion() -> None:
    def calls(count: int) -> int:
        made = 0

        def counted(frame: Any, event: str, of: Any) -> None:
            nonlocal made
            made += 1

        sweep = {"train.seed": list(range(count))}
        sys.setprofile(counted)
        try:
            axes_of(sweep, WORKFLOW)
        finally:
            sys.setprofile(None)
        return made

    calls(1)
    assert calls(400) < 5 * calls(100)
