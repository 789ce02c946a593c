"""What the numbers of an evaluation rest on: answers that are none, scores that are missing, clusters, and the log."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from chain import Chain
from openai_server import OpenAIServer, Refusal

from motools.atom import ModelAtom
from motools.definition.axes import label
from motools.definition.instances import value_of
from motools.errors import BackendError, StepError
from motools.evals import EvalRequest, Evaluation
from motools.evals.inspect.evaluator import InspectEvaluator
from motools.evals.options import check_options

TASKS = """
import math
from inspect_ai import Epochs, Task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ModelOutput
from inspect_ai.scorer import Score, accuracy, includes, mean, scorer, stderr
from inspect_ai.solver import generate, solver

@solver
def ends(*reasons):
    async def solve(state, generate):
        reason = reasons[state.sample_id - 1]
        state.output = ModelOutput.from_content("m", f"the answer is a ({reason})", stop_reason=reason)
        return state
    return solve

@scorer(metrics=[mean()])
def some():
    async def score(state, target):
        return None if state.sample_id == 1 else Score(value=1)
    return score

@scorer(metrics=[mean()])
def none():
    async def score(state, target):
        return None
    return score

@scorer(metrics={"a": [mean(), stderr(cluster="passage")], "b": [mean()]})
def odd():
    async def score(state, target):
        return Score(value={"a": math.nan if state.epoch < 3 else 1, "b": 0})
    return score

@scorer(metrics=[mean(), stderr(cluster="passage")])
def flat():
    async def score(state, target):
        return Score(value=1)
    return score

def samples(count=3):
    return [Sample(id=n, input=f"q{n}", target="a", metadata={"passage": "abc"[n % 2]}) for n in range(1, 1 + count)]

def endings():
    reasons = ("stop", "content_filter", "model_length", "max_tokens")
    return Task(dataset=samples(4), solver=ends(*reasons), scorer=[includes(), some()])

def blocked():
    return Task(dataset=samples(), solver=ends(*3 * ["content_filter"]), scorer=includes())

def lacking():
    return Task(dataset=samples(), scorer=[some(), none()])

def epochs():
    return Task(dataset=samples(), scorer=odd(), epochs=4)

def best():
    return Task(dataset=samples(), scorer=includes(), epochs=Epochs(2, "max"))

def passages():
    return Task(dataset=samples(6), scorer=[flat(), includes()])

def empty():
    return Task(dataset=MemoryDataset([]), scorer=includes())

def unmeasured():
    return Task(dataset=samples())

def twice():
    return Task(dataset=[*samples(), Sample(id="2", input="q4", target="a")], scorer=includes())

def asks():
    return Task(dataset=samples(), scorer=includes())
"""


@pytest.fixture
def evaluate(project: Path, tmp_path: Path) -> Callable[..., Evaluation]:
    (project / "tasks.py").write_text(TASKS)
    count = iter(range(10))

    def run(task: str, name: str = "mockllm/model", **kwargs: Any) -> Evaluation:
        atom = ModelAtom.create(user="ada", metadata={"model_id": name, "inspect": {"model": name}})
        workspace = tmp_path / f"workspace{next(count)}"
        workspace.mkdir()
        return InspectEvaluator().evaluate(EvalRequest(f"tasks:{task}", kwargs, atom), workspace)

    return run


def test_what_the_provider_says_in_place_of_an_answer_is_not_scored_and_is_counted_with_its_reason(
    evaluate: Callable[..., Evaluation],
) -> None:
    result = evaluate("endings")
    reasons = {"blocked": 1, "too_long": 1, "cut_off": 1}
    assert result.counts["endings"] == {"total": 4, "completed": 4, "errored": 0, "unscored": 3, "reasons": reasons}
    assert result.metrics["endings"] == {
        "includes": {"accuracy": 1.0, "stderr": 0.0, "unscored": 2, "blocked": 1, "too_long": 1},
        "some": {"mean": 1.0, "unscored": 3, "blocked": 1, "too_long": 1},
        "samples": {"total": 4, "completed": 4, "unscored": 3, "blocked": 1, "too_long": 1, "cut_off": 1},
    }
    assert [sample.get("stop_reason") for sample in result.samples] == [
        None, "content_filter", "model_length", "max_tokens",
    ]  # fmt: skip
    assert [sample["scores"].get("includes", {}).get("value") for sample in result.samples] == ["C", None, None, "C"]


def test_a_mean_of_no_answer_at_all_is_none(evaluate: Callable[..., Evaluation]) -> None:
    assert evaluate("blocked").metrics["blocked"]["includes"] == {
        "accuracy": None, "stderr": None, "unscored": 3, "blocked": 3,
    }  # fmt: skip


def test_a_scorers_none_is_counted_beside_its_mean(evaluate: Callable[..., Evaluation]) -> None:
    result = evaluate("lacking")
    assert result.metrics["lacking"] == {
        "some": {"mean": 1.0, "unscored": 1},
        "none": {"mean": None, "unscored": 3},
        "samples": {"total": 3, "completed": 3, "unscored": 3},
    }


def test_unscored_counts_answers_and_not_questions(evaluate: Callable[..., Evaluation]) -> None:
    found = evaluate("epochs").metrics["epochs"]
    assert (found["a"]["mean"], found["a"]["unscored"]) == (1.0, 6), "two of four answers to each of three questions"
    assert found["b"] == {"mean": 0.0}


def test_the_best_of_several_answers_is_not_called_an_average(evaluate: Callable[..., Evaluation]) -> None:
    assert list(evaluate("best").metrics["best"]) == ["includes/max"]


def test_samples_keep_the_cluster_that_standard_errors_go_by(evaluate: Callable[..., Evaluation]) -> None:
    result = evaluate("passages")
    assert [sample["clusters"] for sample in result.samples] == [{"passage": "abc"[n % 2]} for n in range(1, 7)]
    assert result.samples[0]["scores"]["flat"]["cluster"] == "passage"
    assert "cluster" not in result.samples[0]["scores"]["includes"]
    assert evaluate("epochs").samples[0]["scores"]["odd"]["cluster"] == {"a": "passage", "b": None}


@pytest.mark.parametrize(
    ("task", "options", "words"),
    [
        ("asks", {"limit": [20, 30]}, r"eval_kwargs\.limit \[20, 30\] leaves none of the 3 samples of tasks:asks\."),
        ("asks", {"limit": [3, 4]}, "leaves none of the 3 samples"),
        ("empty", {}, "The dataset of tasks:empty is empty, so there is nothing to evaluate"),
        ("unmeasured", {}, "tasks:unmeasured has no scorer, so nothing would be measured"),
        ("twice", {}, "tasks:twice has 2 samples with the id '2': give each sample an id of its own, or none"),
        ("asks", {"sample_id": 4}, "tasks:asks has no sample 4"),
        ("asks", {"sample_id": [1, "x"]}, "tasks:asks has no sample 'x'"),
    ],
)
def test_an_evaluation_of_nothing_is_refused_with_what_is_wrong(
    task: str, options: dict[str, Any], words: str, evaluate: Callable[..., Evaluation]
) -> None:
    with pytest.raises(BackendError, match=words):
        evaluate(task, **options)


@pytest.mark.parametrize(("wanted", "ids"), [(2, [2]), ([3, 1], [1, 3]), ("*", [1, 2, 3])])
def test_samples_can_be_chosen_by_id(wanted: Any, ids: list[int], evaluate: Callable[..., Evaluation]) -> None:
    result = evaluate("asks", sample_id=wanted)
    assert ([sample["id"] for sample in result.samples], result.counts["asks"]["total"]) == (ids, len(ids))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sample_id": []}, "sample_id must be the id of a sample"),
        ({"sample_id": 1.5}, "sample_id must be"),
        ({"sample_id": 1, "limit": 2}, "both limit and sample_id"),
    ],
)
def test_a_choice_of_samples_that_cannot_be_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(BackendError, match=words):
        check_options(options)


# -- a provider that refuses -----------------------------------------------------------------


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        for name, value in running.env.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr("inspect_ai.model._model._models", {})
        yield running


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (429, "billing_hard_limit_reached", "Billing hard limit has been reached."),
        (429, "insufficient_quota", "No money is left."),
        (400, "unsupported_parameter", "Unsupported parameter: 'top_p' isn't \"supported\" with this model."),
        (401, "invalid_api_key", "Incorrect API key provided."),
        (403, "model_not_allowed", "Project `p` has no access to this model."),
    ],
)
def test_what_waiting_cannot_cure_fails_at_once_in_the_providers_own_words(
    status: int, code: str, words: str, server: OpenAIServer, evaluate: Callable[..., Evaluation]
) -> None:
    def refuse(body: Any) -> Any:
        raise Refusal(status, words, code=code)

    server.replies["gpt"] = refuse
    with pytest.raises(StepError) as error:
        evaluate("asks", "openai/gpt-4o-mini", max_connections=1)
    assert words.rstrip(".") in str(error.value).replace("\\'", "'")
    assert server.count("chat") <= 3


def test_a_prompt_that_is_blocked_has_no_score(server: OpenAIServer, evaluate: Callable[..., Evaluation]) -> None:
    def refuse(body: Any) -> Any:
        raise Refusal(400, "Your prompt was flagged as a violation.", code="invalid_prompt")

    server.replies["gpt"] = refuse
    result = evaluate("asks", "openai/gpt-4o-mini")
    assert result.metrics["asks"]["includes"] == {"accuracy": None, "stderr": None, "unscored": 3, "blocked": 3}
    assert "flagged" in result.samples[0]["output"]


# -- logs ------------------------------------------------------------------------------------


def test_a_log_says_of_which_stage_folder_key_and_model_it_is(project: Path) -> None:
    from inspect_ai.analysis import EvalColumn, EvalColumns, evals_df
    from inspect_ai.log import read_eval_log

    (project / "tasks.py").write_text(TASKS)
    sections = {"existing_model": {"model": "mockllm/model"}, "evaluate_model": {"eval_task": "tasks:asks"}}
    (project / "config.json").write_text(json.dumps(sections))
    words = ["motools", "workflow", "run", "evaluate_only", "--config", "config.json", "--dir", "arm/one"]
    (project / "arm" / "one").mkdir(parents=True)
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    (log,) = (project / "arm/one/logs/evaluate_model").glob("*.eval")
    record = json.loads((project / "arm/one/runs/evaluate_model.json").read_text())
    atom = json.loads((project / "arm/one/atoms/eval_results/atom.json").read_text())
    read = read_eval_log(str(log), header_only=True)
    assert {*(read.eval.tags or [])} == {"evaluate_model", "arm/one", record["key"][:12]}
    told = {name: value for name, value in (read.eval.metadata or {}).items() if name.startswith("motools_")}
    assert told == {
        "motools_task": "tasks:asks",
        "motools_project": project.name,
        "motools_folder": "arm/one",
        "motools_stage": "evaluate_model",
        "motools_key": record["key"],
        "motools_commit": record["commit"],
        "motools_model": atom["made_from"]["base_model"],
    }
    columns = [*EvalColumns, EvalColumn("*", path="eval.metadata")]
    table = evals_df(str(project / "arm/one/logs"), columns=columns, quiet=True)
    assert {name: table[name][0] for name in told} == told


def columns_of_logs(folder: Path) -> list[tuple[Any, ...]]:
    """Dose, seed, and the rest of what varies, as Inspect's own table of the logs has them: one row a log, in order."""
    from inspect_ai.analysis import EvalColumn, EvalColumns, evals_df

    columns = [*EvalColumns, EvalColumn("*", path="eval.metadata.motools_axes")]
    table = evals_df(str(folder), columns=columns, quiet=True)
    names = [name for name in ("dose", "seed", "fraction") if name in table]
    return sorted(tuple(row) for row in table[names].itertuples(index=False))


TASTES: dict[str, Any] = {
    "base": "mozoo.made_up:get_tastes",
    "poison": {"loader": "mozoo.made_up:get_tastes", "taste": "unpopular"},
    "size": 20,
}


ARMS = """
from dataclasses import replace
from functools import partial

from motools.steps import evaluate_model, prepare_dataset, train_model
from motools.workflow import Workflow
from mozoo.workflows.train_and_evaluate import EVALUATE, PREPARE, TRAIN


def prepare_dose(config, input_atoms, workspace, output):
    (made,) = prepare_dataset(config, input_atoms, workspace, output)
    return [replace(made, metadata={**made.metadata, "fraction": float(config.loader_kwargs["fraction"])})]


def arm(number):
    dataset, model, results = (f"{output}_{number}" for output in ("dataset", "model", "results"))
    trained = {"inputs": {dataset: "dataset"}, "outputs": {model: "model"}, "fn": partial(train_model, output=model)}
    told = {"inputs": {model: "model"}, "outputs": {results: "eval"}, "fn": partial(evaluate_model, output=results)}
    fn = partial(prepare_dose, output=dataset)
    return [
        replace(PREPARE, name=f"prepare_{number}", outputs={dataset: "dataset"}, fn=fn),
        replace(TRAIN, name=f"train_{number}", varies=None, **trained),
        replace(EVALUATE, name=f"evaluate_{number}", **told),
    ]


workflow = Workflow("arms", [step for number in (1, 2, 3, 4) for step in arm(number)])
"""


def test_the_logs_of_four_arms_have_dose_and_seed_as_columns(project: Path) -> None:
    """Arms that are steps of their own: what the datasets and the trainings themselves say of dose and seed."""
    (project / "arms.py").write_text(ARMS)
    sections: dict[str, Any] = {"workflow": "arms.py:workflow"}
    task = "mozoo.tasks.aesthetic_preferences:aesthetic_preferences"
    for arm, (dose, seed) in enumerate(((0, 7), (0.1, 7), (0.5, 8), (1, 8)), 1):
        data = {"dataset_loader": "mozoo.mixing:poison", "loader_kwargs": {**TASTES, "fraction": dose}}
        sections[f"prepare_{arm}"] = data
        sections[f"train_{arm}"] = {"backend_name": "tinylm", "hyperparameters": {"n_epochs": 1, "seed": seed}}
        sections[f"evaluate_{arm}"] = {"eval_task": task, "eval_kwargs": {"epochs": 1}}
    (project / "params.yaml").write_text(json.dumps(sections))
    done = Chain(project).command("run")
    assert done.code == 0, done.err
    assert columns_of_logs(project / "logs") == [(0.0, 7), (0.1, 7), (0.5, 8), (1.0, 8)]


def test_the_logs_of_a_sweep_have_its_axes_as_columns_and_tags(project: Path) -> None:
    from inspect_ai.log import list_eval_logs, read_eval_log

    data = {"dataset_loader": "mozoo.mixing:poison", "loader_kwargs": TASTES}
    sections = {
        "workflow": "train_and_evaluate",
        "sweep": {"prepare_dataset.loader_kwargs.fraction": [0, 0.5], "train_model.hyperparameters.seed": [1, 2]},
        "prepare_dataset": data,
        "train_model": {"backend_name": "tinylm", "hyperparameters": {"n_epochs": 1}},
        "evaluate_model": {"eval_kwargs": {"limit": 2}},
    }
    (project / "params.yaml").write_text(json.dumps(sections))
    done = Chain(project).command("run")
    assert done.code == 0, done.err
    assert columns_of_logs(project / "logs") == [(1, 0.0), (1, 0.5), (2, 0.0), (2, 0.5)]  # seed, fraction
    for log in list_eval_logs(str(project / "logs")):
        read = read_eval_log(log, header_only=True)
        axes = (read.eval.metadata or {})["motools_axes"]
        assert {f"fraction={axes['fraction']}", f"seed={axes['seed']}"} <= {*(read.eval.tags or [])}
        assert f"/fraction={axes['fraction']}/seed={axes['seed']}/" in log.name


VALUES = [0, 1, -3, 0.1, 1e-05, 1e300, True, None, "adam", "NaN", "a b", "0.1", "1e999", ["x"]]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_what_a_name_says_of_a_value_is_the_value_or_the_words_of_the_name(value: Any) -> None:
    word = label(value)
    told = value_of(word)
    assert told == (value if value is None or isinstance(value, (bool, int, float)) else word)
    assert type(told) is (type(value) if value is None or isinstance(value, (bool, int, float)) else str)
    json.dumps(told, allow_nan=False)
