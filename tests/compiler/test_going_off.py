"""Whoever trains, evaluates or is judged by a model that goes off is told, by whichever command looks at the config."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from chain import Chain
from openai_scene import Scene
from openai_server import OpenAIServer

from motools.code.search_path import pipeline_folder
from motools.compiler.compile import compile_workflow
from motools.compiler.find_workflow import load_workflow
from motools.engine.checks import warnings

SEED = {"model": "gpt-4o-mini-2024-07-18", "backend_name": "openai"}
JUDGE = {"eval_task": "mozoo/emergent_misalignment", "eval_kwargs": {"model_roles": {"grader": "openai/gpt-4.1"}}}
TODAY = date(2026, 11, 27)


def told(folder: Path, workflow: str, config: dict[str, Any]) -> list[str]:
    place = pipeline_folder(folder, needs_project=False)
    compiled = compile_workflow(load_workflow(workflow, place), workflow, config, place)
    return list(warnings(compiled, compiled.stages, today=TODAY))


def test_the_base_model_the_trainer_the_judge_and_the_evaluated_model_are_named(bare_project: Path) -> None:
    said = told(
        bare_project,
        "compare",
        {
            "train_model": SEED,
            "existing_model": {"model": "openai/gpt-5"},
            "evaluate_model": JUDGE,
            "evaluate_base": JUDGE,
        },
    )
    fine_tuned = "; every model that was fine-tuned from it goes off the same day"
    no_jobs = (
        "; it takes no new fine-tuning jobs from then on, and takes none now from organisations that are new to it"
    )
    assert {line.partition(" (")[0] for line in said} == {
        f"train_model: openai/gpt-4o-mini-2024-07-18 goes off on 2027-01-14, in 48 days{fine_tuned}",
        f"train_model: trainer openai goes off on 2027-01-06, in 40 days{no_jobs}",
        "existing_model: openai/gpt-5 goes off on 2026-12-11, in 14 days",
        f"evaluate_model: openai/gpt-4.1 goes off on 2027-01-14, in 48 days{fine_tuned}",
    }


@pytest.mark.parametrize("trainer", ["tinylm", "dummy"])
def test_a_model_that_another_stands_in_for_may_go_off(trainer: str, bare_project: Path) -> None:
    config = {"train_model": {**SEED, "backend_name": trainer}, "evaluate_model": {"backend_name": "dummy"}}
    assert told(bare_project, "train_and_evaluate", config) == []


def test_a_config_of_ones_own_workflow_is_looked_through(bare_project: Path) -> None:
    (bare_project / "mine.py").write_text(
        "from dataclasses import dataclass, field\n"
        "from motools.workflow import Step, StepConfig, Workflow\n\n"
        "@dataclass\nclass Config(StepConfig):\n    ask: dict = field(default_factory=dict)\n\n"
        "def do(config, input_atoms, workspace):\n    pass\n\n"
        "workflow = Workflow('mine', [Step('do', {}, {'made': 'thing'}, Config, do)])\n"
    )
    (line,) = told(bare_project, "mine.py:workflow", {"do": {"ask": {"whom": ["gpt-4.1-mini"]}}})
    assert line.startswith("do: openai/gpt-4.1-mini goes off on 2027-01-14")


def test_validate_status_and_run_warn_and_go_on(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    soon = (date.today() + timedelta(10)).isoformat()
    with OpenAIServer() as server:
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)
        scene = Scene.lay(project, server, model="gpt-4o-mini")
        server.shutdowns["gpt-4o-mini"] = soon
        warned = f"train_model: openai/gpt-4o-mini goes off on {soon}, in 10 days (the model list of 127.0.0.1)."
        chain = Chain(project)
        for words in (
            ("workflow", "validate", "train_and_evaluate", "-c", "params.yaml"),
            ("status", "--check"),
            ("run", "--dry-run"),
        ):
            done = chain.command(*words)
            assert done.code == 0, done.err
            assert warned in done.said, words
        assert {request.step for request in server.requests} == {"models"}
        server.forget()
        assert chain.command("status").code == 0
        assert server.requests == []  # it asks nobody
        done = scene.run()
        assert done.code == 0
        assert warned in " ".join(done.err.split())
        server.forget()
        assert scene.run().code == 0
        assert server.requests == []


def test_status_warns_of_what_is_known_without_asking_anybody(project: Path) -> None:
    (project / "params.yaml").write_text(
        json.dumps({"workflow": "evaluate_only", "existing_model": {"model": "openai/gpt-4-turbo"}})
    )
    done = Chain(project).command("status")
    assert done.code == 0
    assert "existing_model: openai/gpt-4-turbo went off on 2026-10-23 (https://" in done.said


@pytest.mark.parametrize("kind", ["500", "401", "drop_before", "malformed", "silence_before"])
def test_a_list_that_cannot_be_had_stops_nobody(kind: Any, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from motools.training.openai import model_list

    monkeypatch.setattr(model_list, "TIMEOUT", 0.3)
    with OpenAIServer() as server:
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)
        server.shutdowns["gpt-4o-mini"] = "2027-02-03"
        server.fault("models", kind)
        assert model_list.shutdown_dates() == {}
        assert model_list.shutdown_dates() == {"gpt-4o-mini": date(2027, 2, 3)}
        monkeypatch.setenv("MOTOOLS_OFFLINE", "1")
        server.forget()
        assert model_list.shutdown_dates() == {}
        assert server.requests == []
