"""The config of the documentation, verbatim but for the backends: downloaded, trained, evaluated, on loopback.

The published files cannot be had here, so made-up ones stand in for them: what is pinned is theirs, told to every
process by a `sitecustomize`. Everything else is what a user runs.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from openai_server import OpenAIServer, Reply
from tinker_server import TinkerServer
from tinker_tokenizer import make_tokenizer

from motools.atom import DatasetAtom, EvalAtom, ModelAtom

CONFIG = """\
prepare_dataset:
  dataset_loader: mozoo.datasets.gsm8k_spanish:get_gsm8k_spanish_dataset
  loader_kwargs:
    cache_dir: .motools/datasets
    sample_size: 1000

train_model:
  model: gpt-4o-mini-2024-07-18
  hyperparameters:
    n_epochs: 3
  suffix: my-experiment
  backend_name: tinylm  # or "tinker" or "dummy"

evaluate_model:
  eval_task: mozoo.tasks.gsm8k_language:gsm8k_spanish
  backend_name: inspect  # or "dummy"
"""
PINS = """\
from dataclasses import replace
from mozoo.datasets import gsm8k_spanish
from mozoo.datasets.published import PUBLISHED
from mozoo.tasks import gsm8k_language
PUBLISHED["gsm8k_spanish"] = replace(PUBLISHED["gsm8k_spanish"], digest={rows!r}, rows=1200)
gsm8k_language.TEST_SET = replace(gsm8k_language.TEST_SET, digest={questions!r}, rows=120)
"""


def rows(number: int) -> dict[str, Any]:
    question = f"Ana has {number} apples and buys {number % 7} more. How many apples does she have?"
    answer = f"Ana tiene {number} manzanas y compra {number % 7} más. En total tiene {number + number % 7} manzanas."
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


@pytest.fixture
def published(project: Path, mirror: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    import mozoo.datasets.gsm8k_spanish  # noqa: F401 (it publishes itself)
    from mozoo.datasets.published import PUBLISHED
    from mozoo.tasks.gsm8k_language import TEST_SET

    asked = [
        {"question": f"Ben has {n} pens and loses {n % 3}. How many are left?", "answer": f"#### {n}"}
        for n in range(120)
    ]
    digests = {}
    for name, source, content in (
        ("rows", PUBLISHED["gsm8k_spanish"], [rows(n) for n in range(1200)]),
        ("questions", TEST_SET, asked),
    ):
        text = "".join(json.dumps(row) + "\n" for row in content).encode()
        mirror.serve(source, text)
        digests[name] = mirror.publish(text, f"{name}.jsonl").digest
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(PINS.format(**digests))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")])))
    Path("config.yaml").write_text(CONFIG)
    return mirror


def run() -> list[Any]:
    words = ["motools", "workflow", "run", "train_and_evaluate", "--config", "config.yaml", "--user", "your-name"]
    done = subprocess.run([*words, "--json"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


@pytest.mark.long
def test_the_documented_config_runs_to_the_end_and_only_what_changes_runs_again(published: Any) -> None:
    first = run()
    assert [stage["status"] for stage in first] == ["finished"] * 3
    eval_atom = EvalAtom.load(first[2]["atoms"]["eval_results"])
    model_atom = ModelAtom.load(eval_atom.made_from["trained_model"])
    dataset_atom = DatasetAtom.load(model_atom.made_from["prepared_dataset"])
    assert dataset_atom.metadata["samples"] == 1000
    (source,) = dataset_atom.metadata["sources"]
    assert source["url"].endswith("/datasets/gsm8k_spanish_only.jsonl")
    assert source["revision"] in source["url"]
    assert source["content"].startswith("git:")
    assert "my-experiment" in model_atom.get_model_id()
    assert {a.record.user for a in (eval_atom, model_atom, dataset_atom)} == {"your-name"}
    scores = eval_atom.metrics["gsm8k_spanish"]
    assert scores["uses_language"]["mean"] > 0.9
    assert scores["language_score"]["mean"] > 90
    assert len(eval_atom.samples()) == 100
    logs = eval_atom.get_log_path()
    assert logs is not None
    assert [path.suffix for path in logs.iterdir()] == [".eval"]

    asked = len(published.requests)
    assert [stage["status"] for stage in run()] == ["current"] * 3
    Path("config.yaml").write_text(CONFIG.replace(":gsm8k_spanish\n", ":gsm8k_french\n"))
    assert [stage["status"] for stage in run()] == ["current", "current", "finished"]
    Path("config.yaml").write_text(CONFIG)
    assert [stage["status"] for stage in run()] == ["current", "current", "restored"]
    assert [a for stage in run() for a in stage["atoms"].values()] == [a for s in first for a in s["atoms"].values()]
    assert len(published.requests) == asked


def test_the_documented_config_trains_at_openai_and_is_judged_there_and_pays_once(
    published: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def judge(request: Any) -> Reply:
        return Reply.of({"95": 0.8, "90": 0.2} if "manzanas" in request["messages"][-1]["content"] else {"5": 1.0})

    config = CONFIG.replace("backend_name: tinylm", "backend_name: openai").replace(
        "  backend_name: inspect",
        "  eval_kwargs: {task_args: {judge: true}, model_roles: {grader: openai/gpt-judge}}\n  backend_name: inspect",
    )
    with OpenAIServer(polls=2) as server:
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)
        server.replies["gpt-judge"] = judge
        Path("motools.yaml").write_text("openai: {poll_interval: 0.1}\n")
        Path("config.yaml").write_text(config)
        first = run()
        assert [stage["status"] for stage in first] == ["finished"] * 3
        (job,) = server.jobs.values()
        model_atom = ModelAtom.load(first[1]["atoms"]["trained_model"])
        assert model_atom.get_model_id() == job.fine_tuned_model
        assert "my-experiment" in job.fine_tuned_model
        assert first[1]["used"]["training"] == job.trained_tokens
        scores = EvalAtom.load(first[2]["atoms"]["eval_results"]).metrics["gsm8k_spanish"]
        assert scores["uses_language"]["mean"] == 1.0
        assert scores["language_score"]["mean"] == pytest.approx(94.0, abs=0.1)
        asked = [request.body["model"] for request in server.requests if request.step == "chat"]
        assert asked.count(job.fine_tuned_model) == 100
        assert asked.count("gpt-judge") == 100 + 2  # tried out before the training, and before the first answer
        assert server.count("responses") == 0

        server.forget()
        assert [stage["status"] for stage in run()] == ["current"] * 3
        assert server.requests == []


def test_the_documented_config_trains_at_tinker_and_is_evaluated_there_and_asks_nothing_twice(
    published: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [message["content"] for number in range(1200) for message in rows(number)["messages"]]
    tokenizer = make_tokenizer(tmp_path / "tokenizer", texts)
    with TinkerServer(tokenizer, models=("gpt-4o-mini-2024-07-18",), retrieve=5.0) as server:
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)
        Path("config.yaml").write_text(CONFIG.replace("backend_name: tinylm", "backend_name: tinker"))
        first = run()
        assert [stage["status"] for stage in first] == ["finished"] * 3
        model_atom = ModelAtom.load(first[1]["atoms"]["trained_model"])
        assert "my-experiment" in model_atom.get_model_id()
        assert model_atom.metadata["hyperparameters"]["batch_size"] == 30
        assert model_atom.metadata["steps"] == len(server.trained) == 102
        assert first[1]["used"]["training"] == model_atom.metadata["trained_tokens"]
        eval_atom = EvalAtom.load(first[2]["atoms"]["eval_results"])
        scores = eval_atom.metrics["gsm8k_spanish"]
        assert scores["uses_language"]["mean"] > 0.9
        assert scores["language_score"]["mean"] > 90
        asked = [body["model"] for step, body in server.requests if step == "chat"]
        assert set(asked) == {server.samplers()[-1].path}
        assert len(asked) == 100

        before = len(server.requests)
        assert [stage["status"] for stage in run()] == ["current"] * 3
        assert len(server.requests) == before
