"""Workflows: how steps are wired, ordered, selected and configured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from motools.base.configs import StepConfig, WorkflowConfig
from motools.errors import ConfigError, WorkflowError
from motools.workflow import Step, StepState, Workflow, WorkflowState


@dataclass
class Config(StepConfig):
    """Of every step here."""

    count: int = 3
    rate: float = 0.5


@dataclass
class Needy(StepConfig):
    """A config with a key that must be given."""

    model: str


class Undecorated(Config):
    """Its own field would be lost without a word."""

    more: int = 1


def work(config: Any, input_atoms: Any, workspace: Any, output: str = "o") -> list[Any]:
    """Never called here."""
    return []


class CallableObject:
    def __call__(self, config: Any, input_atoms: Any, workspace: Any) -> list[Any]:
        return []


def step(name: str, inputs: str = "", outputs: str = "", config: type = Config, fn: Any = work) -> Step:
    """A step from `"name:kind name:kind"`; the kind is `model` where none is given."""

    def ports(text: str) -> dict[str, str]:
        return {n: kind or "model" for n, _, kind in (port.partition(":") for port in text.split())}

    return Step(name, ports(inputs), ports(outputs or f"of_{name}"), config, fn)


def names(workflow: Workflow) -> list[str]:
    return [step.name for step in workflow.steps]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: step("two words"), "'two words' cannot name a step"),
        (lambda: step(""), "'' cannot name a step"),
        (lambda: step("1st"), "'1st' cannot name a step: begin with a letter or _ and go on with letters"),
        (lambda: step(1), "1 cannot name a step"),  # type: ignore[arg-type]
        (lambda: Step("a", {"i"}, {"o": "model"}, Config, work), "its inputs must be a dict, name to kind"),  # type: ignore[arg-type]
        (lambda: Step("a", {}, ["o"], Config, work), "its outputs must be a dict, name to kind"),  # type: ignore[arg-type]
        (lambda: Step("a", {}, {"o": 1}, Config, work), "1 is no kind of atom"),  # type: ignore[dict-item]
        (lambda: step("a", config=StepConfig), "StepConfig is the base of configs. Write a class of your own"),
        (lambda: step("a", config=Undecorated), "Undecorated is not a dataclass: put @dataclass above it"),
        (lambda: step("a", config=Config()), "the config class must be a class, not "),  # type: ignore[arg-type]
        (lambda: Workflow("w", [work]), "is not a Step. Write Step"),  # type: ignore[list-item]
        (lambda: step("../up"), "'../up' cannot name a step"),
        (lambda: step("a\n"), "cannot name a step"),
        (lambda: step("workflow"), "'workflow' cannot name a step"),
        (lambda: Step("a", {}, {}, Config, work), "has no outputs"),
        (lambda: Step("a", {"../b": "model"}, {"o": "model"}, Config, work), "'../b' cannot name an input"),
        (lambda: Step("a", {}, {"o/p": "model"}, Config, work), "'o/p' cannot name an output"),
        (lambda: Step("a", {}, {"o": "Model"}, Config, work), "'Model' is no kind of atom"),
        (lambda: Step("a", {"i": ""}, {"o": "model"}, Config, work), "'' is no kind of atom"),
        (lambda: step("a", fn=CallableObject()), "is not a function"),
        (lambda: step("a", fn=partial(CallableObject(), x=1)), "is not a function"),
        (lambda: step("a", fn=None), "None is not a function"),
        (lambda: step("a", config=dict), "is not a dataclass: put @dataclass above it"),
        (lambda: Workflow("w", []), "The workflow 'w' has no steps."),
        (lambda: Workflow("w", [step("a"), step("a", outputs="p")]), "has two steps named 'a'"),
        (
            lambda: Workflow("w", [step("a", outputs="o"), step("b", outputs="o")]),
            "'a' and 'b' both make the output 'o'",
        ),
        (
            lambda: Workflow("w", [step("a", outputs="o:dataset"), step("b", "o:model")]),
            "'b' takes 'o' as a model, but for the step 'a' it is a dataset",
        ),
        (
            lambda: Workflow("w", [step("a", "given:model"), step("b", "given:dataset")]),
            "'b' takes 'given' as a dataset, but for the step 'a' it is a model",
        ),
        (lambda: Workflow("w", [step("a", "of_b"), step("b", "of_a"), step("c")]), "steps a, b wait for each other"),
        (lambda: Workflow("w", [step("a", "of_a")]), "The steps a wait for each other's outputs: a cycle"),
    ],
)
def test_wrong_wiring_is_told_when_it_is_written(make: Callable[[], Any], said: str) -> None:
    with pytest.raises(WorkflowError) as caught:
        make()
    assert said in str(caught.value)


def test_steps_are_put_in_order_and_those_that_may_stay_stay() -> None:
    steps = [step("d", "of_b of_c"), step("x"), step("c", "of_a"), step("b", "of_a"), step("a", "given")]
    assert names(Workflow("w", steps)) == ["x", "a", "c", "b", "d"]
    assert names(Workflow("w", sorted(steps, key=lambda s: s.name))) == ["a", "b", "c", "d", "x"]


def test_what_no_step_makes_is_an_input_of_the_workflow() -> None:
    workflow = Workflow("w", [step("a", "given:dataset", "o"), step("b", "o given:dataset other:prompt")])
    assert workflow.inputs == {"given": "dataset", "other": "prompt"}


def test_a_step_may_be_a_function_with_arguments_bound() -> None:
    assert names(Workflow("w", [step("a", fn=partial(work, output="x"))])) == ["a"]


def test_a_step_is_found_by_name_or_the_closest_is_named() -> None:
    workflow = Workflow("w", [step("train"), step("evaluate")])
    assert workflow.step("train").name == "train"
    with pytest.raises(WorkflowError, match=r"has no step 'trian'. Did you mean 'train'\? Steps: train, evaluate\."):
        workflow.step("trian")


ABCD = Workflow("w", [step("a"), step("b", "of_a"), step("c", "of_b"), step("d", "of_c")])


@pytest.mark.parametrize(
    ("given", "selected"),
    [
        (None, "abcd"),
        ("b", "b"),
        ("c,a", "ac"),
        (" a , d ", "ad"),
        ("b:c", "bc"),
        ("b:b", "b"),
        (":b", "ab"),
        ("c:", "cd"),
        (":", "abcd"),
        ("a,c:", "acd"),
        (":b,b:c", "abc"),
        (["d", "a:b"], "abd"),
        (("b",), "b"),
        ([], ""),
    ],
)
def test_a_selection_is_names_lists_and_ranges_in_the_workflows_order(
    given: str | Sequence[str] | None, selected: str
) -> None:
    assert ABCD.select(given) == list(selected)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("e", "no step 'e'"),
        ("a:e", "no step 'e'"),
        ("e:", "no step 'e'"),
        ("c:a", "'c:a' selects nothing: 'a' comes before 'c'"),
        ("", "no step ''"),
        ("a,", "no step ''"),
        ("a:b:c", "no step 'b:c'"),
        (["a,b"], "no step 'a,b'"),
    ],
)
def test_a_selection_that_names_nothing_is_refused(given: str | Sequence[str], said: str) -> None:
    with pytest.raises(WorkflowError) as caught:
        ABCD.select(given)
    assert said in str(caught.value)


def test_resolving_writes_out_every_default_in_step_order() -> None:
    full = {"count": 3, "rate": 0.5}
    assert ABCD.resolve(None) == {"a": full, "b": full, "c": full, "d": full}
    resolved = ABCD.resolve({"c": {"rate": 1}, "a": None, "workflow": "w"})
    assert list(resolved) == list("abcd")
    assert resolved["c"] == {"count": 3, "rate": 1.0}
    assert isinstance(resolved["c"]["rate"], float)
    assert ABCD.resolve(resolved) == resolved


def test_a_config_object_resolves_as_the_mapping_it_stands_for() -> None:
    @dataclass
    class Whole(WorkflowConfig):
        a: Config
        c: Config

    assert ABCD.resolve(Whole(Config(count=4), Config())) == ABCD.resolve({"a": {"count": 4}})


def test_a_config_object_may_hold_plain_sections() -> None:
    @dataclass
    class Whole(WorkflowConfig):
        a: Any
        b: Any = None

    assert ABCD.resolve(Whole({"count": 4})) == ABCD.resolve({"a": {"count": 4}})
    with pytest.raises(ConfigError, match=r"^a: expected keys and values, found 4\."):
        ABCD.resolve(Whole(4))


def test_one_section_can_be_resolved_though_another_is_wrong() -> None:
    workflow = Workflow("w", [step("a"), step("b", config=Needy)])
    assert workflow.resolve({"a": {"count": 1}, "b": {}}, only="a") == {"a": {"count": 1, "rate": 0.5}}
    with pytest.raises(ConfigError, match=r"^b\.model: missing"):
        workflow.resolve({})


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ([1], r"one section a step \(a, b, c, d\); found \[1\]"),
        ("a", "one section a step"),
        ({"e": {}}, "^e: there is no such step. Steps: a, b, c, d"),
        ({1: {}}, "^1: there is no such step"),
        ({"a": [1]}, "^a: expected keys and values"),
        ({"a": {"count": "1"}}, r"^a\.count: "),
        ({"a": {"cuont": 1}}, r"^a\.cuont: unknown key. Did you mean 'count'\?"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(config: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        ABCD.resolve(config)


def test_the_state_of_a_run_finds_its_steps_and_what_failed() -> None:
    bad = StepState("b", "failed", error="no")
    state = WorkflowState([StepState("a", "finished"), bad])
    assert state.step("b") is bad
    assert state.failed == [bad]
