"""What a sweep makes of a workflow: which instances there are, how they are called, and what each is given."""

from __future__ import annotations

import copy
import sys
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from motools.definition import sweep as sweep_module
from motools.definition.axes import axes_of, check_values, is_named, label
from motools.definition.config_changes import with_first_values, with_seeds, with_values
from motools.definition.instances import axes_in
from motools.definition.sweep import instances_of, values_of_instances
from motools.engine.prepared import Changes
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


# -- names and labels, which are those of folders and so must stay what they are ------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("true", "true-18d10c7d"),
        ("1", "1-391552c0"),
        ("..", "a8ca4457"),
        ("", "12ae32cb"),
        ("org/some model:v1", "v1-4c3353d1"),
        ("x" * 41, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-4c204bbc"),
        ("x" * 40, "x" * 40),
        ("-é.", "ed098566"),
        ({"b": 1, "a": [2]}, "41ff4104"),
        ({"a": [2], "b": 1}, "41ff4104"),
        (float("1e300"), "1e+300"),
        (10**50, "4cbe2f95"),
        (-1.5, "-1.5"),
        (False, "false"),
    ],
)
def test_the_label_of_a_value_is_the_same_in_every_version(value: Any, text: str) -> None:
    assert label(value) == text


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        (["train.seed"], ["seed"]),
        (["train.settings.seed", "train.seed"], ["settings.seed", "train.seed"]),
        (["train.settings.a.x", "train.settings.b.x"], ["a.x", "b.x"]),
        (["train.settings.arm"], ["train-settings-arm"]),
        (["train.settings.0"], ["train-settings-0"]),
        (["train.settings.a b"], ["train-settings-a-b"]),
        (["train.settings.a", "train.settings.a.b"], ["a", "b"]),
        (["train.settings.x/y", "evaluate.seed"], ["train-settings-x-y", "seed"]),
    ],
)
def test_an_axis_is_called_by_the_shortest_end_of_its_key_that_is_its_own(keys: list[str], named: list[str]) -> None:
    axes = axes_of({key: [1, 2] for key in keys}, WORKFLOW)
    assert [name for axis in axes for name in axis.names] == named
    assert [axis.steps for axis in axes] == [{key.partition(".")[0]} for key in keys]
    assert all(is_named(name, key) for name, key in zip(named, keys, strict=True))
    assert not is_named("other", keys[0])
    assert not is_named("eed", "train.seed")


def test_axes_come_in_the_order_of_the_keys_then_what_goes_together_then_the_arms() -> None:
    sweep = {
        "arms": {"one": {"prepare.seed": 1}, "Two_2-": {}},
        "zip": [{"train.rate": [1, 2], "train.seed": [3, 4]}, {"evaluate.seed": [5]}],
        "prepare.rate": [6],
        "exclude": None,
    }
    axes = axes_of(sweep, WORKFLOW)
    assert [axis.names for axis in axes] == [["prepare.rate"], ["train.rate", "train.seed"], ["evaluate.seed"], ["arm"]]
    assert [dict(point.sets) for point in axes[1].points] == [
        {"train.rate": 1, "train.seed": 3}, {"train.rate": 2, "train.seed": 4}
    ]  # fmt: skip
    assert [point.labels for point in axes[3].points] == [{"arm": "one"}, {"arm": "Two_2-"}]
    assert [dict(point.sets) for point in axes[3].points] == [{"prepare.seed": 1}, {}]
    assert axes_of({"zip": None}, WORKFLOW) == axes_of({}, WORKFLOW) == []


@pytest.mark.parametrize(
    ("sweep", "said"),
    [
        ({"zip": 3}, "sweep.zip: expected keys and values, found 3"),
        ({"zip": [{}]}, "sweep.zip: expected keys and values, found {}"),
        ({"zip": {"train.seed": 1}}, "sweep.zip.train.seed: expected a list of values, found 1"),
        ({"zip": {"train.seed": []}}, "sweep.zip.train.seed: expected a list of values, found []"),
        (
            {"zip": {"train.seed": [1, 1], "train.rate": [2, 2]}},
            "the same values of train.seed, train.rate are there twice",
        ),
        ({"zip": {"seed": [1]}}, "'seed' is no key of a step"),
        ({"arms": {}}, "sweep.arms: expected names of arms, each with keys and values, found {}"),
        ({"arms": [1]}, "sweep.arms: expected names of arms, each with keys and values, found [1]"),
        ({"arms": {1: {}}}, "1 cannot name an arm"),
        ({"arms": {"a" * 41: {}}}, "cannot name an arm: up to 40 letters"),
        ({"arms": {"a": {"seed": 1}}}, "'seed' is no key of a step"),
        ({"train.seed": [1], "arms": {"a": {"train.seed": 2}}}, "train.seed is varied twice. Leave one of them out"),
        ({1: [1]}, "1 is no key of a step"),
        ({"train.seed": [1], "exclude": [3]}, "sweep.exclude: expected keys and values, found 3"),
        ({"train.seed": [1], "exclude": [{"seed": "1"}]}, None),
        ({"train.seed": [1, True]}, None),
        ({"train.settings.x": [{"a": 1}, {"a": 1.0}]}, None),
    ],
)
def test_what_else_is_wrong_is_said_too_and_what_is_not_is_taken(sweep: Any, said: str | None) -> None:
    if said is None:
        axes_of(sweep, WORKFLOW)
        return
    with pytest.raises(ConfigError) as refused:
        made(sweep)
    assert said in str(refused.value)


def test_as_many_combinations_as_there_may_be_are_made_and_not_one_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_module, "MOST", 4)
    assert len(names({"prepare.rate": [0.1, 0.5], "train.seed": [0, 1]}, "train")) == 4
    with pytest.raises(ConfigError, match="6 combinations are more than 4"):
        made({"prepare.rate": [0.1, 0.5], "train.seed": [0, 1, 2]})


# -- what an instance takes and is given -----------------------------------------------------


def test_without_a_sweep_a_workflow_is_what_it_was() -> None:
    sections = WORKFLOW.resolve({})
    assert instances_of(WORKFLOW, sections) == (WORKFLOW, sections)
    assert instances_of(WORKFLOW, {**sections, "sweep": None}) == (WORKFLOW, sections)


def test_what_does_not_reach_a_step_leaves_it_alone_and_comes_with_the_workflows_name() -> None:
    workflow, sections = made({"train.settings.depth": [1, 2]}, train={"settings": {"width": 3}})
    assert (workflow.name, workflow.description) == (WORKFLOW.name, WORKFLOW.description)
    assert dict(workflow.step("prepare").outputs) == {"dataset": "dataset"}
    assert dict(workflow.step("train@depth=1").inputs) == {"dataset": "dataset"}
    assert sections["train@depth=2"]["settings"] == {"width": 3, "depth": 2}
    sections["train@depth=1"]["settings"]["width"] = 4
    assert sections["train@depth=2"]["settings"]["width"] == 3, "each has a section of its own"
    assert "train" not in sections


def test_an_input_from_outside_is_taken_by_all() -> None:
    workflow = Workflow("outside", [Step("train", {"dataset": "dataset"}, {"model": "model"}, Config, nothing)])
    found, _ = instances_of(workflow, {**workflow.resolve({}), "sweep": {"train.seed": [0, 1]}})
    assert [dict(step.inputs) for step in found.steps] == [{"dataset": "dataset"}] * 2


def test_what_is_excluded_may_be_named_by_its_label_or_its_value() -> None:
    for value in (0.5, "0.5"):
        assert names({"prepare.rate": [0.1, 0.5], "exclude": [{"rate": value}]}, "prepare") == ["prepare@rate=0.1"]
    assert names({"train.seed": [0, 1], "exclude": {"seed": 0}}, "train") == ["train@seed=1"]


@dataclass
class Saving(StepConfig):
    at: list[int] = field(default_factory=list)
    seed: int = 0


SAVING = Step(
    "train", {"dataset": "dataset"}, {"model": "model"}, Saving, nothing, varies=lambda config: {"at": config.at}
)
SPREAD = Workflow("spread", [PREPARE, SAVING, EVALUATE, COMPARE])


def spread(sweep: Any = None, at: Any = (1, 2)) -> tuple[Workflow, Any]:
    return instances_of(SPREAD, {**SPREAD.resolve({"train": {"at": [*at]}}), **({"sweep": sweep} if sweep else {})})


def test_a_step_that_makes_several_of_an_output_is_there_once_and_what_is_made_of_them_for_each() -> None:
    workflow, sections = spread()
    assert [step.name for step in workflow.steps] == [
        "prepare", "train", "evaluate@at=1", "evaluate@at=2", "compare"
    ]  # fmt: skip
    assert dict(workflow.step("train").outputs) == {"model@at=1": "model", "model@at=2": "model"}
    assert dict(workflow.step("evaluate@at=2").inputs) == {"model@at=2": "model"}
    assert list(workflow.step("compare").inputs) == ["results@at=1", "results@at=2"]
    assert sections["train"]["at"] == [1, 2]
    assert [step.name for step in spread(at=())[0].steps] == ["prepare", "train", "evaluate", "compare"]


def test_what_is_made_of_them_may_be_left_out_but_not_they_themselves() -> None:
    workflow, _ = spread({"train.seed": [0, 1], "exclude": [{"at": 2, "seed": 1}]})
    assert dict(workflow.step("train@seed=1").outputs) == {"model@seed=1,at=1": "model", "model@seed=1,at=2": "model"}
    assert [step.name for step in workflow.steps if step.name.startswith("evaluate")] == [
        "evaluate@seed=0,at=1", "evaluate@seed=0,at=2", "evaluate@seed=1,at=1"
    ]  # fmt: skip


def test_what_several_vary_by_under_one_name_is_told_apart_by_the_step_that_makes_it() -> None:
    workflow, _ = spread({"evaluate.settings.at": [0, 5]})
    assert [step.name for step in workflow.steps] == [
        "prepare", "train", *(f"evaluate@at={own},train.at={saved}" for own in (0, 5) for saved in (1, 2)), "compare"
    ]  # fmt: skip
    assert list(workflow.step("train").outputs) == ["model@train.at=1", "model@train.at=2"]


def test_axes_of_one_name_and_values_that_are_there_twice_are_refused_there_too() -> None:
    tune = Step("tune", {"model": "model"}, {"tuned": "model"}, Saving, nothing, varies=SAVING.varies)
    workflow = Workflow("both", [PREPARE, SAVING, tune])
    sections = workflow.resolve({"train": {"at": [1]}, "tune": {"at": [2]}})
    sweep = {"prepare.settings.train.at": [0], "prepare.settings.other.at": [0]}
    with pytest.raises(ConfigError, match=r"sweep: several axes are called train\.at\. Leave one of them out\."):
        instances_of(workflow, {**sections, "sweep": sweep})
    with pytest.raises(ConfigError, match=r"sweep\.train varies by at: 1 is there twice"):
        spread(at=(1, 1))


def test_values_of_instances_are_told_without_the_workflow() -> None:
    sweep = {"prepare.rate": [0.1, 0.5], "train.seed": [0, 1], "exclude": [{"rate": 0.5, "seed": 1}]}
    found = values_of_instances(sweep, WORKFLOW)
    assert found["prepare"] == {"rate=0.1": {"prepare.rate": 0.1}, "rate=0.5": {"prepare.rate": 0.5}}
    assert found["train"] == {
        "rate=0.1,seed=0": {"train.seed": 0}, "rate=0.1,seed=1": {"train.seed": 1}, "rate=0.5,seed=0": {"train.seed": 0}
    }  # fmt: skip
    assert found["compare"] == {"": {}}
    assert values_of_instances(None, WORKFLOW) == {key: {"": {}} for key in ("prepare", "train", "evaluate", "compare")}


# -- configs with other values ---------------------------------------------------------------


def test_a_key_with_one_value_is_set_and_one_with_several_varies() -> None:
    config = {"train": {"seed": 3, "settings": None}, "sweep": {"train.rate": [1, 2], "train.seed": [1, 2]}}
    before = copy.deepcopy(config)
    found = with_values(config, {"train.settings.a.b": ["x"], "train.rate": [5], "train.seed": [7, 8]}, WORKFLOW)
    assert found == {
        "sweep": {"train.seed": [7, 8]}, "train": {"seed": 3, "settings": {"a": {"b": "x"}}, "rate": 5}
    }  # fmt: skip
    assert next(iter(found)) == "sweep"
    assert config == before
    assert with_values({"sweep": {"train.rate": [1]}}, {"train.rate": [2]}, WORKFLOW) == {"train": {"rate": 2}}
    with pytest.raises(ConfigError, match=r"'seed' is no key of a step\. Write STEP\.KEY=VALUE"):
        with_values({}, {"seed": [1]}, WORKFLOW)
    with pytest.raises(ConfigError, match=r"sweep\.train\.seed\.x: train\.seed is 3, which has no keys"):
        with_values(config, {"train.seed.x": [1]}, WORKFLOW)


def test_seeds_are_those_of_the_sweep_first_and_then_the_least_that_it_has_not() -> None:
    assert with_seeds({}, 3, WORKFLOW)["sweep"] == {"train.seed": [0, 1, 2]}
    assert with_seeds({"sweep": {"train.seed": [1, 7]}}, 4, WORKFLOW)["sweep"] == {"train.seed": [1, 7, 0, 2]}
    assert with_seeds({"sweep": {"train.seed": [1, 7, 9]}}, 2, WORKFLOW)["sweep"] == {"train.seed": [1, 7]}
    assert with_seeds({"sweep": {"train.seed": 4}}, 1, WORKFLOW) == {"train": {"seed": 0}}
    with pytest.raises(ConfigError, match="no step of the workflow 'data' that makes a model has hyperparameters"):
        with_seeds({}, 2, Workflow("data", [PREPARE]))


@dataclass
class Tuned(StepConfig):
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    seed: int = 0


def test_several_trainings_take_the_same_seeds_together() -> None:
    tune = Step("tune", {"model": "model"}, {"tuned": "model"}, Tuned, nothing)
    workflow = Workflow("both", [PREPARE, TRAIN, tune])
    keys = ["train.seed", "tune.hyperparameters.seed"]
    assert with_seeds({}, 2, workflow)["sweep"] == {"zip": [{key: [0, 1] for key in keys}]}
    config = {"sweep": {"train.seed": [5], "zip": [{"train.rate": [1]}, {keys[1]: [6]}]}, "x": 1}
    found = with_seeds(config, 2, workflow)
    assert found == {"x": 1, "sweep": {"zip": [{"train.rate": [1]}, {key: [5, 0] for key in keys}]}}


def test_seeds_that_go_together_with_something_else_are_not_dropped_but_refused() -> None:
    tune = Step("tune", {"model": "model"}, {"tuned": "model"}, Tuned, nothing)
    config = {"sweep": {"zip": [{"train.seed": [1, 2], "train.rate": [0.1, 0.2]}]}}
    for workflow in (WORKFLOW, Workflow("both", [PREPARE, TRAIN, tune])):
        with pytest.raises(ConfigError, match=r"sweep\.zip varies train\.seed together with train\.rate\."):
            with_seeds(config, 3, workflow)
    alone = {"sweep": {"zip": [{"train.seed": [5]}, {"train.rate": [1]}]}}
    assert with_seeds(alone, 2, WORKFLOW) == {"sweep": {"zip": [{"train.rate": [1]}], "train.seed": [5, 0]}}
    assert with_seeds({"sweep": {"zip": {"train.seed": [5]}}}, 2, WORKFLOW) == {"sweep": {"train.seed": [5, 0]}}


def test_seeds_that_are_set_and_counted_are_refused() -> None:
    assert Changes({"train.rate": [1]}, seeds=2).made({}, WORKFLOW)["sweep"] == {"train.seed": [0, 1]}
    for seeds in ([7], [7, 8, 9]):
        with pytest.raises(ConfigError, match=r"--seeds 2 and --set train\.seed both say which seeds"):
            Changes({"train.seed": seeds}, seeds=2).made({}, WORKFLOW)
    tune = Step("tune", {"model": "model"}, {"tuned": "model"}, Tuned, nothing)
    workflow = Workflow("both", [PREPARE, TRAIN, tune])
    for values in ([{"seed": 7}], [{"rate": 1}, {"rate": 1, "seed": None}]):
        with pytest.raises(ConfigError, match=r"--seeds 2 and --set tune\.hyperparameters both say which seeds"):
            Changes({"tune.hyperparameters": values}, seeds=2).made({}, workflow)
    beside = {"tune.hyperparameters": [{"rate": 1, "of": {"seed": 7}}], "tune.hyperparameters.seeds": [1]}
    sweep = Changes(beside, seeds=2).made({}, workflow)["sweep"]
    assert sweep == {"zip": [{"train.seed": [0, 1], "tune.hyperparameters.seed": [0, 1]}]}


def test_a_key_that_every_combination_sets_begins_with_the_first_value_where_it_has_none() -> None:
    sweep = {"train.seed": [7, 8], "arms": {"a": {"train.rate": 1, "evaluate.seed": 2}, "b": {"evaluate.seed": 3}}}
    config = {"evaluate": {"seed": 9}}
    assert with_first_values(config, sweep, WORKFLOW) == {"evaluate": {"seed": 9}, "train": {"seed": 7}}
    assert config == {"evaluate": {"seed": 9}}


def test_what_is_said_of_one_key_leaves_the_defaults_of_those_beside_it() -> None:
    from motools.compiler.compile import resolved

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


def test_a_value_that_stands_twice_among_very_many_is_found_at_once() -> None:
    with pytest.raises(ConfigError, match=r"^sweep\.a\.b: 49999 is there twice\.$"):
        check_values("a.b", [*range(100_000), 49_999])
