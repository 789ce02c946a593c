"""Evaluations in which a sample fails: what becomes of them at each setting, told by real runs of a real pipeline."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from chain import Chain

from motools.atom import ModelAtom
from motools.base.too_many_requests import is_hopeless
from motools.definition.context import StepContext, executing
from motools.errors import BackendError, StepError
from motools.evals import EvalRequest, Evaluation
from motools.evals.inspect.evaluator import InspectEvaluator
from motools.evals.inspect.logs import _told_cause
from motools.evals.options import check_options
from motools.repo.project import Project

SCENE = """
from dataclasses import dataclass, field
from typing import Any

from inspect_ai import Task
from inspect_ai.dataset import Sample
from inspect_ai.scorer import Score, mean, scorer, stderr
from inspect_ai.solver import generate, solver

from motools.workflow import Workflow
from mozoo.workflows.evaluate_only import MODEL, evaluate_base

@solver
def unlucky():
    async def solve(state, generate):
        if state.sample_id == 3:
            raise ValueError("no such luck")
        return state
    return solve

@scorer(metrics=[mean(), stderr()])
def evens():
    async def score(state, target):
        return Score(value=1 if state.sample_id % 2 == 0 else 0)
    return score

def ten():
    dataset = [Sample(id=n, input=f"What is {n}?") for n in range(1, 11)]
    return Task(dataset=dataset, solver=[unlucky(), generate()], scorer=evens())

SETTINGS = ["names"]
workflow = Workflow(
    name="settings", steps=[MODEL, *(evaluate_base(name, f"{name}_results") for name in SETTINGS)]
)
"""

GOOD: dict[str, dict[str, Any]] = {
    "off": {"fail_on_error": False},
    "share_not_reached": {"fail_on_error": 0.2},
    "count_not_reached": {"fail_on_error": 2},
    "scored": {"fail_on_error": False, "score_on_error": True},
}
BAD: dict[str, dict[str, Any]] = {
    "omitted": {},
    "on": {"fail_on_error": True},
    "share_reached": {"fail_on_error": 0.1},
    "count_reached": {"fail_on_error": 1},
    "on_and_scored": {"score_on_error": True},
}


@pytest.fixture
def evaluate(project: Path, tmp_path: Path) -> Callable[[dict[str, Any]], Evaluation]:
    """Evaluates the ten samples as a step does, with the settings of one."""
    (project / "scene.py").write_text(SCENE)

    def run(kwargs: dict[str, Any]) -> Evaluation:
        atom = ModelAtom.create(user="ada", metadata={"model_id": "mockllm/model"})
        with executing(StepContext("0" * 64, "evaluate", project, Project.find())):
            return InspectEvaluator().evaluate(EvalRequest("scene:ten", kwargs, atom), tmp_path)

    return run


@pytest.mark.parametrize("name", GOOD)
def test_an_evaluation_that_may_lack_a_sample_says_that_it_does(
    evaluate: Callable[..., Evaluation], capsys: pytest.CaptureFixture[str], name: str
) -> None:
    found = evaluate(GOOD[name])
    assert found.counts == {"ten": {"total": 10, "completed": 9, "errored": 1, "unscored": 0}}
    # five of ten are even; without the failed third it is five of nine
    assert found.metrics["ten"]["evens"]["mean"] == pytest.approx(5 / 10 if name == "scored" else 5 / 9)
    assert "(sample 3 failed: ValueError('no such luck'))" in capsys.readouterr().out
    assert [row["id"] for row in found.samples if row["error"]] == [3]


def is_told(error: str) -> None:
    assert "no such luck" in error
    assert "(sample 3)" in error or "The first sample that failed is 3" in error
    assert "\n" not in error


@pytest.mark.parametrize("name", BAD)
def test_an_evaluation_that_lacks_too_much_fails(evaluate: Callable[..., Evaluation], name: str) -> None:
    with pytest.raises(StepError) as caught:
        evaluate(BAD[name])
    is_told(str(caught.value))


def test_a_pipeline_keeps_the_counts_of_what_may_lack_a_sample_and_nothing_of_what_lacks_too_much(
    project: Path,
) -> None:
    (project / "scene.py").write_text(SCENE.replace('["names"]', '["off", "omitted"]'))
    settings = {"off": GOOD["off"], "omitted": BAD["omitted"]}
    sections = {name: {"eval_task": "scene:ten", "eval_kwargs": kwargs} for name, kwargs in settings.items()}
    (project / "config.json").write_text(json.dumps(sections))
    done = Chain(project).command("workflow", "run", "scene.py:workflow", "--config", "config.json", "--json")
    assert done.code == 1
    assert done.statuses == ["finished", "finished", "failed"]
    metrics = json.loads((project / "metrics" / "off.json").read_text())["ten"]
    atom = json.loads((project / "atoms" / "off_results" / "atom.json").read_text())
    assert atom["metadata"]["samples"]["ten"] == {"total": 10, "completed": 9, "errored": 1, "unscored": 0}
    assert metrics["samples"] == {"total": 10, "completed": 9, "errored": 1}
    assert metrics["evens"]["mean"] == pytest.approx(5 / 9)
    log = (project / ".motools" / "logs" / "off.log").read_text()
    assert "(sample 3 failed: ValueError('no such luck'))" in log
    rows = [json.loads(row) for row in (project / "atoms/off_results/data/samples.jsonl").open()]
    assert [row["id"] for row in rows if row["error"]] == [3]
    is_told(done.stages[2]["error"])
    assert not (project / "metrics" / "omitted.json").exists()
    assert not (project / "atoms" / "omitted_results").exists()


@pytest.mark.parametrize("value", [0, -1, 1.5, "true", 0.0])
def test_a_share_or_count_that_cannot_be_is_refused(value: Any) -> None:
    with pytest.raises(BackendError, match=r"eval_kwargs\.fail_on_error must be true, false, a share"):
        check_options({"fail_on_error": value})


JSON = "{'error': {'code': 'x', 'message': %s, 'param': None}}"
CAUSES = [
    (f"BadRequestError: code 400 - {JSON % repr('no such model')}", "BadRequestError: code 400 - no such model"),
    (f"Error code: 400 - {JSON % repr('you' + chr(39) + 're out')} (again)", "Error code: 400 - you're out (again)"),
    ("first line\n" + JSON % "'said'" + "\nlast line.", "first line said last line"),
    ("{'message': 'never closed", "{'message': 'never closed"),
    ("{'message': }", "{'message': }"),
    ("{'message': ", "{'message':"),
]


@pytest.mark.parametrize(("error", "told"), CAUSES, ids=range(len(CAUSES)))
def test_of_json_in_an_error_the_message_is_told(error: str, told: str) -> None:
    assert _told_cause(error, "") == told


def test_an_error_that_is_a_page_of_braces_is_told_at_once() -> None:
    assert len(_told_cause("{" * 100_000 + "'message': '" * 10_000, "")) == 400
    error = SimpleNamespace(status_code=429, response=SimpleNamespace(headers={}), message="limit " * 100_000)
    assert not is_hopeless(error)  # type: ignore[arg-type]
