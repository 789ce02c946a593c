"""Tasks of packages, by the names under which Inspect knows them; each test runs where the package is installed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chain import Chain
from openai_server import OpenAIServer, Reply, serving_inspect

from motools.errors import BackendError
from motools.evals.inspect.evaluator import place
from motools.evals.inspect.models import stand_in
from motools.evals.inspect.tasks import rehearsed_tasks


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
    roles = {"auditor": judge, "judge": judge, "target": "trained"}
    # Compaction counts tokens with a vocabulary that is downloaded.
    args = {"max_turns": 2, "compaction": False}
    configure(project, "inspect_petri/audit", limit=1, model_roles=roles, task_args=args)
    done = Chain(project).command("run")
    assert done.code == 0, done.err


def publish(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, registry: str) -> None:
    """Install a package that registers its tasks with Inspect as `inspect_evals` does."""
    package = folder / name
    info = folder / f"{package.name}-1.0.dist-info"
    for each in (package, info):
        each.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "_registry.py").write_text(registry)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package.name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[inspect_ai]\n{package.name} = {package.name}._registry\n")
    monkeypatch.syspath_prepend(str(folder))


GUARDED = """
from inspect_ai import Task, task

@task(name="publishing_guarded/guarded")  # Inspect puts the package's name there where that lies in site-packages
def guarded():
    try:
        import not_there_at_all
    except ImportError:
        raise ImportError("guarded needs the extra: pip install publishing[guarded].")
    return Task()
"""


@pytest.mark.parametrize(
    ("kind", "registry", "words"),
    [
        (
            "missing",
            "import not_there_at_all.deeper",
            "be imported: it needs the module not_there_at_all",
        ),
        ("broken", "raise RuntimeError('no luck')", "cannot be imported: .*no luck"),
        ("empty", "from inspect_ai import task", "registers no task '.*/guarded' with Inspect. Known: none"),
        (
            "guarded",
            GUARDED,
            r"be made: it needs the module not_there_at_all, .*pip install publishing\[guarded\]",
        ),
    ],
)
def test_a_package_that_lacks_what_it_needs_is_told_from_one_that_has_no_such_task(
    kind: str, registry: str, words: str, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = f"publishing_{kind}"  # of its own: Inspect remembers what it has loaded
    publish(tmp_path / "site", monkeypatch, package, registry)
    with pytest.raises(BackendError, match=words), stand_in():
        rehearsed_tasks([f"{package}/guarded"], {}, place())
