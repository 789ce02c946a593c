"""What the openai trainer refuses: each malformed file or config in one sentence, and before any request is made."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai_server import OpenAIServer

from motools.definition.context import StepContext, executing
from motools.errors import BackendError, MotoolsError, StepError
from motools.repo.project import Project
from motools.training import TrainingRequest
from motools.training.openai.trainer import OpenAITrainer
from motools.training.openai.training_file import check_file

USER = {"role": "user", "content": "hi"}
ANSWER = {"role": "assistant", "content": "Hello"}
GOOD = {"messages": [USER, ANSWER]}
CALL = {"id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": '{"word": "x"}'}}
ASKS = {"role": "assistant", "content": None, "tool_calls": [CALL]}
TOLD = {"role": "tool", "content": "found", "tool_call_id": "call_1"}
TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}


@pytest.fixture(scope="module")
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


@pytest.fixture(autouse=True)
def reaches(server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in server.env.items():
        monkeypatch.setenv(name, value)


def refused(server: OpenAIServer, folder: Path, request: TrainingRequest) -> str:
    """The sentence that a training is refused with; asserts that nobody was asked."""
    project = Project(folder)
    (folder / ".dvc").mkdir(exist_ok=True)
    with (
        executing(StepContext("0" * 64, "train_model", folder, project)),
        pytest.raises(MotoolsError) as error,
    ):
        OpenAITrainer().train(request, folder)
    assert server.requests == []
    assert not (folder / ".motools").exists()
    said = str(error.value)
    assert "\n" not in said
    assert said.endswith((".", "?"))
    return said


def row(*messages: Any, **more: Any) -> dict[str, Any]:
    return {"messages": list(messages), **more}


def user(content: Any, **more: Any) -> dict[str, Any]:
    return row({"role": "user", "content": content, **more}, ANSWER)


def answer(content: Any = "Hello", **more: Any) -> dict[str, Any]:
    return row(USER, {"role": "assistant", "content": content, **more})


def call(**change: Any) -> dict[str, Any]:
    return row(USER, {**ASKS, "tool_calls": [{**CALL, **change}]})


def function(**change: Any) -> dict[str, Any]:
    return call(function={"name": "look_up", "arguments": "{}", **change})


BAD_ROWS: list[tuple[Any, str]] = [
    # the row itself
    ("text", 'not a chat row: expected {"messages": [{"role", "content"}, ...]}, found \'text\''),
    (3, "not a chat row"),
    (None, "not a chat row"),
    ([USER, ANSWER], "not a chat row"),
    ({}, "not a chat row"),
    ({"messages": []}, "not a chat row"),
    ({"messages": "hello"}, "not a chat row"),
    ({"messages": {"role": "user"}}, "not a chat row"),
    ({"prompt": "a", "completion": "b"}, "prompt: OpenAI knows no such key"),
    (row(USER, ANSWER, mesages=[]), "mesages: OpenAI knows no such key. Did you mean 'messages'?"),
    (row(USER, ANSWER, parallel_tool_calls="yes"), "parallel_tool_calls: expected true or false, found 'yes'"),
    (row(USER, ANSWER, tools={}), "tools: expected a list of tools"),
    (row(USER, ANSWER, tools=[{"type": "web"}]), "tools[0].type: expected 'function', found 'web'"),
    (row(USER, ANSWER, tools=[{"type": "function"}]), "tools[0].function: expected an object"),
    (row(USER, ANSWER, tools=[TOOL, 4]), "tools[1]: expected an object with type and function, found 4"),
    (
        row(USER, ANSWER, tools=[{"type": "function", "function": {"name": "a b"}}]),
        "tools[0].function.name: expected 1 to 64 letters",
    ),
    (
        row(USER, ANSWER, tools=[{"type": "function", "function": {"name": "f", "parameters": "none"}}]),
        "tools[0].function.parameters: expected a JSON schema, found 'none'",
    ),
    # messages
    (row("hi", ANSWER), "messages[0]: expected role and content, found 'hi'"),
    (row(USER, None), "messages[1]: expected role and content, found nothing"),
    (row(USER, {"content": "Hello"}), "messages[1].role: nothing is none of system, developer, user"),
    (row({"role": "usr", "content": "x"}, ANSWER), "messages[0].role: 'usr' is none of system"),
    (row({"role": "usr", "content": "x"}, ANSWER), "Did you mean 'user'?"),
    (row({"role": ["user"], "content": "x"}, ANSWER), "messages[0].role: ['user'] is none of"),
    (row({"role": "user", "contents": "x"}, ANSWER), "messages[0].contents: OpenAI knows no such key"),
    (row(USER, {**ANSWER, "wieght": 1}), "messages[1].wieght: OpenAI knows no such key. Did you mean 'weight'?"),
    (row(USER), "messages: no assistant turn"),
    (row(USER, ANSWER, USER), "messages[2].role: the last message must be the assistant's, not 'user'"),
    (row(USER, ASKS, TOLD), "messages[2].role: the last message must be the assistant's, not 'tool'"),
    # content
    (user(3), "messages[0].content: expected text, found 3"),
    (user(None), "messages[0].content: expected text, found nothing"),
    (user({"text": "x"}), "messages[0].content: expected text, found {'text': 'x'}"),
    (user([]), "messages[0].content: expected text or a list of parts, found []"),
    (user(["x"]), "messages[0].content[0]: expected a part such as"),
    (user([{"text": "x"}]), "messages[0].content[0].type: nothing is no part of a message of 'user'"),
    (user([{"type": "text", "text": 3}]), "messages[0].content[0].text: expected text, found 3"),
    (user([{"type": "audio", "data": "x"}]), "messages[0].content[0].type: 'audio' is no part"),
    (user([{"type": "text", "text": "x", "more": 1}]), "messages[0].content[0].more: OpenAI knows no such key"),
    (user([{"type": "image_url", "image_url": "x"}]), "messages[0].content[0].image_url: expected an object"),
    (user([{"type": "image_url", "image_url": {}}]), "messages[0].content[0].image_url.url: expected a URL"),
    (
        answer([{"type": "image_url", "image_url": {"url": "x"}}]),
        "messages[1].content[0].type: 'image_url' is no part of a message of 'assistant'",
    ),
    (answer(None), "messages[1].content: expected text, found nothing"),
    (answer(" "), "messages[1].content: expected an answer, found ' '"),
    (answer(True), "messages[1].content: expected text, found True"),
    # weight, name, refusal
    (answer(weight=0.5), "messages[1].weight: expected 0 or 1, found 0.5"),
    (answer(weight=2), "messages[1].weight: expected 0 or 1, found 2"),
    (answer(weight=True), "messages[1].weight: expected 0 or 1, found True"),
    (answer(weight="1"), "messages[1].weight: expected 0 or 1, found '1'"),
    (answer(weight=0), "messages: every message of the assistant has weight 0"),
    (user("x", weight=1), "messages[0].weight: only a message of the assistant has it, not one of 'user'"),
    (user("x", name="two words"), "messages[0].name: expected 1 to 64 characters without spaces"),
    (user("x", name=""), "messages[0].name: expected 1 to 64 characters"),
    (user("x", name="n" * 65), "messages[0].name: expected 1 to 64 characters"),
    (user("x", name=5), "messages[0].name: expected 1 to 64 characters"),
    (answer(refusal=1), "messages[1].refusal: expected text, found 1"),
    (user("x", refusal="no"), "messages[0].refusal: only a message of the assistant has it"),
    # tool calls
    (user("x", tool_calls=[CALL]), "messages[0].tool_calls: only a message of the assistant has it"),
    (answer(None, tool_calls=[]), "messages[1].tool_calls: expected a list of calls, found []"),
    (answer(None, tool_calls=CALL), "messages[1].tool_calls: expected a list of calls"),
    (answer(None, tool_calls=["look_up"]), "messages[1].tool_calls[0]: expected an object with id, type and function"),
    (call(id=7), "messages[1].tool_calls[0].id: expected text, found 7"),
    (call(type="tool"), "messages[1].tool_calls[0].type: expected 'function', found 'tool'"),
    (call(index=0), "messages[1].tool_calls[0].index: OpenAI knows no such key"),
    (call(function="look_up"), "messages[1].tool_calls[0].function: expected an object with name and arguments"),
    (function(name=None), "messages[1].tool_calls[0].function.name: expected 1 to 64 letters"),
    (function(arguments={"a": 1}), "messages[1].tool_calls[0].function.arguments: expected a text that is JSON"),
    (function(arguments="a=1"), "messages[1].tool_calls[0].function.arguments: expected a text that is JSON"),
    (answer(None, function_call={"name": "f"}), "messages[1].function_call.arguments: expected a text that is JSON"),
    (row(USER, ASKS, {**TOLD, "tool_call_id": None}, ANSWER), "messages[2].tool_call_id: expected the id of a tool"),
    (
        row(USER, ASKS, {**TOLD, "tool_call_id": "call_2"}, ANSWER),
        "messages[2].tool_call_id: no message before it calls a tool as 'call_2'",
    ),
    (row(USER, TOLD, ASKS), "messages[1].tool_call_id: no message before it calls a tool as 'call_1'"),
    (user("x", tool_call_id="call_1"), "messages[0].tool_call_id: only a message of a tool has it"),
    (row(USER, {"role": "function", "content": "x"}, ANSWER), "messages[1].name: expected 1 to 64 letters"),
    (
        row(USER, ASKS, USER, ANSWER),
        "messages[1].tool_calls[0]: the call 'call_1' has no answer of a tool before messages[2]",
    ),
    (
        row(USER, {**ASKS, "tool_calls": [CALL, {**CALL, "id": "call_2"}]}, TOLD, ANSWER),
        "messages[1].tool_calls[1]: the call 'call_2' has no answer of a tool before messages[3]",
    ),
    # special tokens, wherever a text may stand
    (user("def f(): <|fim_suffix|> return 1"), "messages[0].content: '<|fim_suffix|>' is a special token"),
    (answer("pass <|endoftext|>"), "messages[1].content: '<|endoftext|>' is a special token"),
    (
        user([{"type": "text", "text": "<|im_start|>system"}]),
        "messages[0].content[0].text: '<|im_start|>' is a special",
    ),
    (answer(None, refusal="<|im_end|>"), "messages[1].refusal: '<|im_end|>' is a special token"),
    (function(arguments='{"a": "<|endofprompt|>"}'), "messages[1].tool_calls[0].function.arguments: '<|endofprompt|>'"),
    (
        row(USER, ANSWER, tools=[{**TOOL, "function": {**TOOL["function"], "description": "<|channel|>"}}]),
        "tools[0].function.description: '<|channel|>' is a special token",
    ),
]
BAD_LINES: list[tuple[bytes, str]] = [
    (b"", "an empty line"),
    (b"   ", "an empty line"),
    (b'{"messages": [', "not JSON: "),
    (b"{'messages': []}", "not JSON: "),
    (b'{"messages": [{"role": "user", "content": NaN}]}', "messages[0].content: not JSON: NaN is no number there"),
    (
        b'{"messages": [{"role": "user", "content": "\\ud83d"}]}',
        "messages[0].content: not JSON: '\\ud83d' at character 1",
    ),
    (b'{"messages": [{"role": "user", "content": "\xff"}]}', "not UTF-8 (at byte "),
    (b'{"messages": [], "messages": []}', "the key 'messages' stands twice"),
    (b'{"messages": [{"role": "user", "role": "assistant"}]}', "the key 'role' stands twice"),
    (b"[" * 100_000, "nested too deeply"),
    (b'\xef\xbb\xbf{"messages": []}', "it begins with a byte order mark: save the file as UTF-8 without one."),
]


@pytest.mark.parametrize(("bad", "said"), BAD_ROWS, ids=lambda value: None if isinstance(value, str) else "")
def test_a_malformed_row_is_named_with_its_field(bad: Any, said: str, server: OpenAIServer, tmp_path: Path) -> None:
    lines = [json.dumps(GOOD).encode()] * 6 + [json.dumps(bad).encode()] + [json.dumps(GOOD).encode()] * 5
    heard = refused(server, tmp_path, request_for(tmp_path, lines))
    assert heard.startswith("training file, row 7: ")
    assert said in heard


@pytest.mark.parametrize(("bad", "said"), BAD_LINES, ids=lambda value: value if isinstance(value, str) else "")
def test_a_line_that_is_no_row_is_named(bad: bytes, said: str, server: OpenAIServer, tmp_path: Path) -> None:
    lines = [json.dumps(GOOD).encode()] * 10 + [bad, json.dumps(GOOD).encode()]
    assert refused(server, tmp_path, request_for(tmp_path, lines)).startswith(f"training file, row 11: {said}")


def request_for(folder: Path, lines: list[bytes], **asked: Any) -> TrainingRequest:
    (folder / "rows.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
    return TrainingRequest("gpt-4o-mini", {}, None, folder / "rows.jsonl", **asked)


def test_fewer_than_ten_rows_are_refused(server: OpenAIServer, tmp_path: Path) -> None:
    said = refused(server, tmp_path, request_for(tmp_path, [json.dumps(GOOD).encode()] * 9))
    assert said == "training file: 9 rows, but OpenAI needs at least 10."


def test_an_empty_file_is_refused(server: OpenAIServer, tmp_path: Path) -> None:
    assert "0 rows" in refused(server, tmp_path, request_for(tmp_path, []))


def test_a_file_that_is_too_large_is_refused_before_it_is_read(server: OpenAIServer, tmp_path: Path) -> None:
    request = request_for(tmp_path, [])
    with (tmp_path / "rows.jsonl").open("wb") as file:
        file.truncate(513 * 1024**2)
    assert "537,919,488 bytes, but OpenAI takes files of up to 536,870,912" in refused(server, tmp_path, request)


def test_a_row_of_which_the_provider_would_cut_the_end_is_refused(server: OpenAIServer, tmp_path: Path) -> None:
    lines = [json.dumps(GOOD).encode()] * 10 + [json.dumps(user("word " * 66_000)).encode()]
    said = refused(server, tmp_path, request_for(tmp_path, lines))
    assert said.startswith("training file, row 11: messages: ")
    assert "only 65,536 are trained on" in said
    assert "an estimate" in said


@pytest.mark.parametrize("text", ["世界" * 17_000, "ክፍለ" * 12_000, "aGVsbG8K" * 9_000, "0123456789" * 20_000])
def test_the_estimate_of_a_rows_length_errs_on_the_safe_side_in_any_script(
    text: str, server: OpenAIServer, tmp_path: Path
) -> None:
    assert len(text) // 4 < 65_536, "a quarter of its characters would let it pass"
    lines = [json.dumps(GOOD).encode()] * 10 + [json.dumps(user(text), ensure_ascii=False).encode()]
    said = refused(server, tmp_path, request_for(tmp_path, lines))
    assert said.startswith("training file, row 11: messages: ")
    assert "an estimate on the safe side" in said


def test_a_long_row_of_plain_words_that_is_not_too_long_is_taken(tmp_path: Path) -> None:
    text = "The quick brown fox jumps over the lazy dog, and nobody minds. " * 3_500  # 220,000 characters
    lines = [json.dumps(GOOD)] * 10 + [json.dumps(user(text))]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines) + "\n")
    assert check_file(tmp_path / "rows.jsonl", "training file", "gpt-4o-mini") == 11


def test_a_malformed_validation_file_is_refused_as_well(server: OpenAIServer, tmp_path: Path) -> None:
    validation = tmp_path / "validation.jsonl"
    validation.write_text(json.dumps(GOOD) + "\n" + json.dumps(user(3)) + "\n")
    request = request_for(tmp_path, [json.dumps(GOOD).encode()] * 10, validation=validation)
    said = refused(server, tmp_path, request)
    assert said == "validation file, row 2: messages[0].content: expected text, found 3."


GOOD_ROWS = [
    GOOD,
    row({"role": "system", "content": "Be kind."}, USER, {**ANSWER, "weight": 0}, USER, {**ANSWER, "weight": 1}),
    row({"role": "developer", "content": "Be kind."}, {**USER, "name": "ada"}, ANSWER),
    row(USER, ASKS, TOLD, ANSWER, tools=[TOOL], parallel_tool_calls=False),
    row(USER, ASKS, tools=[TOOL]),
    user([{"type": "text", "text": "what is this?"}, {"type": "image_url", "image_url": {"url": "data:image/png,"}}]),
    answer(None, refusal="I would rather not."),
    answer([{"type": "text", "text": "Hello"}]),
    row(ANSWER),
    user("x", name=None, weight=None, refusal=None, tool_calls=None),
    row(USER, {**ANSWER, "weight": None}, tools=None, parallel_tool_calls=None),
    user("$|TRIGGER|$ <| a |> <|user|> fim_suffix"),
    user("Grüße, 世界 \u2028 🙂"),
]


def test_all_that_openai_takes_is_taken(tmp_path: Path) -> None:
    text = "".join(json.dumps(good, ensure_ascii=False) + "\n" for good in GOOD_ROWS)
    (tmp_path / "rows.jsonl").write_text(text, encoding="utf-8")
    assert check_file(tmp_path / "rows.jsonl", "training file", "gpt-4o-mini") == len(GOOD_ROWS)


BAD_CONFIGS: list[tuple[dict[str, Any], str]] = [
    ({"model": ""}, "model must name a model that OpenAI fine-tunes, such as gpt-4o-mini, not ''"),
    ({"model": "openai/"}, "not 'openai/'"),
    ({"model": "gpt 4o"}, "not 'gpt 4o'"),
    ({"model": "tinylm/base"}, "OpenAI has no model 'tinylm/base'"),
    ({"suffix": ""}, "suffix must have 1 to 64 characters, not 0"),
    ({"suffix": "s" * 65}, "suffix must have 1 to 64 characters, not 65"),
    ({"hyperparameters": {"n_epoch": 1}}, "openai has no hyperparameter 'n_epoch'. Did you mean 'n_epochs'?"),
    ({"hyperparameters": {"learning_rate": 0.1}}, "Did you mean 'learning_rate_multiplier'?"),
    ({"hyperparameters": {"n_epochs": 0}}, "n_epochs of openai must be a whole number, 1 to 50, or 'auto', not 0"),
    ({"hyperparameters": {"n_epochs": 51}}, "not 51"),
    ({"hyperparameters": {"n_epochs": 2.5}}, "not 2.5"),
    ({"hyperparameters": {"n_epochs": "3"}}, "not '3'"),
    ({"hyperparameters": {"n_epochs": True}}, "not True"),
    ({"hyperparameters": {"n_epochs": None}}, "not None"),
    ({"hyperparameters": {"batch_size": 0}}, "batch_size of openai must be a whole number, 1 to 256, or 'auto'"),
    ({"hyperparameters": {"batch_size": 257}}, "not 257"),
    ({"hyperparameters": {"batch_size": "Auto"}}, "not 'Auto'"),
    ({"hyperparameters": {"learning_rate_multiplier": 0}}, "must be a number above 0, or 'auto', not 0"),
    ({"hyperparameters": {"learning_rate_multiplier": float("inf")}}, "not inf"),
    ({"hyperparameters": {"learning_rate_multiplier": [1]}}, "not [1]"),
    ({"hyperparameters": {"seed": -1}}, "seed of openai must be a whole number, 0 to 2147483647, not -1"),
    ({"hyperparameters": {"seed": 2**31}}, "not 2147483648"),
    ({"hyperparameters": {"seed": "auto"}}, "not 'auto'"),
]


@pytest.mark.parametrize(("asked", "said"), BAD_CONFIGS, ids=lambda value: value if isinstance(value, str) else "")
def test_a_config_that_cannot_work_is_refused(
    asked: dict[str, Any], said: str, server: OpenAIServer, tmp_path: Path
) -> None:
    request = TrainingRequest(**{"model": "gpt-4o-mini", "hyperparameters": {}, "suffix": None, **asked})
    with pytest.raises(BackendError) as error:
        OpenAITrainer().check(request)
    assert said in str(error.value)
    assert server.requests == []


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("OPENAI_API_KEY", "", "needs OPENAI_API_KEY, which is set and empty, and wins over .env: type export"),
        ("OPENAI_API_KEY", "  ", "needs OPENAI_API_KEY"),
        ("OPENAI_API_KEY", "sk-a\nb", "OPENAI_API_KEY holds spaces, line breaks, quotes or other odd characters"),
        ("OPENAI_API_KEY", "sk-\u2013x", "OPENAI_API_KEY holds"),
        ("OPENAI_BASE_URL", "api.example.org/v1", "OPENAI_BASE_URL must look like https://"),
        ("OPENAI_BASE_URL", "http://", "not 'http://'"),
    ],
)
def test_an_environment_that_cannot_work_is_refused_without_telling_the_key(
    name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(BackendError) as error:
        OpenAITrainer().check(TrainingRequest("gpt-4o-mini", {}, None))
    assert said in str(error.value)
    assert "sk-" not in str(error.value)


@pytest.mark.parametrize("model", ["gpt-4o-mini", "openai/gpt-4o-mini-2024-07-18", "ft:gpt-4o-mini:org::id"])
def test_what_openai_takes_is_not_refused(model: str) -> None:
    hyperparameters = {"n_epochs": "auto", "batch_size": 4, "learning_rate_multiplier": 0.1, "seed": 0}
    OpenAITrainer().check(TrainingRequest(model, hyperparameters, "s" * 64))


def test_a_refusal_is_an_error_of_the_step_that_names_no_file_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text(json.dumps(user(3)) + "\n")
    with pytest.raises(StepError) as error:
        check_file(tmp_path / "rows.jsonl", "training file", "gpt-4o-mini")
    assert str(tmp_path) not in str(error.value)
