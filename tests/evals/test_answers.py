"""Answers and judgements are two results: what a model has said is asked for once, whatever is made of it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from chain import Chain
from openai_server import OpenAIServer, Reply

from motools.atom import EvalAtom, ModelAtom
from motools.definition.context import StepContext, executing
from motools.errors import StepError
from motools.evals import EvalRequest, Evaluation
from motools.evals.inspect.evaluator import InspectEvaluator
from motools.repo.project import Project

TASKS = '''
import json
from pathlib import Path

from inspect_ai import Task
from inspect_ai.dataset import Sample
from inspect_ai.scorer import includes, mean, model_graded_qa, scorer
from inspect_ai.solver import generate, solver, system_message

PROMPT = """Is it right? {question} {answer} {criterion} {instructions}"""


def say(text):
    return [system_message(text), generate()]


def judged(system="Be brief."):
    rows = json.loads(Path("rows.json").read_text())
    dataset = [Sample(id=f"q{n}", input=row, target="yes") for n, row in enumerate(rows)]
    return Task(dataset=dataset, solver=say(system), scorer=model_graded_qa(template=PROMPT))


def counted():
    return Task(dataset=judged().dataset, solver=say("Be brief."), scorer=includes())


@scorer(metrics=[mean()])
def breaking():
    async def score(state, target):
        raise RuntimeError("it is broken")

    return score


def broken():
    return Task(dataset=judged().dataset, solver=say("Be brief."), scorer=breaking())


def twice():
    return Task(dataset=[Sample(id=n, input="Say a number", target="yes") for n in (1, 2)], scorer=includes())
'''
MODEL, GRADER, OTHER = "gpt-subject", "gpt-judge", "gpt-other"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        for name, value in running.env.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        running.replies[MODEL] = lambda body: f"yes, {body['messages'][-1]['content']}"
        running.replies[GRADER] = running.replies[OTHER] = lambda body: Reply("GRADE: C")
        yield running


@pytest.fixture
def scene(project: Path) -> Path:
    (project / "tasks.py").write_text(TASKS)
    write_rows(project, 4)
    return project


def write_rows(folder: Path, count: int, **edited: str) -> None:
    (folder / "rows.json").write_text(json.dumps([edited.get(f"q{n}", f"Question {n}?") for n in range(count)]))


def asked(server: OpenAIServer) -> dict[str, int]:
    """Requests by model since the last look."""
    models = [str(request.body["model"]) for request in server.requests if request.step == "chat"]
    server.forget()
    return {name: models.count(name) for name in dict.fromkeys(models)}


def configure(folder: Path, **kwargs: Any) -> None:
    kwargs = {"model_roles": {"grader": f"openai/{GRADER}"}, "max_connections": 8, **kwargs}
    sections = {
        "workflow": "evaluate_only",
        "existing_model": {"model": f"openai/{MODEL}"},
        "evaluate_model": {"eval_task": "tasks:judged", "eval_kwargs": kwargs},
    }
    (folder / "params.yaml").write_text(json.dumps(sections))


@pytest.fixture
def evaluate(scene: Path, tmp_path: Path) -> Callable[..., Evaluation]:
    """Evaluates as steps do, each time as another one."""
    count = iter(range(100))

    def run(task: str = "tasks:counted", key: str = "", force: bool = False, **kwargs: Any) -> Evaluation:
        number = next(count)
        about = {"model_id": MODEL, "inspect": {"model": f"openai/{MODEL}"}}
        atom = ModelAtom.create(user="ada", metadata=about)
        workspace = tmp_path / f"workspace{number}"
        workspace.mkdir()
        context = StepContext(key or f"{number:064}", "evaluate", scene, Project.find(), force)
        with executing(context):
            return InspectEvaluator().evaluate(EvalRequest(task, {"max_retries": 0, **kwargs}, atom), workspace)

    return run


@pytest.mark.long
def test_a_pipeline_asks_its_model_only_for_what_it_has_not_been_asked(scene: Path, server: OpenAIServer) -> None:
    chain = Chain(scene)

    def run(**kwargs: Any) -> dict[str, int]:
        configure(scene, **kwargs)
        done = chain.command("run")
        assert done.code == 0, done.err
        return asked(server)

    def used() -> Any:
        return json.loads((scene / "runs" / "evaluate_model.json").read_text())["usage"]

    write_rows(scene, 16)
    assert run() == {MODEL: 16, GRADER: 16}
    paid = used()[f"openai/{MODEL}"]
    assert run(model_roles={"grader": f"openai/{OTHER}"}) == {OTHER: 16}
    assert used()["kept"] == {f"openai/{MODEL}": paid}
    assert f"openai/{MODEL}" not in used()
    chain.edit("tasks.py", "Is it right?", "Is it true?")
    assert run() == {GRADER: 16}
    record = (scene / "runs" / "evaluate_model.json").read_text()
    assert run(max_connections=3, timeout=50, max_samples=4, max_retries=2) == {}
    assert (scene / "runs" / "evaluate_model.json").read_text() == record  # the step was not executed
    assert chain.dvc_status() == {}
    write_rows(scene, 16, q7="Another question?")
    assert run() == {MODEL: 1, GRADER: 1}
    assert run(temperature=0.5) == {MODEL: 16}  # it says the same, so that there is nothing new to judge
    chain.edit("tasks.py", '"Be brief."', '"Be long."')
    assert run(temperature=0.5) == {MODEL: 16}


def test_what_a_clone_has_by_its_lock_file_alone_is_not_asked_again(
    scene: Path, server: OpenAIServer, tmp_path: Path
) -> None:
    configure(scene)
    chain = Chain(scene)
    for words in (["remote", "add", "-d", "shared", str(tmp_path / "shared")], ["push"]):
        if words == ["push"]:
            assert chain.command("run").code == 0
        subprocess.run(["dvc", *words, "-q"], cwd=scene, check=True)  # without the run-cache
    assert asked(server) == {MODEL: 4, GRADER: 4}
    subprocess.run(["git", "add", "-A"], cwd=scene, check=True)
    subprocess.run(["git", "commit", "-qm", "evaluated"], cwd=scene, check=True)
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(scene), str(clone)], check=True)
    configure(clone, model_roles={"grader": f"openai/{OTHER}"})
    done = Chain(clone).command("run", str(clone))
    assert done.code == 0, done.err
    assert asked(server) == {OTHER: 4}


def test_what_was_answered_before_a_scorer_failed_is_not_asked_again(
    scene: Path, server: OpenAIServer, evaluate: Callable[..., Evaluation]
) -> None:
    with pytest.raises(StepError, match="it is broken"):
        evaluate("tasks:broken")
    evaluate("tasks:counted")
    assert asked(server) == {MODEL: 4}


def test_samples_that_ask_the_same_have_answers_of_their_own(
    server: OpenAIServer, evaluate: Callable[..., Evaluation]
) -> None:
    said = iter(range(100))
    server.replies[MODEL] = lambda body: f"answer {next(said)}"
    first = evaluate("tasks:twice", epochs=2)
    assert len({sample["output"] for sample in first.samples}) == 4
    again = evaluate("tasks:twice", epochs=2, temperature=None)
    assert [sample["output"] for sample in again.samples] == [sample["output"] for sample in first.samples]
    more = evaluate("tasks:twice", epochs=3)
    assert asked(server) == {MODEL: 6}
    kept = [sample["output"] for sample in more.samples if sample["epoch"] < 3]
    assert kept == [sample["output"] for sample in first.samples]


def test_another_task_with_the_same_questions_has_the_same_answers(
    server: OpenAIServer, evaluate: Callable[..., Evaluation]
) -> None:
    evaluate("tasks:counted")
    evaluate("tasks:judged", model_roles={"grader": f"openai/{GRADER}"})
    assert asked(server) == {MODEL: 4, GRADER: 4}


def test_judgements_of_a_model_that_costs_nothing_are_not_paid_again(scene: Path, server: OpenAIServer) -> None:
    chain = Chain(scene)
    for max_tokens in (8, 16):  # another key, and the same answers
        configure(scene, max_tokens=max_tokens)
        text = (scene / "params.yaml").read_text().replace(f"openai/{MODEL}", "mockllm/model")
        (scene / "params.yaml").write_text(text)
        done = chain.command("run")
        assert done.code == 0, done.err
    assert asked(server) == {GRADER: 4}


def test_force_asks_for_everything(server: OpenAIServer, evaluate: Callable[..., Evaluation]) -> None:
    evaluate()
    evaluate(force=True)
    assert asked(server) == {MODEL: 8}


def test_a_provider_that_is_the_project_s_own_code_is_asked_each_time(scene: Path, server: OpenAIServer) -> None:
    (scene / "own.py").write_text(OWN)
    (scene / "own_workflow.py").write_text("import own\nfrom mozoo.workflows.evaluate_only import workflow\n")
    configure(scene, model_roles={})
    text = (scene / "params.yaml").read_text().replace(f"openai/{MODEL}", "own/x").replace("judged", "counted")
    (scene / "params.yaml").write_text(text.replace('"evaluate_only"', '"own_workflow.py:workflow"'))
    chain = Chain(scene)
    assert chain.command("run").code == 0
    chain.edit("own.py", "yes", "no")
    done = chain.command("run")
    assert done.code == 0, done.err
    assert json.loads((scene / "metrics" / "evaluate_model.json").read_text())["counted"]["includes"]["accuracy"] == 0


OWN = """
from inspect_ai.model import ModelAPI, ModelOutput, ModelUsage, modelapi


@modelapi(name="own")
class Own(ModelAPI):
    async def generate(self, input, tools, tool_choice, config):
        output = ModelOutput.from_content("own/x", "yes")
        output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
        return output
"""


def test_answers_of_a_model_that_is_gone_are_judged_again(scene: Path, server: OpenAIServer) -> None:
    configure(scene)
    chain = Chain(scene)
    assert chain.command("run").code == 0
    asked(server)
    del server.replies[MODEL]
    server.replies[OTHER] = lambda body: Reply("GRADE: I")
    done = chain.command("rescore", "eval_results", "--grader", f"openai/{OTHER}", "--json")
    assert done.code == 0, done.err
    assert asked(server) == {OTHER: 4}
    told = json.loads(done.out)
    assert told["metrics"]["judged"]["model_graded_qa"]["accuracy"] == 0
    old = f"eval-{chain.oid('atoms/eval_results').removesuffix('.dir')}"
    made = EvalAtom.load(told["id"])
    assert (made.made_from["rescored"], made.record.usage[f"openai/{OTHER}"]["output_tokens"]) == (old, 8)
    assert [sample["output"] for sample in made.samples()] == [
        sample["output"] for sample in EvalAtom.load(old).samples()
    ]
    again = chain.command("rescore", "eval_results", "--grader", f"openai/{OTHER}", "--json")
    assert json.loads(again.out)["id"] == told["id"]
    own = chain.command("rescore", told["id"], "--scorer", "tasks:breaking")
    assert own.code == 1
    assert (
        own.sentence == f"Judging tasks:judged of {told['id']} failed: RuntimeError: it is broken (tasks.py, line 30)."
    )
    offline = chain.command("rescore", told["id"], "--scorer", "includes", "--json")
    assert json.loads(offline.out)["metrics"]["judged"]["includes"]["accuracy"] == 1
    assert asked(server) == {OTHER: 4}
