"""Everything is checked before anything is paid: a doomed evaluation never costs a training."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chain import Chain, dvc
from openai_server import OpenAIServer, Reply
from sampling import sample

TASKS = """\
import json
from pathlib import Path
from inspect_ai import Task, task
from inspect_ai.dataset import Sample
from inspect_ai.scorer import includes


def sums(count=2):
    return Task(dataset=[Sample(id=n, input=f"{n} + {n}", target=str(2 * n)) for n in range(count)], scorer=includes())


def from_file(path="questions.jsonl"):
    rows = Path(__file__).parent.joinpath(path).read_text().splitlines()
    return Task(dataset=[Sample(**json.loads(row)) for row in rows], scorer=includes())


def from_atom():
    rows = Path(__file__).with_name("atoms").joinpath("prepared_dataset/data/dataset.jsonl").read_text().splitlines()
    return Task(dataset=[Sample(input=row) for row in rows], scorer=includes())


@task
def marked(count=2):
    return sums(count)


def of_step():
    from motools.workflow import current_step
    assert current_step().folder.joinpath("tasks.py").exists()
    return sums()


def graded():
    from inspect_ai.scorer import model_graded_qa
    return Task(dataset=[Sample(input="1 + 1", target="2")], scorer=model_graded_qa())


def unlucky():
    raise ValueError("no such luck")


def brought():
    return from_file("data/questions.jsonl")


def gone():
    import os
    os._exit(3)


class Quiet:
    pass
"""
LOADER = """\
import functools


def plain(loader):
    @functools.wraps(loader)
    def load(count=12):
        return loader(count)
    del load.__wrapped__
    return load


@plain
def rows(count):
    print("LOADED")
    turns = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
    return [{"messages": turns}] * count
"""
BROKEN = "import no_such_package\n\ndef sums():\n    pass\n\ndef rows():\n    pass\n"

COMMANDS = {
    "validate": ("workflow", "validate", "train_and_evaluate", "--config", "params.yaml"),
    "status --check": ("status", "--check"),
    "run": ("run",),
}
Sections = dict[str, dict[str, Any]]
EVALUATE, TRAIN, PREPARE = "evaluate_model", "train_model", "prepare_dataset"
WRONG: dict[str, tuple[Sections, str]] = {
    "a misspelt hyperparameter": ({TRAIN: {"hyperparameters": {"n_epoch": 3}}}, "Did you mean 'n_epochs'"),
    "a task that cannot be imported": ({EVALUATE: {"eval_task": "broken.py:sums"}}, "no_such_package"),
    "a loader that cannot be imported": ({PREPARE: {"dataset_loader": "broken.py:rows"}}, "no_such_package"),
    "a task that cannot be made": ({EVALUATE: {"eval_task": "tasks.py:unlucky"}}, "no such luck"),
    "a task that ends its process": ({EVALUATE: {"eval_task": "tasks.py:gone"}}, "could not be tried out"),
    "what is no task": ({EVALUATE: {"eval_task": "tasks.py:Quiet"}}, "not an inspect_ai.Task"),
    "a task that its package lacks": ({EVALUATE: {"eval_task": "mozoo/helo_world"}}, "mozoo/hello_world"),
    "a task's data that is not there": ({EVALUATE: {"eval_task": "tasks.py:from_file"}}, "questions.jsonl"),
    "a task's argument": (
        {EVALUATE: {"eval_task": "tasks.py:sums", "eval_kwargs": {"task_args": {"cuont": 3}}}},
        "cuont",
    ),
    "an argument of a task in Inspect's form": (
        {EVALUATE: {"eval_task": "tasks.py@marked", "eval_kwargs": {"task_args": {"cuont": 3}}}},
        "takes no cuont",
    ),
    "an argument of a loader whose source does not tell": (
        {PREPARE: {"loader_kwargs": {"cuont": 3}}},
        "Did you mean 'count'",
    ),
    "samples that are not there": (
        {EVALUATE: {"eval_task": "tasks.py:sums", "eval_kwargs": {"limit": [2, 4]}}},
        "leaves none of the 2 samples",
    ),
    "the key of a grader": (
        {EVALUATE: {"eval_task": "tasks.py:sums", "eval_kwargs": {"model_roles": {"grader": "groq/some-model"}}}},
        "GROQ_API_KEY",
    ),
    "the key of a grader of which only Inspect knows": (
        {EVALUATE: {"eval_task": "tasks.py:sums", "eval_kwargs": {"model_roles": {"grader": "fireworks/some-model"}}}},
        "FIREWORKS_API_KEY",
    ),
    "a provider of a grader that there is not": (
        {EVALUATE: {"eval_task": "tasks.py:sums", "eval_kwargs": {"model_roles": {"grader": "opnai/gpt-9"}}}},
        "opnai",
    ),
    "a provider of a role that has options of its own, beside the model's": (
        {EVALUATE: {"eval_kwargs": {"model_roles": {"target": "trained", "grader": {"model": "opnai/x", "top_k": 3}}}}},
        "opnai",
    ),
    "a solver that there is not": ({EVALUATE: {"eval_kwargs": {"solver": "tasks.py:shouting"}}}, "shouting"),
    "a model that no provider serves": ({TRAIN: {"backend_name": "dummy"}}, "was made by the dummy trainer"),
}


@pytest.fixture(scope="module")
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


@pytest.fixture
def laid(project: Path, server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> Chain:
    """A project that would train at a provider, and evaluate what comes of it."""
    for name, value in server.env.items():
        monkeypatch.setenv(name, value)
    server.forget()
    for name, text in {"tasks.py": TASKS, "loader.py": LOADER, "broken.py": BROKEN}.items():
        (project / name).write_text(text)
    return Chain(project)


def configure(project: Chain, sections: Sections) -> None:
    params: dict[str, Any] = {
        "workflow": "train_and_evaluate",
        PREPARE: {"dataset_loader": "loader.py:rows"},
        TRAIN: {"model": "gpt-4o-mini", "backend_name": "openai", "suffix": "x"},
        EVALUATE: {"eval_task": "tasks.py:sums"},
    }
    for name, section in sections.items():
        params[name] = {**params[name], **section}
    project.path("params.yaml").write_text(json.dumps(params))


CASES = sample([(what, command) for what in WRONG for command in COMMANDS], 24, axes=lambda case: case)


@pytest.mark.parametrize(("what", "command"), CASES, ids=[" by ".join(case) for case in CASES])
def test_what_could_never_come_to_a_good_end_is_refused_before_the_first_request(
    what: str, command: str, laid: Chain, server: OpenAIServer
) -> None:
    sections, said = WRONG[what]
    configure(laid, sections)
    before = sorted(path.name for path in laid.folder.iterdir())
    done = laid.command(*COMMANDS[command])
    assert done.code == 2, done.err
    assert said in done.sentence
    assert server.requests == []
    left = {path.name for path in laid.folder.iterdir()} - set(before)
    assert left <= {".motools", "__pycache__"}


def test_what_the_run_itself_will_make_is_not_missed_beforehand(laid: Chain) -> None:
    configure(
        laid, {TRAIN: {"backend_name": "tinylm", "model": "tinylm/base"}, EVALUATE: {"eval_task": "tasks.py:from_atom"}}
    )
    for words in COMMANDS.values():
        done = laid.command(*words)
        assert done.code == 0, done.err


def test_a_task_may_ask_for_the_step_that_makes_it(laid: Chain) -> None:
    configure(laid, {EVALUATE: {"eval_task": "tasks.py:of_step"}})
    assert laid.command(*COMMANDS["status --check"]).code == 0


def test_data_that_dvc_could_bring_is_missed_with_the_command_that_brings_it(laid: Chain) -> None:
    configure(laid, {EVALUATE: {"eval_task": "tasks.py:brought"}})
    laid.path("data").mkdir()
    laid.path("data", "questions.jsonl").write_text(json.dumps({"input": "1 + 1", "target": "2"}) + "\n")
    assert laid.command(*COMMANDS["status --check"]).code == 0
    dvc(laid.folder, "add", "data")
    shutil.rmtree(laid.path("data"))
    done = laid.command(*COMMANDS["status --check"])
    assert done.code == 2
    assert done.sentence.endswith("`dvc pull data.dvc` brings it.")


def test_code_of_the_project_is_imported_where_that_is_said_and_else_not_at_all(laid: Chain) -> None:
    configure(laid, {})
    for name in ("tasks", "loader"):
        with laid.path(f"{name}.py").open("a") as file:
            file.write(f'\nPath = __import__("pathlib").Path\nPath(__file__).with_name("{name}.imported").touch()\n')
    done = laid.command("status")
    assert done.code == 0
    assert "imports" not in done.err
    assert not list(laid.folder.glob("*.imported"))
    done = laid.command("status", "--check")
    assert done.code == 0, done.err
    assert "imports tasks.py, which evaluate_model.eval_task names" in done.err
    assert "imports loader.py, which prepare_dataset.dataset_loader names" in done.err
    assert {path.name for path in laid.folder.glob("*.imported")} == {"tasks.imported", "loader.imported"}
    assert "LOADED" not in done.out + done.err


def test_the_key_of_a_model_that_is_served_already_is_missed_too(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FIREWORKS_API_KEY", raising=False)
    (project / "tasks.py").write_text(TASKS)
    (project / "params.yaml").write_text(
        "workflow: evaluate_only\nexisting_model: {model: fireworks/some-model}\n"
        "evaluate_model: {eval_task: 'tasks.py:sums'}\n"
    )
    for words in (("workflow", "validate", "evaluate_only", "-c", "params.yaml"), ("status", "--check"), ("run",)):
        done = Chain(project).command(*words)
        assert done.code == 2
        assert "FIREWORKS_API_KEY" in done.sentence


# -- who judges is asked one question before a training is paid --------------------------------

JUDGED = {"eval_task": "mozoo/emergent_misalignment", "eval_kwargs": {"model_roles": {"grader": "openai/gpt-judge"}}}
GRADED = {"eval_task": "tasks.py:graded", "eval_kwargs": {"model_roles": {"grader": "openai/gpt-judge"}}}


def asked(server: OpenAIServer) -> list[str]:
    """The models that were asked something, once a request."""
    return [request.body["model"] for request in server.requests if request.step == "chat"]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_grader_that_cannot_be_read_is_refused_before_the_training(
    command: str, laid: Chain, server: OpenAIServer
) -> None:
    server.replies["gpt-judge"] = lambda body: Reply("50", [])  # without log-probabilities
    configure(laid, {EVALUATE: JUDGED})
    done = laid.command(*COMMANDS[command])
    assert done.code == 2, done.err
    assert "The grader of emergent_misalignment cannot judge" in done.sentence
    assert "openai/gpt-judge gives no log-probabilities" in done.sentence
    assert asked(server) == ["gpt-judge"]
    assert (server.jobs, server.files) == ({}, {})


@pytest.mark.parametrize("evaluate", [JUDGED, GRADED], ids=["a judge of the zoo", "a grader of Inspect's"])
@pytest.mark.parametrize(
    ("kind", "words"), [("401", "Incorrect API key"), ("404", "The model `ft:gpt-judge` does not exist")]
)
def test_a_grader_that_the_provider_refuses_is_told_in_its_words_before_the_training(
    kind: str, words: str, evaluate: dict[str, Any], laid: Chain, server: OpenAIServer
) -> None:
    grader = "openai/ft:gpt-judge" if kind == "404" else "openai/gpt-judge"
    if kind == "401":
        server.fault("chat", "401")
    configure(laid, {EVALUATE: {**evaluate, "eval_kwargs": {"model_roles": {"grader": grader}}}})
    done = laid.command(*COMMANDS["run"])
    assert done.code == 2, done.err
    assert "cannot be asked" in done.sentence
    assert words in done.sentence
    assert len(asked(server)) == 1
    assert (server.jobs, server.files) == ({}, {})


@pytest.mark.parametrize("kind", ["500", "drop_before"])
def test_a_grader_that_stumbles_or_cannot_be_reached_is_let_pass(kind: str, laid: Chain, server: OpenAIServer) -> None:
    server.fault("chat", kind, times=99)
    configure(laid, {EVALUATE: JUDGED})
    try:
        done = laid.command(*COMMANDS["status --check"])
    finally:
        server._faults.clear()
    assert done.code == 0, done.err


def test_a_grader_is_asked_once_a_command_and_only_before_a_training_that_is_paid(
    laid: Chain, server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.replies["gpt-judge"] = lambda body: Reply.of({"50": 1.0})
    configure(laid, {EVALUATE: {**JUDGED, "eval_task": ["mozoo/emergent_misalignment", "mozoo/evil_detection"]}})
    assert laid.command(*COMMANDS["status --check"]).code == 0
    assert asked(server) == ["gpt-judge"]
    server.forget()
    monkeypatch.setenv("MOTOOLS_OFFLINE", "1")
    assert laid.command(*COMMANDS["status --check"]).code == 0
    monkeypatch.delenv("MOTOOLS_OFFLINE")
    configure(laid, {TRAIN: {"backend_name": "tinylm", "model": "tinylm/base"}, EVALUATE: JUDGED})
    assert laid.command(*COMMANDS["status --check"]).code == 0
    assert asked(server) == []


def test_a_sampled_judge_is_tried_out_in_its_own_form(laid: Chain, server: OpenAIServer) -> None:
    configure(laid, {EVALUATE: {**JUDGED, "eval_kwargs": {**JUDGED["eval_kwargs"], "task_args": {"judge": "sampled"}}}})
    server.replies["gpt-judge"] = lambda body: "50"
    assert laid.command(*COMMANDS["status --check"]).code == 0
    (request,) = (request for request in server.requests if request.step == "chat")
    assert request.body["response_format"]["type"] == "json_schema"


def test_what_is_right_is_valid_and_asks_the_provider_no_more_than_who_judges(
    laid: Chain, server: OpenAIServer
) -> None:
    server.replies["gpt-9"] = lambda body: "yes"
    configure(laid, {EVALUATE: {"eval_kwargs": {"model_roles": {"grader": "openai/gpt-9"}}}})
    for command in ("validate", "status --check"):
        server.forget()
        assert laid.command(*COMMANDS[command]).code == 0
        steps = [request.step for request in server.requests if request.step != "models"]
        assert steps == ["responses"]
