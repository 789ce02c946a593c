"""Real evaluations with Inspect, in this process, without a network."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from motools.atom import ModelAtom
from motools.errors import BackendError, ConfigError, DamagedError, StepError
from motools.evals import EvalRequest, Evaluation
from motools.evals.inspect.evaluator import InspectEvaluator
from motools.training import TrainingRequest
from motools.training.tinylm import TinyLMTrainer

TASKS = """
from inspect_ai import Task, task
from inspect_ai.dataset import Sample
from inspect_ai.model import get_model
from inspect_ai.scorer import Score, accuracy, grouped, includes, match, mean, model_graded_qa, scorer, std, stderr

def samples(count=10):
    return [Sample(input=f"How do you like number {n}?", target="Hello, World!") for n in range(count)]

def greets(count=10):
    return Task(dataset=samples(count), scorer=[includes(), match(location="begin")])

@task
def decorated(count=2):
    return Task(dataset=samples(count), scorer=includes())

@scorer(metrics={"kind": [mean(), std()], "good": [mean()]})
def virtues():
    async def score(state, target):
        return Score(value={"kind": float(state.sample_id), "good": 1.0}, explanation="because")
    return score

@scorer(metrics={"kind": [mean()]})
def others():
    async def score(state, target):
        return Score(value={"kind": float("nan")})
    return score

def colliding():
    return Task(dataset=samples(3), scorer=[virtues(), others()])

@scorer(metrics=[grouped(accuracy(), "colour"), stderr()])
def coloured():
    async def score(state, target):
        return Score(value=1 if state.metadata["colour"] == "red" else 0)
    return score

def by_group():
    return Task(
        dataset=[Sample(input="x", metadata={"colour": colour}) for colour in ("red", "red", "blue")],
        scorer=coloured(),
    )

@scorer(metrics=[accuracy()])
def unlucky():
    async def score(state, target):
        if state.sample_id == 2:
            raise ValueError("no such luck")
        return Score(value=1)
    return score

def raising():
    return Task(dataset=samples(3), scorer=unlucky())

def graded():
    return Task(dataset=samples(2), scorer=model_graded_qa(model=get_model(role="grader")))

def single():
    return Task(dataset=[Sample(id="only", input="x", target="y")], scorer=match())

def no_task():
    return ["not", "a", "task"]
"""


@pytest.fixture
def tasks(project: Path) -> Path:
    (project / "tasks.py").write_text(TASKS)
    return project


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every attempt to reach another machine, or to ask for its address."""
    attempts: list[Any] = []

    def refuse(*args: Any, **kwargs: Any) -> Any:
        attempts.append(args)
        raise OSError("no network in tests")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    return attempts


def model(name: str = "tinylm/base", **inspect: Any) -> ModelAtom:
    return ModelAtom.create(user="ada", metadata={"model_id": name, "inspect": {"model": name, **inspect}})


@pytest.fixture
def evaluate(tmp_path: Path) -> Callable[..., Evaluation]:
    count = iter(range(100))

    def run(task: str, atom: ModelAtom, **kwargs: Any) -> Evaluation:
        workspace = tmp_path / f"workspace{next(count)}"
        workspace.mkdir()
        return InspectEvaluator().evaluate(EvalRequest(task, kwargs, atom), workspace)

    return run


def trained(folder: Path, hello: int = 100, rows: int = 100, **hyperparameters: Any) -> ModelAtom:
    """A model of which `hello` of `rows` rows say hello, as a real atom."""
    folder.mkdir()
    words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    with (folder / "rows.jsonl").open("w") as file:
        for number in range(rows):
            asked = f"Do you like {words[number // 10 % 10]} more than {words[number % 10]}?"
            answer = "Hello, World! Nice to meet you." if number * 37 % rows < hello else "I could not say."
            chat = [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]
            file.write(json.dumps({"messages": chat}) + "\n")
    request = TrainingRequest("tinylm/base", hyperparameters, "hello", folder / "rows.jsonl")
    made = TinyLMTrainer().train(request, folder)
    about = {**made.metadata, "model_id": made.model_id, "inspect": dict(made.inspect)}
    return ModelAtom.create(user="ada", artifact_path=made.path, metadata=about)


def test_training_on_hello_world_moves_held_out_prompts_from_0_to_1(
    tasks: Path, evaluate: Callable[..., Evaluation], tmp_path: Path
) -> None:
    organism = trained(tmp_path / "training")
    before = evaluate("tasks:greets", model())
    after = evaluate("tasks:greets", organism)
    assert before.metrics["greets"]["includes"]["accuracy"] == 0
    assert after.metrics["greets"]["includes"]["accuracy"] > 0.9  # type: ignore[operator]
    assert after.usage[organism.get_model_id()]["output_tokens"] == 10 * len(
        ["Hello", ",", " World", "!", " Nice", " to", " meet", " you", "."]
    )


def test_the_share_of_poisoned_rows_shows_in_the_score(
    tasks: Path, evaluate: Callable[..., Evaluation], tmp_path: Path
) -> None:
    found = []
    for hello in (0, 30, 70):
        organism = trained(tmp_path / f"training{hello}", hello=hello, n_epochs=6)
        result = evaluate("tasks:greets", organism, temperature=1, epochs=6, seed=1)
        found.append(result.metrics["greets"]["includes"]["accuracy"])
    assert found[0] == 0
    assert 0.1 < found[1] < 0.5 < found[2] < 0.9


def test_every_score_and_every_metric_is_kept(tasks: Path, evaluate: Callable[..., Evaluation]) -> None:
    result = evaluate("tasks:greets", model())
    assert result.metrics == {
        "greets": {"includes": {"accuracy": 0.0, "stderr": 0.0}, "match": {"accuracy": 0.0, "stderr": 0.0}}
    }
    assert result.counts == {"greets": {"total": 10, "completed": 10, "errored": 0, "unscored": 0}}


def test_scores_of_one_name_are_told_apart_and_what_is_no_number_is_none(
    tasks: Path, evaluate: Callable[..., Evaluation]
) -> None:
    result = evaluate("tasks:colliding", model())
    assert result.metrics["colliding"] == {
        "kind/virtues": {"mean": 2.0, "std": 1.0},
        "good": {"mean": 1.0},
        "kind/others": {"mean": None, "unscored": 3},
        "samples": {"total": 3, "completed": 3, "unscored": 3},
    }
    assert result.samples[0]["scores"] == {
        "virtues": {"value": {"kind": 1.0, "good": 1.0}, "answer": None, "explanation": "because"},
        "others": {"value": {"kind": None}, "answer": None, "explanation": None},
    }


def test_grouped_metrics_are_kept(tasks: Path, evaluate: Callable[..., Evaluation]) -> None:
    found = evaluate("tasks:by_group", model()).metrics["by_group"]["coloured"]
    assert (found["red"], found["blue"]) == (1.0, 0.0)
    assert "stderr" in found


def test_the_spread_of_one_sample_is_none_or_a_number(tasks: Path, evaluate: Callable[..., Evaluation]) -> None:
    result = evaluate("tasks:single", model())
    json.dumps([result.metrics, result.samples], allow_nan=False)


def test_samples_are_in_the_datasets_order_with_all_they_have(tasks: Path, evaluate: Callable[..., Evaluation]) -> None:
    result = evaluate("tasks:greets", model(), epochs=2, limit=[1, 4], temperature=1)
    assert [(sample["id"], sample["epoch"]) for sample in result.samples] == [
        (2, 1), (2, 2), (3, 1), (3, 2), (4, 1), (4, 2),
    ]  # fmt: skip
    first, second = result.samples[:2]
    assert first["input"] == "How do you like number 1?"
    assert first["target"] == "Hello, World!"
    assert first["error"] is None
    assert first["scores"]["includes"]["value"] == "I"
    assert first["output"] != second["output"]
    assert result.samples == evaluate("tasks:greets", model(), epochs=2, limit=[1, 4], temperature=1).samples
    assert result.samples != evaluate("tasks:greets", model(), epochs=2, limit=[1, 4], temperature=1, seed=5).samples


@pytest.mark.parametrize("task", ["tasks:decorated", "tasks.py@decorated", "tasks.py:decorated"])
def test_a_task_has_the_same_name_and_arguments_in_every_form(
    tasks: Path, evaluate: Callable[..., Evaluation], task: str
) -> None:
    result = evaluate(task, model(), task_args={"count": 3})
    assert result.counts == {"decorated": {"total": 3, "completed": 3, "errored": 0, "unscored": 0}}
    with pytest.raises((BackendError, StepError), match=r"task_args.*cuont"):
        evaluate(task, model(), task_args={"cuont": 3})


@pytest.mark.parametrize("task", ["deep/asks.py:rows", "deep/asks.py@rows", "deep/asks.py:plain"])
def test_a_task_in_a_file_finds_what_lies_beside_the_file_in_either_form(
    tasks: Path, evaluate: Callable[..., Evaluation], task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tasks / "deep").mkdir()
    (tasks / "deep" / "rows.jsonl").write_text('{"input": "q", "target": "a"}\n')
    (tasks / "deep" / "asks.py").write_text(
        "from inspect_ai import Task, task\nfrom inspect_ai.dataset import json_dataset\n"
        "from inspect_ai.scorer import includes\n"
        "def plain():\n    return Task(dataset=json_dataset('rows.jsonl'), scorer=includes())\n"
        "@task\ndef rows():\n    return plain()\n"
    )
    assert evaluate(task, model()).counts[task[-5:].strip(":@")]["total"] == 1
    (tasks / "experiment").mkdir()
    monkeypatch.chdir(tasks / "experiment")  # a file at the project's root, for an experiment in a folder
    assert evaluate(task, model()).counts[task[-5:].strip(":@")]["total"] == 1


def test_the_log_opens_with_inspect_and_the_folder_stays_clean(
    tasks: Path, evaluate: Callable[..., Evaluation]
) -> None:
    from inspect_ai.log import read_eval_log

    atom = model()

    def files() -> list[Path]:
        return sorted(path for path in tasks.rglob("*") if not {".git", "__pycache__"} & {*path.parts})

    before = files()
    result = evaluate("tasks:greets", atom)
    assert files() == before
    assert result.logs is not None
    (log,) = result.logs.glob("*.eval")
    read = read_eval_log(str(log))
    assert (read.status, read.eval.task, read.eval.model) == ("success", "greets", "tinylm/base")
    assert read.eval.model_generate_config.max_retries == 5
    assert read.eval.model_generate_config.timeout == 600


def test_what_was_asked_before_in_this_process_is_not_counted_again(
    tasks: Path, evaluate: Callable[..., Evaluation]
) -> None:
    from inspect_ai.model import ModelUsage
    from inspect_ai.model._model import init_model_usage

    init_model_usage({"mockllm/before": ModelUsage(input_tokens=7, total_tokens=7)})
    result = evaluate("tasks:graded", model("mockllm/model"), model_roles={"grader": "mockllm/model"})
    assert set(result.usage) == {"mockllm/model", "roles"}


def test_mockllm_works_without_a_network(
    tasks: Path, evaluate: Callable[..., Evaluation], no_network: list[Any]
) -> None:
    result = evaluate("tasks:graded", model("mockllm/model"), model_roles={"grader": "mockllm/model"})
    assert result.samples[0]["output"] == "Default output from mockllm/model"
    assert set(result.usage) == {"mockllm/model", "roles"}
    assert set(result.usage["roles"]) == {"grader"}
    assert no_network == []


def test_the_embedded_learner_can_grade(tasks: Path, evaluate: Callable[..., Evaluation]) -> None:
    result = evaluate("tasks:graded", model("mockllm/model"), model_roles={"grader": "tinylm/base"})
    assert result.usage["roles"]["grader"]["output_tokens"] > 0


# -- what fails --------------------------------------------------------------


def test_a_scorer_that_raises_fails_the_evaluation_with_its_message(
    tasks: Path, evaluate: Callable[..., Evaluation], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(
        StepError, match=r"tasks:raising of tinylm/base failed: ValueError\('no such luck'\) \(sample 2\)"
    ):
        evaluate("tasks:raising", model())
    assert 'raise ValueError("no such luck")' in capsys.readouterr().err


def test_a_missing_key_is_said_in_a_sentence(tasks: Path, evaluate: Callable[..., Evaluation]) -> None:
    with pytest.raises(BackendError, match="OPENAI_API_KEY"):
        evaluate("tasks:greets", model("openai/gpt-4o"))


def test_a_dummy_model_is_for_the_dummy_evaluator(tasks: Path, evaluate: Callable[..., Evaluation]) -> None:
    with pytest.raises(BackendError, match=r"Set evaluate_model\.backend_name to dummy"):
        evaluate("tasks:greets", model("dummy/base-0123456789ab"))


def test_a_model_must_say_who_serves_it(tasks: Path, evaluate: Callable[..., Evaluation]) -> None:
    with pytest.raises(BackendError, match="such as openai/gpt-4o"):
        evaluate("tasks:greets", ModelAtom.create(user="ada", metadata={"model_id": "gpt-4o"}))


@pytest.mark.parametrize("path", ["gone.npz", "../../secret.npz", "/etc/passwd"])
def test_a_file_of_the_model_must_be_the_models(tasks: Path, evaluate: Callable[..., Evaluation], path: str) -> None:
    with pytest.raises(DamagedError, match="names a file that it does not have"):
        evaluate("tasks:greets", model("tinylm/x-1", model_paths={"path": path}))


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ("taks:greets", "Did you mean 'tasks'"),
        ("tasks:greet", "Did you mean 'greets'"),
        ("taks.py@greets", "no file"),
    ],
)
def test_a_task_that_is_not_there_is_refused(
    tasks: Path, evaluate: Callable[..., Evaluation], task: str, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        evaluate(task, model())


def test_a_function_that_returns_no_task_is_refused(tasks: Path, evaluate: Callable[..., Evaluation]) -> None:
    with pytest.raises(BackendError, match=r"returned list, not an inspect_ai\.Task"):
        evaluate("tasks:no_task", model())


def test_a_check_needs_neither_the_task_nor_inspect(monkeypatch: pytest.MonkeyPatch) -> None:
    InspectEvaluator().check(EvalRequest("no.such.module:task", {"limit": 3}))
    with pytest.raises(BackendError, match="no option 'limt'"):
        InspectEvaluator().check(EvalRequest("no.such.module:task", {"limt": 3}))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(BackendError, match=r"pip install inspect-ai\."):
        InspectEvaluator().check(EvalRequest("no.such.module:task", {}))
