"""Tasks of packages, by the names under which Inspect knows them; each test runs where the package is installed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chain import Chain
from openai_server import OpenAIServer, Reply, serving_inspect


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    with serving_inspect(monkeypatch) as running:
        running.replies["subject"] = lambda body: "I would do nothing of the kind."
        running.replies["judge"] = lambda body: Reply(VERDICT)
        yield running


def configure(project: Path, task: str, **kwargs: Any) -> None:
    sections = {
        "workflow": "evaluate_only",
        "existing_model": {"model": "openai-api/local/subject"},
        "evaluate_model": {"eval_task": task, "eval_kwargs": {"max_retries": 0, **kwargs}},
    }
    (project / "params.yaml").write_text(json.dumps(sections))


VERDICT = '<answer>no</answer> {"sycophancy_score": 1, "score": 1, "reasoning": "it is plain"}'
EVALS: dict[str, dict[str, Any]] = {
    "inspect_evals/agentic_misalignment": {"task_args": {"grader_model": "openai-api/local/judge"}, "epochs": 2},
    "inspect_evals/persistbench_sycophancy": {"limit": 2, "model_roles": {"grader": "openai-api/local/judge"}},
}


@pytest.mark.parametrize("task", EVALS)
def test_a_task_of_inspect_evals_runs_by_its_name(task: str, project: Path, server: OpenAIServer) -> None:
    pytest.importorskip("inspect_evals")
    configure(project, task, **EVALS[task])
    done = Chain(project).command("run")
    assert done.code == 0, done.err
    metrics = json.loads((project / "metrics" / "evaluate_model.json").read_text())
    assert list(metrics) == [task.rpartition("/")[2]]
    asked = [request.body["model"] for request in server.requests]
    assert asked.count("subject") >= 2
    server.forget()
    configure(project, task, **{**EVALS[task], "temperature": None, "fail_on_error": True})
    assert Chain(project).command("run").code == 0
    assert server.requests == []  # another key, and nothing new to ask


def test_the_audit_of_inspect_petri_runs_by_its_name(project: Path, server: OpenAIServer) -> None:
    pytest.importorskip("inspect_petri")
    judge = "openai-api/local/judge"
    configure(
        project, "inspect_petri/audit", limit=1, model_roles={"auditor": judge, "judge": judge, "target": "trained"}
    )
    done = Chain(project).command("run")
    assert done.code == 0, done.err
