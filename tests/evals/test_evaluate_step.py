"""The step evaluate_model with one task or several: what is in its key, and what it makes of their results."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from motools.code.search_path import PipelineFolder
from motools.compiler.step_call import step_key
from motools.compiler.step_code import of_step
from motools.errors import BackendError, ConfigError
from motools.evals import EvalRequest
from motools.evals.api_keys import key_of
from motools.evals.dummy import DummyEvaluator
from motools.evals.inspect.evaluator import InspectEvaluator
from motools.repo.project import Project
from motools.workflow import Workflow
from mozoo.workflows.evaluate_only import workflow

TASKS = "def one():\n    return 1\n\n\ndef two():\n    return 2\n"


@pytest.fixture
def scene(project: Path) -> Path:
    (project / "tasks.py").write_text(TASKS)
    return project


def key(folder: Path, **section: Any) -> str:
    assert isinstance(workflow, Workflow)
    step = workflow.step("evaluate_model")
    values = workflow.resolve({"evaluate_model": section}, only="evaluate_model")["evaluate_model"]
    return step_key(
        step, values, of_step(step, values, PipelineFolder(Project.find(), folder)), {"base_model": "model-1"}
    )


def test_every_task_of_a_list_is_in_the_key_and_looked_for(scene: Path) -> None:
    assert key(scene, eval_task=["tasks:one", "tasks.py:two"]) != key(scene, eval_task="tasks:one")
    with pytest.raises(ConfigError, match=r"evaluate_model\.eval_task\[1\]: .*Did you mean 'two'"):
        key(scene, eval_task=["tasks:one", "tasks:tow"])


def test_the_version_of_every_published_task_of_a_list_is_in_the_key(scene: Path) -> None:
    step = workflow.step("evaluate_model")
    tasks = ["mozoo.tasks.hello_world:hello_world", "mozoo.tasks.gsm8k_language:gsm8k_french"]
    values = workflow.resolve({"evaluate_model": {"eval_task": tasks}}, only="evaluate_model")["evaluate_model"]
    versions = of_step(step, values, PipelineFolder(Project.find(), scene)).versions
    assert [versions[f"config.eval_task[{n}]"].rpartition("@")[0] for n in (0, 1)] == tasks


def test_the_grader_is_in_the_key(scene: Path) -> None:
    keys = {
        key(scene, eval_task="tasks:one", eval_kwargs=kwargs)
        for kwargs in ({}, {"model_roles": {"grader": "openai/a"}}, {"model_roles": {"grader": "openai/b"}})
    }
    assert len(keys) == 3


def test_a_pipeline_with_a_list_of_tasks_has_metrics_by_task(scene: Path) -> None:
    sections = {
        "existing_model": {"model": "dummy/x"},
        "evaluate_model": {"eval_task": ["tasks:one", "tasks:two"], "backend_name": "dummy"},
    }
    (scene / "config.json").write_text(json.dumps(sections))
    words = ["motools", "workflow", "run", "evaluate_only", "--config", "config.json"]
    done = subprocess.run(words, cwd=scene, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert list(json.loads((scene / "metrics" / "evaluate_model.json").read_text())) == ["one", "two"]
    atom = json.loads((scene / "atoms" / "eval_results" / "atom.json").read_text())
    assert atom["metadata"]["task"] == ["tasks:one", "tasks:two"]


def test_a_grader_without_a_key_is_refused_before_any_step_runs(scene: Path) -> None:
    kwargs = {"model_roles": {"grader": "openai/gpt-4o"}}
    sections = {"evaluate_model": {"eval_kwargs": kwargs}}
    (scene / "config.json").write_text(json.dumps(sections))
    words = ["motools", "workflow", "run", "evaluate_only", "--config", "config.json"]
    done = subprocess.run(words, cwd=scene, capture_output=True, text=True, timeout=300)
    assert done.returncode == 2, done.stderr
    assert "eval_kwargs.model_roles.grader: the model openai/gpt-4o needs OPENAI_API_KEY" in done.stderr
    assert not (scene / "atoms").exists()


@pytest.mark.parametrize(
    ("tasks", "words"),
    [([], "empty list"), (["m:f", "m:f"], "'m:f' twice"), (["m:f", "nonsense"], "'nonsense' does not name")],
)
def test_a_list_of_tasks_that_cannot_be_is_refused(tasks: list[str], words: str) -> None:
    with pytest.raises(BackendError, match=words):
        InspectEvaluator().check(EvalRequest(tasks, {}))


def test_the_dummy_evaluates_several_tasks_too(scene: Path, tmp_path: Path) -> None:
    from motools.atom import ModelAtom

    atom = ModelAtom.create(user="ada", metadata={"model_id": "dummy/x"})
    both = DummyEvaluator().evaluate(EvalRequest(["a:one", "b:one"], {"limit": 2}, atom), tmp_path)
    alone = DummyEvaluator().evaluate(EvalRequest("a:one", {"limit": 2}, atom), tmp_path)
    assert set(both.metrics) == {"a:one", "b:one"}
    assert both.metrics["a:one"] == alone.metrics["one"]
    assert [sample["task"] for sample in both.samples] == ["a:one", "a:one", "b:one", "b:one"]


@pytest.mark.parametrize(
    ("model", "variable"),
    [
        ("openai/gpt-4o", "OPENAI_API_KEY"),
        ("openai/azure/gpt-4o", None),
        ("openai-api/my-service/org/name", "MY_SERVICE_API_KEY"),
        ("tinylm/base", None),
        ("hf/org/name", None),
    ],
)
def test_which_key_a_model_needs_is_said_only_where_it_is_certain(model: str, variable: str | None) -> None:
    assert key_of(model) == variable


TWO_MODELS = """
from mozoo.workflows.evaluate_only import MODEL
from mozoo.workflows.train_and_evaluate import EVALUATE
from dataclasses import replace
from functools import partial
from motools.steps import existing_model
from motools.workflow import Workflow

workflow = Workflow("two", [
    replace(MODEL, name="one", outputs={"first": "model"}, fn=partial(existing_model, output="first")),
    replace(MODEL, name="two", outputs={"second": "model"}, fn=partial(existing_model, output="second")),
    replace(EVALUATE, inputs={"first": "model", "second": "model"}),
])
"""


@pytest.mark.parametrize("backend", ["dummy", "inspect"])
def test_several_models_are_evaluated_on_several_tasks_in_one_step(scene: Path, backend: str) -> None:
    (scene / "two.py").write_text(TWO_MODELS)
    (scene / "real.py").write_text(
        "from inspect_ai import Task\nfrom inspect_ai.dataset import Sample\nfrom inspect_ai.scorer import includes\n\n"
        "def one():\n    return Task(dataset=[Sample(id=1, input='a', target='output')], scorer=includes())\n\n"
        "def two():\n    return Task(dataset=[Sample(id=n, input='b', target='') for n in (1, 2)], scorer=includes())\n"
    )
    names = ["mockllm/model", "tinylm/base"] if backend == "inspect" else ["dummy/x", "dummy/y"]
    sections = {
        "workflow": "two.py:workflow",
        "one": {"model": names[0]},
        "two": {"model": names[1]},
        "evaluate_model": {"eval_task": ["real:one", "real:two"], "backend_name": backend},
    }
    (scene / "params.yaml").write_text(json.dumps(sections))
    done = subprocess.run(["motools", "run"], cwd=scene, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads((scene / "metrics" / "evaluate_model.json").read_text())
    assert list(found) == ["first/one", "first/two", "second/one", "second/two"]
    lines = (scene / "atoms" / "eval_results" / "data" / "samples.jsonl").read_text().splitlines()
    tasks = [json.loads(line)["task"] for line in lines]
    if backend == "inspect":
        assert tasks == ["first/one", *["first/two"] * 2, "second/one", *["second/two"] * 2]
        assert found["first/one"]["includes"]["accuracy"] == 1.0
        assert len(list((scene / "logs" / "evaluate_model").glob("*.eval"))) == 4
