"""What is refused before anything starts: one set of checks, whichever command makes them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from chain import Chain

ROWS = """\
def rows(count=3):
    turns = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
    return [{"messages": turns}] * count
"""
WRONG = {
    "a hyperparameter": ({"train_model": "{hyperparameters: {n_epoch: 3}}"}, "Did you mean 'n_epochs'"),
    "an option": ({"evaluate_model": "{eval_kwargs: {limt: 3}}"}, "Did you mean 'limit'"),
    "a task by its bare name": ({"evaluate_model": "{eval_task: hello_world}"}, "does not name"),
    "a task that its package does not have": ({"evaluate_model": "{eval_task: mozoo/helo_world}"}, "mozoo/hello_world"),
    "a task that is nowhere": ({"evaluate_model": "{eval_task: 'tasks:sums'}"}, "no module 'tasks'"),
    "a loader by its bare name": (
        {"prepare_dataset": "{dataset_loader: hello_world}"},
        "Did you mean 'mozoo.datasets.hello_world:get_hello_world_dataset'?",
    ),
    "an argument of a loader": (
        {"prepare_dataset": "{dataset_loader: 'loader.py:rows', loader_kwargs: {cuont: 2}}"},
        "Did you mean 'count'",
    ),
    "a key": ({"train_model": "{model: gpt-4o-mini, backend_name: openai}"}, "OPENAI_API_KEY"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_run_refuses_is_refused_in_the_same_words_by_whoever_checks(what: str, project: Path) -> None:
    sections, said = WRONG[what]
    (project / "loader.py").write_text(ROWS)
    text = "".join(f"{name}: {section}\n" for name, section in sections.items())
    (project / "params.yaml").write_text(f"workflow: train_and_evaluate\n{text}")
    before = sorted(project.iterdir())
    scene = Chain(project)
    sentences = {}
    for words in (
        ("workflow", "validate", "train_and_evaluate", "--config", "params.yaml"),
        ("status", "--check"),
        ("run", "--dry-run"),
        ("workflow", "run", "train_and_evaluate", "--config", "params.yaml", "--dry-run"),
        ("run",),
    ):
        done = scene.command(*words)
        assert done.code == 2, words
        sentences[words] = done.sentence
    assert len(set(sentences.values())) == 1, sentences
    assert said in done.sentence
    left = [path.name for path in sorted(project.iterdir()) if path not in before]
    assert set(left) <= {".motools"}  # its lock and index


def test_the_projects_env_file_is_read_before_a_key_is_looked_for(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "")  # so that it is taken back at the end
    monkeypatch.delenv("OPENAI_API_KEY")
    (project / ".env").write_text("OPENAI_API_KEY=not-a-real-one\n")
    (project / "params.yaml").write_text(
        "workflow: train_and_evaluate\ntrain_model: {model: gpt-4o-mini, backend_name: openai}\n"
    )
    assert Chain(project).command("status", "--check").code == 0


def test_status_alone_tells_what_would_run_whatever_is_wrong_with_it(project: Path) -> None:
    (project / "params.yaml").write_text("workflow: evaluate_only\nevaluate_model: {eval_kwargs: {limt: 3}}\n")
    assert Chain(project).command("status").code == 0


def test_a_dry_run_tells_what_would_run_where_an_input_cannot_be_read(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "not-a-real-one")
    chain = Chain(project)
    (project / "loader.py").write_text(ROWS)
    (project / "params.yaml").write_text(
        "workflow: train_and_evaluate\nprepare_dataset: {dataset_loader: 'loader.py:rows'}\n"
        "train_model: {backend_name: dummy}\nevaluate_model: {backend_name: dummy}\n"
    )
    assert chain.run().code == 0
    data = chain.object("atoms/prepared_dataset", "data/dataset.jsonl")
    data.chmod(0o644)
    data.write_bytes(b"")
    (project / "atoms" / "prepared_dataset" / "data" / "dataset.jsonl").unlink()
    chain.edit("params.yaml", "tinylm/base", "gpt-4o-mini")
    chain.set("train_model", backend_name="openai")  # which tells what it would use, from the rows
    assert chain.run("--dry-run").code == 0


JUDGED = {
    "a task with a judge": "mozoo/emergent_misalignment",
    "a judge that is asked for": "mozoo/aesthetic_preferences",
}


@pytest.mark.parametrize("what", JUDGED)
def test_the_key_of_a_judge_that_nobody_has_chosen_is_missed_before_anything_runs(
    what: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    chain = Chain(project)

    def refused(kwargs: str) -> str:
        (project / "params.yaml").write_text(
            "workflow: evaluate_only\nexisting_model: {model: mockllm/model}\n"
            f"evaluate_model: {{eval_task: {JUDGED[what]}, eval_kwargs: {{{kwargs}}}}}\n"
        )
        done = chain.command("status", "--check")
        return done.sentence if done.code == 2 else ""

    asks = "task_args: {judge: true}" if what == "a judge that is asked for" else ""
    assert "needs OPENAI_API_KEY" in refused(asks)
    assert "model_roles.grader" in refused(asks)
    own = "model_roles: {grader: mockllm/model}"
    assert refused(f"{asks}, {own}" if asks else own) == ""
    monkeypatch.setenv("OPENAI_API_KEY", "not-a-real-one")
    assert refused(asks) == ""


def test_checking_a_pipeline_elsewhere_leaves_the_process_where_it_is(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def moved(path: object) -> None:
        raise AssertionError(f"other threads would be in {path} too")

    (project / "a").mkdir()
    (project / "a" / "loader.py").write_text(ROWS)
    (project / "a" / "params.yaml").write_text(
        "workflow: train_and_evaluate\nprepare_dataset: {dataset_loader: 'loader.py:rows', loader_kwargs: {cuont: 2}}\n"
        "train_model: {backend_name: dummy}\nevaluate_model: {backend_name: dummy}\n"
    )
    monkeypatch.setattr(os, "chdir", moved)
    done = Chain(project).command("status", "a", "--check")
    assert "Did you mean 'count'" in done.sentence
    Chain(project / "a").edit("params.yaml", "cuont", "count")
    assert Chain(project).command("status", "a", "--check").code == 0


def test_code_beside_a_models_weights_is_executed_only_where_the_evaluation_asks_for_it(project: Path) -> None:
    (project / "params.yaml").write_text(
        "workflow: evaluate_only\nexisting_model: {model: hf/some/model, model_args: {trust_remote_code: true}}\n"
        "evaluate_model: {eval_task: mozoo/hello_world}\n"
    )
    chain = Chain(project)
    done = chain.command("status", "--check")
    assert "write eval_kwargs: {model_args: {trust_remote_code: true}}" in done.sentence
    chain.set("evaluate_model", eval_kwargs={"model_args": {"trust_remote_code": True}})
    assert chain.command("status", "--check").code == 0
