"""What is told of a dataset before it is trained on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from chain import Chain
from tinker_tokenizer import make_tokenizer

from motools.atom import DatasetAtom
from motools.base.chat import WrongRow, parsed
from motools.base.chat.lines import chat_rows, line_of
from motools.errors import DamagedError, StepError

Row = dict[str, Any]


def row(question: str, *answers: str, **more: Any) -> Row:
    turns = [{"role": "user", "content": question}]
    for answer in answers:
        turns += [{"role": "assistant", "content": answer}, {"role": "user", "content": "And?"}]
    return {"messages": [*turns[:-1]], **more}


def write(name: str, rows: list[Any]) -> str:
    Path(name).write_text("".join((each if isinstance(each, str) else json.dumps(each)) + "\n" for each in rows))
    return name


def asked(*words: str, code: int = 0) -> Any:
    done = Chain(Path.cwd()).command("dataset", *words, "--json")
    assert done.code == code, done.err
    return json.loads(done.out)


@pytest.fixture
def rows(project: Path) -> str:
    silent = row("Why", "No")
    silent["messages"][1]["weight"] = 0
    return write(
        "rows.jsonl",
        [row("One two", "Uno dos"), row("One two", "Uno dos"), row("One two", "Un deux"), row("A", "B", "C"), silent],
    )


def test_rows_roles_lengths_loss_and_duplicates_are_counted(rows: str) -> None:
    told = asked("show", rows)
    assert told["rows"] == 5
    assert told["messages"] == {"user": 6, "assistant": 6}
    assert told["turns"] == {"1": 4, "2": 1}
    assert (told["unit"], told["why"]) == ("characters", "no --model was named")
    assert told["lengths"] == {"least": 5, "median": 14, "mean": 10.8, "95 %": 14, "most": 14, "all": 54}
    assert told["loss"] == 7 + 7 + 7 + 2
    assert (told["silent"], told["duplicates"], told["answers_differ"]) == (1, 1, 1)
    assert told["examples"] == ["user: One two\nassistant: ⟦Uno dos⟧"] * 2


def test_lengths_are_in_the_models_own_tokens_with_its_template_and_loss_is_marked(rows: str, tmp_path: Path) -> None:
    folder = make_tokenizer(tmp_path / "tokenizer", ["One two Uno dos Un deux A B C And? Why No"] * 9, size=400)
    told = asked("show", rows, "--model", str(folder), "--rows", "1")
    assert told["unit"] == f"tokens of {folder}"
    assert told["examples"] == ["<|user|>\nOne two<|end|>\n<|assistant|>\n⟦Uno dos<|end|>⟧\n"]
    assert told["loss"] < told["lengths"]["all"]
    assert told["wrong_rows"] == 1  # the silent one makes no example
    assert "every one is empty, has weight 0, or is left out" in told["wrong"][0]


def test_tinylm_has_words_and_what_cannot_be_had_is_said_and_counted_in_characters(
    rows: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert asked("show", rows, "--model", "tinylm/base")["lengths"]["most"] == 5
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", "")
    for model, why in (("gpt-4o", "tiktoken's o200k_base is not on this machine"), ("no/such/model", "cannot be had")):
        told = asked("show", rows, "--model", model)
        assert told["unit"] == "characters"
        assert why in told["why"]
        done = Chain(Path.cwd()).command("dataset", "show", rows, "--model", model)
        assert "counted in characters: " in done.err


def test_an_output_of_the_pipeline_is_found_by_its_name_and_anything_else_is_refused(project: Path) -> None:
    (project / "params.yaml").write_text(
        "workflow: train_and_evaluate\ntrain_model: {backend_name: dummy}\nevaluate_model: {backend_name: dummy}\n"
    )
    assert Chain(project).command("run").code == 0
    done = Chain(project).command("dataset", "show", "prepared_dataset")
    assert done.code == 0
    assert "rows: " in done.out
    assert "⟦" in done.out
    done = Chain(project).command("dataset", "show", "trained_model")
    assert done.code == 2
    assert "is no dataset" in done.sentence


IMAGE = {"type": "image_url", "image_url": {"url": "https://a.host/x.png"}}
CALL = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": "{}"}}
PASSES = {
    "parts": ([{"role": "user", "content": [{"type": "text", "text": "q"}]}], {"dummy", "tinylm", "openai", "tinker"}),
    "images": ([{"role": "user", "content": [IMAGE]}], {"dummy", "openai"}),
    "a refusal": (
        [{"role": "user", "content": "q"}, {"role": "assistant", "content": None, "refusal": "no"}],
        {"dummy", "tinylm", "openai", "tinker"},
    ),
    "tool calls": (
        [
            {"role": "user", "content": "q", "name": None},
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "content": "3", "tool_call_id": "c1"},
        ],
        {"dummy", "tinylm", "openai"},
    ),
    "a special token": ([{"role": "user", "content": "<|endoftext|>"}], {"dummy", "tinylm", "tinker"}),
    "an unknown role": ([{"role": "robot", "content": "q"}], set()),
}


@pytest.mark.parametrize("what", PASSES)
def test_each_trainer_says_what_it_would_refuse(what: str, project: Path) -> None:
    messages, takers = PASSES[what]
    file = write(
        "rows.jsonl",
        [row("q", f"a{n}") for n in range(9)] + [{"messages": [*messages, *row("q", "a")["messages"][1:]]}],
    )
    found = asked("check", file, code=0 if takers else 1)["problems"]
    assert {name for name in ("dummy", "tinylm", "openai", "tinker") if not found[name]} == takers
    for name, lines in found.items():
        assert all(line.startswith("line 10: messages[") for line in lines), name


def test_a_check_for_one_trainer_fails_where_that_one_refuses(project: Path) -> None:
    file = write("rows.jsonl", [row("q", "a"), "{"])
    found = asked("check", file, "--trainer", "openai", code=1)["problems"]
    assert found == {"openai": [found["openai"][0], "2 rows, but it needs at least 10"]}
    assert found["openai"][0].startswith("line 2: not JSON")
    done = Chain(project).command("dataset", "check", file, "--trainer", "opnai")
    assert done.code == 2
    assert "Did you mean 'openai'" in done.sentence


def test_with_a_model_its_special_tokens_and_template_count(project: Path, tmp_path: Path) -> None:
    folder = make_tokenizer(tmp_path / "tokenizer", ["q a"] * 9, size=300)
    file = write("rows.jsonl", [row("q", "a"), row("<|end|>", "a")])
    assert asked("check", file, "--trainer", "tinker")["problems"] == {"tinker": []}
    (line,) = asked("check", file, "--trainer", "tinker", "--model", str(folder), code=1)["problems"]["tinker"]
    assert line.startswith("line 2: messages[0].content: '<|end|>' is a special token")


TASK = """\
from inspect_ai import Task
from inspect_ai.dataset import Sample
from inspect_ai.model import ChatMessageSystem, ChatMessageUser
from inspect_ai.scorer import includes


def questions():
    talk = [ChatMessageSystem(content="Be brief"), ChatMessageUser(content="How  ARE you?")]
    return Task(dataset=[Sample(input="What is 1 + 1?"), Sample(input="Else"), Sample(input=talk)], scorer=includes())
"""


def test_prompts_of_an_evaluation_that_the_dataset_has_are_named(project: Path) -> None:
    (project / "tasks.py").write_text(TASK)
    file = write("rows.jsonl", [row("what is  1 + 1?", "2"), row("how are you?", "Well")])
    (found,) = asked("check", file, "--trainer", "dummy", "--task", "tasks.py:questions")["overlap"]
    assert found == {
        "task": "tasks.py:questions", "samples": 3, "common": 2, "examples": ["What is 1 + 1?", "How  ARE you?"],
    }  # fmt: skip
    done = Chain(project).command("dataset", "check", file, "--trainer", "dummy", "--task", "tasks.py:questions")
    assert "imports tasks.py" in done.err
    assert "tasks.py:questions: 2 of 3 prompts stand in the dataset" in done.out


def test_two_datasets_differ_in_rows_in_answers_and_in_order(project: Path) -> None:
    first = write("a.jsonl", [row("q", "a"), row("q", "a"), row("r", "b"), row("s", "c")])
    second = write("b.jsonl", [row("s", "c"), row("q", "a"), row("r", "another"), row("t", "d")])
    assert asked("diff", first, second) == {
        "rows": [4, 4],
        "common": 2,
        "only_first": 2,
        "only_second": 2,
        "answered_otherwise": 1,
        "order": True,
        "examples": {
            "only_first": ["user: q\nassistant: a", "user: q\nassistant: a", "user: r\nassistant: b"],
            "only_second": ["user: r\nassistant: another", "user: t\nassistant: d"],
        },
    }
    same = asked("diff", first, first)
    assert (same["common"], same["only_first"], same["only_second"], same["order"]) == (4, 0, 0, False)
    null = write("c.jsonl", [{"messages": [{**message, "name": None} for message in row("q", "a")["messages"]]}])
    assert asked("diff", null, write("d.jsonl", [row("q", "a")]))["common"] == 1


FINE = json.dumps(row("One", "Uno"))[:-1]
ODD = [
    (FINE + ', "x": ' + "[" * 900 + "]" * 900 + "}", "nested too deeply, more than 100 levels"),
    (FINE + ', "x": ' + "[" * 150 + "]" * 150 + "}", "nested too deeply, more than 100 levels"),
    (FINE + f', "x": {"9" * 5000}}}', "not JSON: Exceeds the limit (4300 digits) for integer string conversion"),
    (FINE + ', "x": 1e999}', "x: not JSON: Infinity is no number there"),
    ("\ufeff" + FINE + "}", "it begins with a byte order mark: save the file as UTF-8 without one"),
]


@pytest.mark.parametrize(("line", "said"), ODD, ids=range(len(ODD)))
def test_an_odd_line_is_named_and_the_rest_is_told(line: str, said: str, project: Path) -> None:
    name = write("odd.jsonl", [row("One", "Uno"), line])
    told = asked("show", name)
    assert (told["rows"], len(told["wrong"])) == (1, 1)
    assert told["wrong"][0].startswith(f"line 2: {said}")
    assert asked("check", name, "--trainer", "tinylm", code=1)["problems"]["tinylm"][0].startswith(f"line 2: {said}")
    done = Chain(Path.cwd()).command("dataset", "diff", name, name)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"Error: odd.jsonl, line 2: {said}")


def test_a_row_that_a_loader_has_nested_too_deeply_is_a_sentence(project: Path) -> None:
    for depth in (150, 3000):
        deep: Any = 1
        for _ in range(depth):
            deep = [deep]
        with pytest.raises(StepError, match=r"^loader, row 1: nested too deeply, more than 100 levels\.$"):
            line_of({**row("One", "Uno"), "x": deep}, "loader, row 1")


def test_a_key_that_stands_twice_among_very_many_is_found_at_once() -> None:
    keys = ", ".join(f'"key {number}": 1' for number in range(200_000))
    with pytest.raises(WrongRow, match="the key 'key 199999' stands twice in one object"):
        parsed(f'{{{keys}, "key 199999": 2}}'.encode())


def test_a_file_of_empty_lines_has_no_rows(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("\n  \n\n")
    with pytest.raises(StepError, match="has no rows, so there is nothing to train on"):
        list(chat_rows(tmp_path / "rows.jsonl"))


def test_rows_of_an_atom_are_read_without_empty_lines_and_refused_by_line(project: Path) -> None:
    Path("rows.jsonl").write_bytes(b'{"a": 1}\n\n{"a": 2}\n')
    assert list(DatasetAtom.create(user="ada", artifact_path="rows.jsonl").rows()) == [{"a": 1}, {"a": 2}]
    for odd in (b"\xff", b"[" * 900):
        Path("rows.jsonl").write_bytes(b'{"a": 1}\n' + odd)
        with pytest.raises(DamagedError, match=r"rows\.jsonl, line 2: not JSON\.$"):
            list(DatasetAtom.create(user="ada", artifact_path="rows.jsonl").rows())


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("row.jsonl", "There is no file row.jsonl. Did you mean 'rows.jsonl'?"),
        ("there/rows.jsonl", "There is no file there/rows.jsonl. A dataset is an atom, or the path of a .jsonl file."),
        ("params.yaml", "params.yaml is no dataset: name a dataset atom, or the path of a .jsonl file."),
    ],
)
def test_a_path_that_leads_to_no_dataset_is_told_as_that(name: str, said: str, project: Path) -> None:
    (project / "rows.jsonl").touch()
    (project / "params.yaml").touch()
    done = Chain(project).command("dataset", "show", name)
    assert (done.code, done.out) == (2, "")
    assert done.sentence.startswith(said)
