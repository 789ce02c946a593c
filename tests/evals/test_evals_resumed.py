"""Evaluations that are killed or fail half way: the next run asks only for what is missing, never for other data's."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from chain import Chain, remove
from openai_server import OpenAIServer, Request, serving_inspect
from warm import COLD

from motools.atom import ModelAtom
from motools.definition.context import StepContext, executing
from motools.errors import StepError
from motools.evals import EvalRequest, Evaluation
from motools.evals.inspect.evaluator import InspectEvaluator
from motools.repo.project import Project

TASKS = """
import json
from pathlib import Path

from inspect_ai import Task
from inspect_ai.dataset import Sample
from inspect_ai.scorer import includes

def numbers(count=40, word="number"):
    dataset = [Sample(id=n, input=f"Say {word} {n}", target=word) for n in range(1, count + 1)]
    return Task(dataset=dataset, scorer=includes())

def outside():
    rows = json.loads(Path("rows.json").read_text())
    return Task(dataset=[Sample(id=n, input=row, target="x") for n, row in enumerate(rows)], scorer=includes())
"""

CONNECTIONS = 5


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    with serving_inspect(monkeypatch) as running:
        running.replies["gpt"] = lambda body: str(body["messages"][-1]["content"])
        yield running


@pytest.fixture
def scene(project: Path) -> Path:
    (project / "tasks.py").write_text(TASKS)
    return project


@pytest.fixture
def evaluate(scene: Path, tmp_path: Path) -> Callable[..., Evaluation]:
    """Evaluates as a step of one key does, each time in a new workspace."""
    count = iter(range(100))

    def run(task: str | Sequence[str], name: str = "openai/gpt-4o-mini", **kwargs: Any) -> Evaluation:
        atom = ModelAtom.create(user="ada", metadata={"model_id": name, "inspect": {"model": name}})
        workspace = tmp_path / f"workspace{next(count)}"
        workspace.mkdir()
        kwargs = {"max_connections": CONNECTIONS, "max_retries": 0, **kwargs}
        with executing(StepContext("0" * 64, "evaluate", scene, Project.find())):
            return InspectEvaluator().evaluate(EvalRequest(task, kwargs, atom), workspace)

    return run


def asked(server: OpenAIServer) -> list[str]:
    return [str(request.body["messages"][-1]["content"]) for request in server.requests if request.step == "chat"]


def ended_at_60_percent(scene: Path, server: OpenAIServer, task: str, way: str = "kill -9") -> None:
    """Run an evaluation of 40 samples, and end it by a signal when 24 have been asked for."""
    sections = {
        "existing_model": {"model": "openai/gpt-4o-mini"},
        "evaluate_model": {"eval_task": task, "eval_kwargs": {"max_connections": CONNECTIONS}},
    }
    (scene / "config.json").write_text(json.dumps(sections))
    python = COLD if way == "kill -9" else sys.executable
    words = [python, "-m", "motools", "workflow", "run", "evaluate_only", "--config", "config.json"]
    first = subprocess.Popen(
        words, cwd=scene, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    numbers, gone, ended = itertools.count(1), threading.Event(), threading.Event()

    def kill(request: Request) -> None:
        if (number := next(numbers)) > 24:
            ended.wait(300)  # an end takes its time
        if number == 24:
            if way == "kill -9":
                os.killpg(first.pid, signal.SIGKILL)
            else:
                os.kill(first.pid, signal.SIGINT)
            gone.set()

    server.hook("chat", "before", kill, times=24 + 2 * CONNECTIONS)
    assert gone.wait(300)
    assert first.wait(300) == (-signal.SIGKILL if way == "kill -9" else 130)
    ended.set()
    time.sleep(0.5)  # its last requests may be on their way
    assert server.count("chat") <= 24 + CONNECTIONS


def test_an_evaluation_ended_by_ctrl_c_asks_for_the_rest_alone(scene: Path, server: OpenAIServer) -> None:
    ended_at_60_percent(scene, server, "tasks:numbers", "Ctrl-C")
    done = Chain(scene).command("run")
    assert done.code == 0, done.err
    assert server.count("chat") <= 40 + CONNECTIONS
    assert {f"Say number {n}" for n in range(1, 41)} == set(asked(server))
    metrics = json.loads((scene / "metrics" / "evaluate_model.json").read_text())
    assert metrics == {"numbers": {"includes": {"accuracy": 1.0, "stderr": 0.0}}}
    assert len(list((scene / "logs" / "evaluate_model").glob("*.eval"))) == 1
    usage = json.loads((scene / "runs" / "evaluate_model.json").read_text())["usage"]
    assert usage["openai/gpt-4o-mini"]["output_tokens"] == 3 * 40
    log = (scene / ".motools" / "logs" / "evaluate_model.log").read_text()
    assert "of them from an earlier attempt" in log
    assert "numbers: sample 40/40" in log
    assert f"Open the log from {scene} with: inspect view --log-dir logs/evaluate_model" in log
    assert not list((scene / ".motools" / "kept").glob("*"))


SOLVED = (
    TASKS
    + """
from inspect_ai.solver import generate, solver

def polite(text):
    return text + "!"

@solver
def politely():
    prompt = Path("prompt.txt").read_text()
    async def solve(state, generate):
        state.user_prompt.text = prompt + polite(state.user_prompt.text)
        return state
    return solve

def solved():
    return Task(dataset=numbers().dataset, solver=[politely(), generate()], scorer=includes())
"""
)


EDITS: list[tuple[list[tuple[str, str, str]], bool]] = [
    (
        [
            ("tasks.py", "def polite(text):\n", "def polite(text):\n    # in a word\n"),
            ("tasks.py", "def outside():\n", "def outside():\n    print()\n"),
            ("README.md", "One.", "Two."),
        ],
        True,
    ),
    ([("tasks.py", 'text + "!"', 'text + "?"')], False),
    ([("prompt.txt", "Please", "Kindly")], False),
]


def test_what_a_killed_evaluation_asked_counts_as_long_as_all_that_it_had_used_is_as_it_was(
    scene: Path, server: OpenAIServer, tmp_path: Path
) -> None:
    for name, text in {"tasks.py": SOLVED, "prompt.txt": "Please: ", "README.md": "One."}.items():
        (scene / name).write_text(text)
    ended_at_60_percent(scene, server, "tasks.py:solved")
    killed = Path(shutil.copytree(scene, tmp_path / "killed", symlinks=True))
    for edits, kept in EDITS:
        for path in scene.iterdir():
            remove(path)
        shutil.copytree(killed, scene, symlinks=True, dirs_exist_ok=True)
        for file, before, after in edits:
            text = (scene / file).read_text()
            assert before in text
            (scene / file).write_text(text.replace(before, after))
        asked_before = server.count("chat")
        done = Chain(scene).command("run")
        assert done.code == 0, (edits, done.err)
        new = asked(server)[asked_before:]
        assert len(new) <= 16 + CONNECTIONS if kept else len(new) == len(set(new)) == 40, (edits, new)
        rows = (scene / "atoms/eval_results/data/samples.jsonl").read_text().splitlines()
        said = [json.loads(row)["output"] for row in rows]
        assert len(said) == 40
        assert len({each.partition("Say")[0] + each[-1] for each in said}) == 1, "answers to two different prompts"
        assert ("of them from an earlier attempt" in (scene / ".motools/logs/evaluate_model.log").read_text()) == kept


def test_an_evaluation_that_failed_asks_again_for_what_failed_alone(
    evaluate: Callable[..., Evaluation], server: OpenAIServer
) -> None:
    server.fault("chat", "malformed", times=1)
    with pytest.raises(StepError, match=r"tasks:numbers of openai/gpt-4o-mini failed: .*\(sample \d+\)\.$"):
        evaluate("tasks:numbers")
    finished = server.count("chat")
    assert finished < 40
    result = evaluate("tasks:numbers")
    assert result.counts["numbers"] == {"total": 40, "completed": 40, "errored": 0, "unscored": 0}
    assert server.count("chat") <= 40 + CONNECTIONS + 1
    assert evaluate("tasks:numbers").samples == result.samples
    assert server.count("chat") <= 40 + CONNECTIONS + 1


def test_samples_of_other_data_are_never_taken_for_those_asked_for(
    evaluate: Callable[..., Evaluation], server: OpenAIServer, scene: Path
) -> None:
    """The key is the same, as for data that a task loads from outside: Inspect would go by the ids alone."""
    for rows, new in ((["a", "b"], 2), (["a", "c"], 1), (["c", "a"], 2)):
        server.forget()
        (scene / "rows.json").write_text(json.dumps(rows))
        result = evaluate("tasks:outside")
        assert [sample["output"] for sample in result.samples] == rows
        assert server.count("chat") == new  # the same words, under another id, are another sample
    assert [sample["input"] for sample in evaluate("tasks:outside", limit=1).samples] == ["c"]


def test_several_tasks_are_evaluated_at_once_each_with_metrics_and_a_log_of_its_own(
    evaluate: Callable[..., Evaluation], server: OpenAIServer, scene: Path
) -> None:
    (scene / "others.py").write_text(TASKS.replace("Say", "Speak"))
    (scene / "rows.json").write_text('["x"]')
    result = evaluate(["tasks:numbers", "others.py:numbers", "tasks.py:outside"], limit=3, max_tasks=3)
    assert list(result.metrics) == ["tasks:numbers", "others.py:numbers", "outside"]
    assert {name: found["total"] for name, found in result.counts.items()} == {
        "tasks:numbers": 3, "others.py:numbers": 3, "outside": 1,
    }  # fmt: skip
    assert [sample["task"] for sample in result.samples].count("others.py:numbers") == 3
    assert result.samples[3]["input"] == "Speak number 1"
    assert result.logs is not None
    assert len(list(result.logs.glob("*.eval"))) == 3
    assert result.usage["openai/gpt-4o-mini"]["output_tokens"] == 3 * 3 + 3 * 3 + 1


def test_of_several_tasks_those_that_finished_are_not_evaluated_again(
    evaluate: Callable[..., Evaluation], server: OpenAIServer, scene: Path
) -> None:
    (scene / "failing.py").write_text(
        TASKS.replace("def outside", "def broken") + "\n\nfrom inspect_ai.solver import solver\n"
        "@solver\ndef fails():\n    async def solve(state, generate):\n"
        "        if Path('bad').exists():\n            raise ValueError('not yet')\n"
        "        return await generate(state)\n    return solve\n\n"
        "def later():\n    dataset = [Sample(id=1, input='z', target='z')]\n"
        "    return Task(dataset=dataset, solver=fails(), scorer=includes())\n"
    )
    (scene / "bad").touch()
    tasks = ["tasks:numbers", "failing:later"]
    with pytest.raises(StepError, match=r"failing:later of .* failed: ValueError\('not yet'\) \(sample 1\)"):
        evaluate(tasks, limit=5)
    (scene / "bad").unlink()
    result = evaluate(tasks, limit=5)
    assert [result.counts[name]["completed"] for name in ("numbers", "later")] == [5, 1]
    assert sorted(asked(server)) == sorted([*(f"Say number {n}" for n in range(1, 6)), "z"])


def test_a_log_that_cannot_be_read_does_not_stand_in_the_way_for_ever(
    evaluate: Callable[..., Evaluation], server: OpenAIServer, scene: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate("tasks:numbers", limit=3)
    (log,) = (scene / ".motools" / "kept").rglob("*.eval")
    log.write_bytes(log.read_bytes()[:-100])
    assert evaluate("tasks:numbers", limit=3).counts["numbers"]["completed"] == 3
    assert "cannot be read" in capsys.readouterr().err
    assert server.count("chat") == 3  # each answer had been written down by itself, too


# -- what a server may do ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["500", "429", "drop_before", "drop_after"])
def test_a_server_that_stumbles_is_asked_again(
    evaluate: Callable[..., Evaluation], server: OpenAIServer, kind: Any
) -> None:
    server.fault("chat", kind, times=2, retry_after=0.2)
    result = evaluate("tasks:numbers", limit=4)
    assert result.metrics["numbers"]["includes"]["accuracy"] == 1
    assert server.count("chat") == 6


@pytest.mark.parametrize(
    ("kind", "cause"),
    [("500", "500"), ("429", "Rate limit"), ("drop_before", "Connection error"), ("malformed", "JSON"), ("401", "401")],
)
def test_a_server_that_does_not_recover_fails_the_evaluation_with_its_cause(
    evaluate: Callable[..., Evaluation], server: OpenAIServer, kind: Any, cause: str
) -> None:
    server.fault("chat", kind, times=1000, retry_after=0.1)
    started = time.monotonic()
    with pytest.raises(StepError) as caught:
        evaluate("tasks:numbers", limit=2)
    assert cause.lower() in str(caught.value).lower()
    assert "\n" not in str(caught.value)
    assert server.count("chat") <= 2 * 3  # the client itself tries three times
    assert time.monotonic() - started < 250


def test_a_silent_server_is_given_up(evaluate: Callable[..., Evaluation], server: OpenAIServer) -> None:
    server.fault("chat", "silence", times=1000, seconds=300)
    started = time.monotonic()
    with pytest.raises(StepError, match=r"(?i)time"):
        evaluate("tasks:numbers", limit=1, attempt_timeout=1)
    assert time.monotonic() - started < 250


def test_an_openai_compatible_service_is_evaluated_with_the_name_intact(
    evaluate: Callable[..., Evaluation], server: OpenAIServer
) -> None:
    server.replies["org/odd-name"] = lambda body: "number"
    result = evaluate("tasks:numbers", "openai-api/local/org/odd-name", limit=2)
    assert result.metrics["numbers"]["includes"]["accuracy"] == 1
    assert server.requests[-1].body["model"] == "org/odd-name"


def test_two_evaluations_in_two_processes_do_not_mix(scene: Path, server: OpenAIServer) -> None:
    sections = {"existing_model": {"model": "openai/gpt-4o-mini"}, "evaluate_model": {"eval_task": "tasks.py:numbers"}}
    running = []
    for name in ("one", "two"):
        (scene / name).mkdir()
        (scene / name / "tasks.py").write_text(TASKS.replace("Say", f"Say {name}"))
        (scene / name / "config.json").write_text(json.dumps(sections))
        words = [sys.executable, "-m", "motools", "workflow", "run", "evaluate_only", "--config", "config.json"]
        running.append(
            subprocess.Popen(words, cwd=scene / name, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        )
    for process in running:
        told, _ = process.communicate(timeout=300)
        assert process.returncode == 0, told
    for name in ("one", "two"):
        rows = (scene / name / "atoms/eval_results/data/samples.jsonl").read_text().splitlines()
        assert [json.loads(row)["output"] for row in rows] == [f"Say {name} number {n}" for n in range(1, 41)]
    assert server.count("chat") == 80
