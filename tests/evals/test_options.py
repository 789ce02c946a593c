"""Options of an evaluation: each is Inspect's of that name, and what cannot be is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from openai_server import OpenAIServer, Reply, serving_inspect

from motools.atom import ModelAtom
from motools.errors import UserError
from motools.evals import EvalRequest, Evaluation
from motools.evals.inspect.evaluator import SETTINGS, InspectEvaluator
from motools.evals.options import GENERATION, IDLE, check_options

TASKS = """
from inspect_ai import Task
from inspect_ai.dataset import Sample
from inspect_ai.model import get_model
from inspect_ai.scorer import Score, includes, mean, model_graded_qa, scorer
from inspect_ai.solver import generate, solver


def numbers(count=4):
    return Task(dataset=[Sample(id=n, input=f"Number {n}", target=str(n % 2)) for n in range(count)], scorer=includes())


def graded():
    return Task(dataset=numbers().dataset, scorer=model_graded_qa())


@solver
def shouting(word="HEY"):
    async def solve(state, generate):
        state.user_prompt.text = f"{word} {state.user_prompt.text}"
        return await generate(state)

    return solve


@scorer(metrics=[mean()])
def asking_target():
    async def score(state, target):
        output = await get_model(role="target").generate("Are you there?")
        return Score(value=int("here" in output.completion))

    return score


def audited():
    return Task(dataset=numbers(1).dataset, scorer=asking_target())
"""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    with serving_inspect(monkeypatch) as running:
        running.replies["subject"] = lambda body: "1 here"
        running.replies["judge"] = running.replies["gpt-6"] = lambda body: Reply("GRADE: C")
        yield running


@pytest.fixture
def evaluate(project: Path, tmp_path: Path) -> Callable[..., Evaluation]:
    (project / "tasks.py").write_text(TASKS)
    count = iter(range(100))

    def run(task: str = "tasks:numbers", **kwargs: Any) -> Evaluation:
        name = "openai-api/local/subject"
        atom = ModelAtom.create(user="ada", metadata={"model_id": name, "inspect": {"model": name}})
        workspace = tmp_path / f"workspace{next(count)}"
        workspace.mkdir()
        return InspectEvaluator().evaluate(EvalRequest(task, {"max_retries": 0, **kwargs}, atom), workspace)

    return run


def test_options_of_the_answer_reach_the_model(evaluate: Callable[..., Evaluation], server: OpenAIServer) -> None:
    evaluate(
        limit=1, temperature=0.5, top_p=0.9, max_tokens=30, stop_seqs=["END"], system_message="Be brief.",
        reasoning_effort="low", frequency_penalty=0.1, presence_penalty=0.2, seed=7,
    )  # fmt: skip
    (body,) = [request.body for request in server.requests]
    told = {name: body[name] for name in ("temperature", "top_p", "stop", "reasoning_effort", "seed")}
    assert told == {"temperature": 0.5, "top_p": 0.9, "stop": ["END"], "reasoning_effort": "low", "seed": 7}
    assert [turn["content"] for turn in body["messages"]] == ["Be brief.", "Number 0"]


def test_a_role_has_options_of_its_own(evaluate: Callable[..., Evaluation], server: OpenAIServer) -> None:
    grader = {"model": "openai/gpt-6-luna", "reasoning_effort": "none", "temperature": 0.25, "max_tokens": 50}
    result = evaluate("tasks:graded", limit=1, temperature=1, model_roles={"grader": grader})
    assert result.metrics["graded"]["model_graded_qa"]["accuracy"] == 1
    model, judge = (request.body for request in server.requests)
    assert (model["temperature"], judge["temperature"], judge["max_output_tokens"]) == (1, 0.25, 50)
    assert judge["reasoning"]["effort"] == "none"


@pytest.mark.parametrize("target", ["trained", {"model": "trained", "temperature": 0.125}])
def test_the_evaluated_model_can_have_a_role(
    target: Any, evaluate: Callable[..., Evaluation], server: OpenAIServer
) -> None:
    result = evaluate("tasks:audited", temperature=0.5, model_roles={"target": target})
    assert result.metrics["audited"]["asking_target"]["mean"] == 1
    assert [request.body["model"] for request in server.requests] == ["subject", "subject"]
    assert server.requests[1].body["temperature"] == (0.5 if target == "trained" else 0.125)
    assert result.usage["roles"]["target"]["output_tokens"] == 2


@pytest.mark.parametrize(
    ("named", "asked"),
    [
        ("tasks:shouting", "HEY Number 0"),
        ({"name": "tasks:shouting", "args": {"word": "HO"}}, "HO Number 0"),
        ({"name": "prompt_template", "args": {"template": "Please: {prompt}"}}, None),
    ],
)
def test_a_solver_takes_the_place_of_the_task_s(
    named: Any, asked: str | None, evaluate: Callable[..., Evaluation], server: OpenAIServer
) -> None:
    evaluate(limit=1, solver=named)
    assert [request.body["messages"][-1]["content"] for request in server.requests] == ([asked] if asked else [])


def test_an_order_has_a_seed_and_epochs_a_reducer(evaluate: Callable[..., Evaluation], server: OpenAIServer) -> None:
    first, again, other = (evaluate(sample_shuffle=seed, limit=3) for seed in (1, 1, 5))
    ids = [[sample["id"] for sample in each.samples] for each in (first, again, other)]
    assert ids[0] == ids[1] != ids[2]
    best = evaluate(epochs=2, epochs_reducer="max", limit=2)
    assert list(best.metrics["numbers"]) == ["includes/max"]


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({"limit": 5}, "limit 5 goes beyond the data: tasks:numbers has 4"),
        ({"limit": [2, 9]}, r"limit \[2, 9\] goes beyond the data"),
        ({"solver": "tasks:shoutin"}, "Did you mean 'shouting'"),
        (
            {"solver": {"name": "tasks:shouting", "args": {"loud": 1}}},
            "of the solver tasks:shouting do not fit",
        ),
        ({"solver": "no_such_solver"}, "There is no solver 'no_such_solver'"),
        ({"epochs_reducer": "max"}, "epochs_reducer needs eval_kwargs.epochs"),
        ({"sample_shuffle": True}, "sample_shuffle must be the seed of the order"),
        ({"reasoning_effort": "much"}, "reasoning_effort must be one of none, minimal"),
        ({"model_roles": {"grader": {"model": "openai/x", "temprature": 1}}}, "model_roles must be a mapping of roles"),
        ({"model_roles": {"grader": {"temperature": 1}}}, "model_roles must be a mapping of roles"),
        ({"stop_seqs": "END"}, "stop_seqs must be a list of texts"),
        ({"sandbox": ["docker"]}, "sandbox must be a kind of sandbox"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_asked(
    kwargs: dict[str, Any], words: str, evaluate: Callable[..., Evaluation], server: OpenAIServer
) -> None:
    with pytest.raises(UserError, match=words):
        evaluate(**kwargs)
    assert server.requests == []


SETTINGS_GIVEN: dict[str, Any] = {
    "limit": 2, "sample_shuffle": 4, "epochs": 2, "epochs_reducer": "max", "fail_on_error": 0.5, "score_on_error": True,
    "approval": "auto", "sandbox": "local", "message_limit": 9, "token_limit": 900, "turn_limit": 8, "time_limit": 70,
    "working_limit": 60, "max_tasks": 2, "max_samples": 3, "max_sandboxes": 4, "max_subprocesses": 5,
}  # fmt: skip
GENERATION_GIVEN: dict[str, Any] = {
    "temperature": 0.5, "top_p": 0.9, "top_k": 7, "max_tokens": 30, "seed": 6, "stop_seqs": ["END"],
    "frequency_penalty": 0.1, "presence_penalty": 0.2, "system_message": "Be brief.", "reasoning_effort": "low",
    "reasoning_tokens": 12, "max_connections": 11, "max_retries": 1, "timeout": 50, "attempt_timeout": 40,
    "batch": False, "cache": True,
}  # fmt: skip


def test_every_option_reaches_inspect(evaluate: Callable[..., Evaluation], server: OpenAIServer) -> None:
    """What Inspect itself says in the log that it was told; of sample_id, see the tests of counts."""
    from inspect_ai.log import read_eval_log

    assert {*SETTINGS_GIVEN} == {*SETTINGS, "epochs_reducer"} - {"sample_id"}
    assert {*GENERATION_GIVEN} == {*GENERATION}
    result = evaluate(**{**SETTINGS_GIVEN, **GENERATION_GIVEN})
    assert result.logs is not None
    (path,) = result.logs.glob("*.eval")
    log = read_eval_log(str(path))
    told = log.eval.config.model_dump(exclude_none=True) | {"sandbox": log.eval.sandbox and log.eval.sandbox.type}
    (policy,) = told["approval"]["approvers"]
    assert (policy["name"], policy["tools"]) == ("auto", "*")
    wanted = {**SETTINGS_GIVEN, "approval": told["approval"], "epochs_reducer": ["max"]}
    del wanted["max_tasks"]  # it is of the set, and of no task's log
    assert {name: told.get(name) for name in wanted} == wanted
    generated = log.eval.model_generate_config.model_dump(exclude_none=True) | log.plan.config.model_dump(
        exclude_none=True
    )
    assert {name: generated.get(name) for name in GENERATION_GIVEN} == GENERATION_GIVEN


TOOLED = """
from inspect_ai import Task
from inspect_ai.dataset import Sample
from inspect_ai.model import ChatMessageAssistant, execute_tools
from inspect_ai.scorer import includes
from inspect_ai.solver import solver
from inspect_ai.tool import ToolCall, tool
from inspect_ai.util import sandbox

@tool
def whereabouts():
    async def execute():
        \"\"\"Say what the sandbox says.\"\"\"
        return (await sandbox().exec(["echo", "in the sandbox"])).stdout
    return execute

@solver
def calling():
    async def solve(state, generate):
        call = ToolCall(id="1", function="whereabouts", arguments={})
        messages, _ = await execute_tools([ChatMessageAssistant(content="", tool_calls=[call])], [whereabouts()])
        error = messages[0].error
        state.output.completion = error.type if error else messages[0].text
        return state
    return solve

def tooled():
    return Task(dataset=[Sample(id=1, input="Where?", target="in the sandbox")], solver=calling(), scorer=includes())
"""
POLICY = "approvers:\n  - {name: auto, tools: '*', decision: reject}\n"


def test_calls_of_tools_go_to_the_sandbox_and_past_the_approver_that_are_named(
    project: Path, evaluate: Callable[..., Evaluation], server: OpenAIServer
) -> None:
    (project / "tooled.py").write_text(TOOLED)
    (project / "policy.yaml").write_text(POLICY)
    open_ = evaluate("tooled:tooled", sandbox="local")
    assert open_.samples[0]["output"].strip() == "in the sandbox"
    closed = evaluate("tooled:tooled", sandbox="local", approval="policy.yaml")
    assert closed.samples[0]["output"] == "approval"
    assert closed.metrics["tooled"]["includes"]["accuracy"] == 0
    assert server.requests == []


def test_only_one_file_knows_of_names_that_inspect_does_not_make_public() -> None:
    import motools
    import mozoo

    private = re.compile(r"inspect_ai(\.\w+)*\._")
    files = [path for package in (motools, mozoo) for path in Path(package.__path__[0]).rglob("*.py")]
    assert len(files) > 200
    assert [path.name for path in files if private.search(path.read_text(encoding="utf-8"))] == ["private.py"]


def test_all_that_changes_no_result_is_known_as_an_option_or_a_word_of_inspect_s() -> None:
    from inspect_ai.model import GenerateConfig

    for name in IDLE - {"max_samples", "max_sandboxes", "max_subprocesses", "max_tasks"}:
        assert name in GenerateConfig.model_fields, name
    check_options({"batch": True, "cache": False, "max_samples": 3, "max_sandboxes": 1, "max_subprocesses": 2})
    check_options(json.loads('{"approval": "auto", "message_limit": 3, "sandbox": ["docker", "compose.yaml"]}'))
