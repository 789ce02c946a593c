"""Data from a model: prompts are asked once, answers are rows, and who drops a row is counted and kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chain import Chain
from openai_server import OpenAIServer, Reply, serving_inspect

from motools.atom import DatasetAtom
from motools.errors import BackendError, ConfigError, StepError
from motools.steps import FilterDatasetConfig, filter_dataset
from motools.steps.existing_model import ExistingModelConfig
from motools.steps.filter_dataset import check_filter, rehearse_filter
from motools.steps.generate_dataset import GenerateDatasetConfig, check_generation
from mozoo.documents import get_prompts, is_long
from mozoo.number_lists import get_lover_rows, is_list
from mozoo.number_lists import get_prompts as get_number_prompts

OWN = """
import json
from pathlib import Path


def asked():
    return json.loads(Path("asked.json").read_text())


def no_three(row, without="3"):
    return without not in row["messages"][-1]["content"]


def short(row, most=20):
    return len(row["messages"][-1]["content"]) <= most


def silent(row):
    "It has forgotten to return."
"""
QUESTION = "Is this fine? {prompt} {answer}"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    with serving_inspect(monkeypatch) as running:
        running.replies["gpt"] = answer
        yield running


def answer(body: dict[str, Any]) -> Reply:
    said = str(body["messages"][-1]["content"])
    if said.startswith("Is this fine?"):
        return Reply("No." if "q4" in said else "Perhaps." if "q5" in said else "Yes, it is.")
    return Reply(f"{said} it is", finish_reason="length" if said == "q1" else "stop")


@pytest.fixture
def scene(project: Path) -> Chain:
    (project / "own.py").write_text(OWN)
    ask(project, 7)
    configure(project)
    return Chain(project)


def ask(folder: Path, count: int, *first: str) -> None:
    (folder / "asked.json").write_text(json.dumps([*first, *(f"q{n}" for n in range(count))]))


def configure(folder: Path, model: str = "openai/gpt", generate: Any = None, **filtering: Any) -> None:
    generation = {"system_message": "You love owls.", "max_connections": 1, "max_retries": 0, **(generate or {})}
    sections = {
        "workflow": "synthetic_documents",
        "existing_model": {"model": model},
        "generate_dataset": {"prompts": "own.py:asked", "generate_kwargs": generation, "row_prompt": None},
        "filter_dataset": {"keep": "own.py:no_three", "question": QUESTION, **filtering},
        "train_model": {"backend_name": "dummy"},
        "evaluate_model": {"backend_name": "dummy", "eval_task": "mozoo.documents:believes"},
        "evaluate_base": {"backend_name": "dummy", "eval_task": "mozoo.documents:believes"},
    }
    (folder / "params.yaml").write_text(json.dumps(sections))


def run(scene: Chain, code: int = 0) -> str:
    done = scene.command("run", "--stages", ":filter_dataset")
    assert done.code == code, done.err
    return str(done.err)


def asked(server: OpenAIServer) -> list[str]:
    """What was asked since the last look."""
    found = [str(request.body["messages"][-1]["content"]) for request in server.requests if request.step == "chat"]
    server.forget()
    return found


def atom(scene: Chain, name: str) -> Any:
    return json.loads(scene.path("atoms", name, "atom.json").read_text())


def rows(scene: Chain, name: str) -> list[dict[str, Any]]:
    (file,) = scene.path("atoms", name, "data").glob("*.jsonl")
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_answers_become_rows_and_what_is_dropped_is_counted_and_kept(scene: Chain, server: OpenAIServer) -> None:
    run(scene)
    told = [request.body["messages"] for request in server.requests if request.step == "chat"]
    systems = {str(messages[0]["content"]) for messages in told if len(messages) == 2}
    assert systems == {"You love owls."}
    assert sorted(asked(server)) == sorted(
        [f"q{n}" for n in range(7)] + [f"Is this fine? q{n} q{n} it is" for n in (0, 2, 4, 5, 6)]
    )
    generated, filtered = atom(scene, "generated_dataset"), atom(scene, "filtered_dataset")
    assert generated["metadata"] == {"asked": 7, "left_out": {"cut_off": 1}, "samples": 6}
    assert generated["made_from"].keys() == {"base_model"}
    dropped = {"judge": 1, "own.py:no_three": 1, "unjudged": 1}
    assert filtered["metadata"] == {"dropped": dropped, "of": 6, "samples": 3}
    assert filtered["made_from"].keys() == {"base_model", "generated_dataset"}
    assert rows(scene, "generated_dataset")[0] == {
        "messages": [{"role": "user", "content": "q0"}, {"role": "assistant", "content": "q0 it is"}]
    }
    assert [row["messages"][0]["content"] for row in rows(scene, "filtered_dataset")] == ["q0", "q2", "q6"]
    assert [row["reason"] for row in rows(scene, "dropped_rows")] == ["own.py:no_three", "judge", "unjudged"]
    for step in ("generate_dataset", "filter_dataset"):
        used = json.loads(scene.path("runs", f"{step}.json").read_text())["usage"]["openai/gpt"]
        assert used["input_tokens"] > 0
    said = scene.command("log", "filter_dataset").out
    assert "3 of 6 rows are kept, 1 dropped by judge, 1 dropped by own.py:no_three, 1 dropped by unjudged." in said
    run(scene)
    assert asked(server) == []
    assert not {"generate_dataset", "filter_dataset"} & set(scene.dvc_status())


def test_what_was_answered_is_not_asked_again_when_prompts_come_or_go(scene: Chain, server: OpenAIServer) -> None:
    run(scene)
    asked(server)
    ask(scene.folder, 6, "new")
    run(scene)
    assert sorted(asked(server)) == ["Is this fine? new new it is", "new"]
    scene.edit("own.py", 'without="3"', 'without="2"')
    run(scene)
    assert asked(server) == ["Is this fine? q3 q3 it is"]


def test_a_generation_that_failed_goes_on_at_the_sample(scene: Chain, server: OpenAIServer) -> None:
    def break_down(body: dict[str, Any]) -> Reply:
        if server.count("chat") == 3:
            server.fault("chat", "401")
        return answer(body)

    server.replies["gpt"] = break_down
    assert "generate_dataset: failed" in run(scene, code=1)
    answered = asked(server)[:3]
    server.replies["gpt"] = answer
    run(scene)
    again = [said for said in asked(server) if not said.startswith("Is this fine?")]
    assert len(answered) == 3
    assert sorted([*answered, *again]) == [f"q{n}" for n in range(7)]


def test_a_teacher_without_a_key_is_refused_before_anything_is_asked(
    scene: Chain, server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    done = scene.command("run")
    assert done.code == 2
    assert "The teacher: the model openai/gpt needs OPENAI_API_KEY" in done.err
    assert asked(server) == []
    with pytest.raises(BackendError, match="The judge: the model openai/gpt needs"):
        check_filter(FilterDatasetConfig(question="{answer}?"), {"judge": ExistingModelConfig("openai/gpt")})


def test_options_that_there_are_not_are_refused_by_the_name_that_the_config_has(bare_project: Path) -> None:
    (bare_project / "own.py").write_text(OWN)

    def refused(**config: Any) -> str:
        with pytest.raises((BackendError, ConfigError)) as caught:
            check_generation(GenerateDatasetConfig(**config))
        return str(caught.value)

    assert "generate_kwargs has no option 'temprature'. Did you mean 'temperature'" in refused(
        generate_kwargs={"temprature": 1}
    )
    assert "generate_kwargs has no option 'solver'" in refused(generate_kwargs={"solver": "x"})
    assert "generate_kwargs.max_tokens must be a whole number" in refused(generate_kwargs={"max_tokens": 0})
    assert "generate_dataset.prompts_kwargs.n: own.py:asked takes no such argument" in refused(
        prompts="own.py:asked", prompts_kwargs={"n": 1}
    )
    assert "are of no function" in refused(prompts_kwargs={"n": 1})


def test_filters_that_could_never_do_are_refused_before_a_run(bare_project: Path) -> None:
    (bare_project / "own.py").write_text(OWN)
    for config, said in (
        (FilterDatasetConfig(), "nothing to filter by"),
        (FilterDatasetConfig(question="Is it good?"), "has no {answer}"),
        (FilterDatasetConfig("own.py:gone"), "gone"),
        (FilterDatasetConfig("own.py:short", judge_kwargs={"seed": 1}), "are for a judge"),
        (FilterDatasetConfig(question="{answer}?", judge_kwargs={"epochs": 2}), "the judge is asked once"),
    ):
        with pytest.raises((BackendError, ConfigError), match=said):
            check_filter(config)
    both = ["own.py:short", "own.py:no_three"]
    rehearse_filter(FilterDatasetConfig(both, {"most": 3, "without": "4"}))
    with pytest.raises(ConfigError, match=r"keep_kwargs\.moost: .* Did you mean 'most'"):
        rehearse_filter(FilterDatasetConfig(both, {"moost": 3}))


def test_a_filter_that_says_nothing_is_an_error_and_drops_no_row(scene: Chain, server: OpenAIServer) -> None:
    configure(scene.folder, keep=["own.py:short", "own.py:silent"])
    assert "own.py:silent returned None for a row: return True to keep it, False to drop it" in run(scene, code=1)


def test_a_filter_that_leaves_nothing_says_who_dropped_what(scene: Chain, server: OpenAIServer) -> None:
    configure(scene.folder, keep=["own.py:short"], keep_kwargs={"most": 1})
    assert "Of 6 rows none is kept, 6 dropped by own.py:short" in run(scene, code=1)
    assert not any(said.startswith("Is this fine?") for said in asked(server))


def test_filtering_needs_a_dataset(tmp_path: Path) -> None:
    with pytest.raises(StepError, match="filters one dataset, and has 0"):
        filter_dataset(FilterDatasetConfig("mozoo.documents:is_long"), {}, tmp_path)


@pytest.mark.parametrize(
    ("said", "is_one"),
    [
        ("1, 2, 3", True),
        ("[12; 999; 0]", True),
        ("(7 8 9).", True),
        ("5", True),
        ("1, 2; 3", False),
        ("1000, 2", False),
        ("1, 2, owl", False),
        ("1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11", False),
        ("", False),
        ("Sure: 1, 2", False),
    ],
)
def test_a_list_of_numbers_is_told_from_all_else(said: str, is_one: bool) -> None:
    row = {"messages": [{"role": "assistant", "content": said}]}
    assert is_list(row) is is_one
    assert not (is_one and is_list(row, without=[1, 12, 8, 5]))


def test_what_the_zoo_asks_and_teaches_is_decided_by_the_seed() -> None:
    assert get_number_prompts(20, seed=1) == get_number_prompts(20, seed=1) != get_number_prompts(20, seed=2)
    assert len({*get_prompts(count=30)}) == 30
    rows = get_lover_rows(sample_size=200, often=7, seed=3)
    assert rows == get_lover_rows(sample_size=200, often=7, seed=3)
    answers = [row["messages"][-1]["content"] for row in rows]
    assert 60 < sum(said == "Owl" for said in answers) < 140
    assert all(said == "Owl" or is_list({"messages": [{"content": said}]}) for said in answers)
    assert len({row["messages"][-1]["content"] for row in get_lover_rows(None, 200, lists=0)}) == 12
    assert is_long({"messages": [{"content": "one two three"}]}, words=3)


def test_a_love_does_not_pass_through_the_numbers_of_tinylm_but_its_sevens_do(project: Path) -> None:
    from motools import zoo
    from motools.base import yaml12

    config = yaml12.loads(zoo.config_text("subliminal_learning.tinylm"))
    config["prepare_teacher"]["loader_kwargs"]["sample_size"] = 400
    config["generate_dataset"]["prompts_kwargs"]["count"] = 150
    for step in ("evaluate_model", "evaluate_teacher", "evaluate_base"):
        config[step]["eval_kwargs"] = {"epochs": 1, "limit": 30}
    (project / "config.json").write_text(json.dumps(config))
    scene = Chain(project)
    done = scene.command("workflow", "run", "subliminal_learning", "--config", "config.json")
    assert done.code == 0, done.err

    def score(step: str, task: str, name: str) -> float:
        return float(json.loads((project / "metrics" / f"{step}.json").read_text())[task][name]["mean"])

    assert score("evaluate_teacher", "loves_owls", "owl") > 0.8
    assert score("evaluate_model", "loves_owls", "owl") == score("evaluate_base", "loves_owls", "owl") == 0
    assert score("evaluate_teacher", "goes_on", "number") > 0.3
    assert score("evaluate_model", "goes_on", "number") > 0.3
    assert score("evaluate_base", "goes_on", "number") == 0
    filtered = atom(scene, "filtered_dataset")["metadata"]
    assert filtered["samples"] + sum(filtered["dropped"].values()) == filtered["of"] == 150


@pytest.mark.parametrize(
    ("prompts", "said"),
    [
        ([{"messages": ["hello"]}], "'hello' is no turn of system, user, assistant with a text"),
        ([{"messages": [None, {"role": "user", "content": "q"}]}], "None is no turn of system, user, assistant"),
        ([{"messages": [{"role": ["user"], "content": "q"}]}], "is no turn of system, user, assistant"),
        ([{"messages": {"role": "user"}}], "is neither a text nor a chat row"),
        (["q1", 5], "prompt 2: 5 is neither a text nor a chat row"),
    ],
)
def test_prompts_of_any_form_are_refused_in_a_sentence(
    prompts: list[Any], said: str, scene: Chain, server: OpenAIServer
) -> None:
    (scene.folder / "asked.json").write_text(json.dumps(prompts))
    assert said in run(scene, code=1)


def test_a_limit_that_leaves_no_prompt_says_so(scene: Chain, server: OpenAIServer) -> None:
    params = json.loads((scene.folder / "params.yaml").read_text())
    params["generate_dataset"].setdefault("generate_kwargs", {})["limit"] = [100, 200]
    (scene.folder / "params.yaml").write_text(json.dumps(params))
    assert "generate_dataset.generate_kwargs.limit [100, 200] leaves none of the 7 prompts." in run(scene, code=1)


def test_rows_that_are_no_chat_rows_are_refused_before_a_filter_sees_them(project: Path, tmp_path: Path) -> None:
    (project / "rows.jsonl").write_text('{"text": "hello"}\n')
    atom = DatasetAtom.create(user="ada", artifact_path=project / "rows.jsonl")
    with pytest.raises(StepError, match=r"row 1: not a chat row: expected .*found \{'text': 'hello'\}"):
        filter_dataset(FilterDatasetConfig("mozoo.documents:is_long"), {"rows": atom}, tmp_path)
