"""The dummy evaluator, and the options that every evaluator understands."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from motools.atom import ModelAtom
from motools.errors import BackendError
from motools.evals import EvalRequest, Evaluation, find_evaluator
from motools.evals.dummy import DummyEvaluator
from motools.evals.options import check_options, check_tasks, sample_limit, task_name


@pytest.fixture
def model(project: Path) -> ModelAtom:
    return ModelAtom.create(user="ada", metadata={"model_id": "dummy/base-0123456789ab"})


def evaluate(model: ModelAtom, folder: Path, task: str = "no.such:thing", **kwargs: Any) -> Evaluation:
    request = EvalRequest(task, kwargs, model)
    DummyEvaluator().check(request)
    return DummyEvaluator().evaluate(request, folder)


def test_the_same_evaluation_gives_the_same_numbers(model: ModelAtom, tmp_path: Path) -> None:
    first = evaluate(model, tmp_path)
    assert first == evaluate(model, tmp_path)
    assert list(first.metrics) == ["thing"]
    accuracy = first.metrics["thing"]["dummy"]["accuracy"]
    assert accuracy is not None
    assert 0 <= accuracy <= 1
    assert accuracy == round(sum(s["scores"]["dummy"]["value"] for s in first.samples) / 10, 4)


def test_another_task_option_or_model_gives_other_numbers(model: ModelAtom, tmp_path: Path) -> None:
    other = ModelAtom.create(user="ada", metadata={"model_id": "dummy/other-0123456789ab"})
    found = [
        evaluate(model, tmp_path),
        evaluate(other, tmp_path),
        evaluate(model, tmp_path, task="other.module:thing"),
        evaluate(model, tmp_path, seed=1),
        evaluate(model, tmp_path, anything={"goes": ["here"]}),
    ]
    assert len({str(evaluation.metrics["thing"]) for evaluation in found}) == len(found)


def test_limit_sets_the_samples(model: ModelAtom, tmp_path: Path) -> None:
    assert len(evaluate(model, tmp_path).samples) == 10
    assert len(evaluate(model, tmp_path, limit=None).samples) == 10
    assert [sample["id"] for sample in evaluate(model, tmp_path, limit=[4, 7]).samples] == [5, 6, 7]
    limited = evaluate(model, tmp_path, limit=3)
    assert limited.counts == {"thing": {"total": 3, "completed": 3, "errored": 0, "unscored": 0}}
    with pytest.raises(BackendError, match=r"eval_kwargs\.limit must be .*, not 0"):
        evaluate(model, tmp_path, limit=0)


def test_both_evaluators_are_found_by_their_names() -> None:
    for name in ("dummy", "inspect"):
        assert hasattr(find_evaluator(name), "evaluate")


@pytest.mark.parametrize(
    ("task", "name"),
    [
        ("mozoo.tasks.hello_world:hello_world", "hello_world"),
        ("tasks.py@hello", "hello"),
        ("some/where/tasks.py:hello", "hello"),
        ("mozoo/hello_world", "hello_world"),
        ("inspect_evals/sub/hello", "hello"),
    ],
)
def test_a_task_has_one_name_in_every_form(task: str, name: str) -> None:
    check_tasks([task])
    assert task_name(task) == name


@pytest.mark.parametrize("task", ["hello", "hello world", "tasks.py", "a:b:c", ":x", "tasks.py@", "", "a.b:", "/x"])
def test_what_names_no_task_is_refused(task: str) -> None:
    with pytest.raises(BackendError, match="does not name an Inspect task"):
        check_tasks([task])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"limit": 5},
        {"limit": [0, 5]},
        {"limit": None, "temperature": None},
        {"epochs": 3, "temperature": 0, "top_p": 1, "max_tokens": 1, "seed": -4},
        {"task_args": {"language": "es"}, "model_args": {"base_url": "http://localhost"}},
        {"model_roles": {"grader": "openai/gpt-4o"}},
        {"max_connections": 1, "max_retries": 0, "timeout": 30},
    ],
)
def test_options_as_they_should_be_are_accepted(options: dict[str, Any]) -> None:
    check_options(options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"temprature": 1}, "no option 'temprature'. Did you mean 'temperature'? Known: task_args, limit, "),
        ({"limit": True}, "limit must be"),
        ({"limit": [5, 2]}, "not [5, 2]"),
        ({"limit": [1]}, "not [1]"),
        ({"epochs": 0}, "not 0"),
        ({"epochs": 1.0}, "not 1.0"),
        ({"temperature": "0.7"}, "not '0.7'"),
        ({"temperature": -1}, "not -1"),
        ({"temperature": math.nan}, "not nan"),
        ({"top_p": 0}, "not 0"),
        ({"top_p": 1.1}, "not 1.1"),
        ({"max_tokens": "many"}, "not 'many'"),
        ({"seed": 1.5}, "not 1.5"),
        ({"model_roles": {"grader": "gpt-4o"}}, "{grader: openai/gpt-6-luna}"),
        ({"model_roles": "openai/gpt-4o"}, "not 'openai/gpt-4o'"),
        ({"task_args": ["es"]}, "not ['es']"),
        ({"task_args": {1: "es"}}, "not {1: 'es'}"),
        ({"timeout": 0}, "not 0"),
    ],
)
def test_an_option_that_cannot_be_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(BackendError) as error:
        check_options(options)
    assert words in str(error.value)


def test_a_limit_is_a_range() -> None:
    assert sample_limit({}) == (0, None)
    assert sample_limit({"limit": 5}) == (0, 5)
    assert sample_limit({"limit": [2, 5]}) == (2, 5)
