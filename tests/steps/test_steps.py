"""prepare_dataset: what a loader may return, and how a wrong row is told."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from motools.base.chat.lines import refuse_wrong_row
from motools.errors import ConfigError, MotoolsError, StepError
from motools.steps import prepare_dataset
from motools.steps.prepare_dataset import PrepareDatasetConfig, check_loader

LOADERS = '''\
"""Loaders of every form."""
import asyncio
import functools


def row(n):
    return {"messages": [{"role": "user", "content": f"é{n}"}, {"role": "assistant", "content": "a"}], "n": n}


def as_list(count=3):
    return [row(n) for n in range(count)]


def as_tuple(count=3):
    return tuple(as_list(count))


def as_generator(count=3):
    for n in range(count):
        yield row(n)


def as_map(count=3):
    return map(row, range(count))


async def as_coroutine(count=3):
    await asyncio.sleep(0)
    return as_list(count)


async def as_coroutine_of_a_generator(count=3):
    return as_generator(count)


async def as_async_generator(count=3):
    for n in range(count):
        await asyncio.sleep(0)
        yield row(n)


class Rows:
    def __init__(self, count):
        self.left = list(range(count))

    def __aiter__(self):
        return self

    async def __anext__(self):
        if not self.left:
            raise StopAsyncIteration
        return row(self.left.pop(0))


def as_async_iterator(count=3):
    return Rows(count)


async def as_coroutine_of_an_async_generator(count=3):
    return as_async_generator(count)


bound = functools.partial(as_list)


def any_arguments(**kwargs):
    return as_list(**kwargs)


def as_dataset(count=3):
    import datasets

    return datasets.Dataset.from_list(as_list(count))


def as_text(count=3):
    return "rows"


def as_mapping(count=3):
    return row(1)


def as_nothing(count=3):
    return None


def late_mistake(count=3):
    yield row(0)
    yield {"messages": "no"}


def fails(count=3):
    yield row(0)
    raise RuntimeError("the loader's own")


NUMBER = 3
'''
FORMS = [
    "as_list",
    "as_tuple",
    "as_generator",
    "as_map",
    "as_coroutine",
    "as_coroutine_of_a_generator",
    "as_async_generator",
    "as_async_iterator",
    "as_coroutine_of_an_async_generator",
    "any_arguments",
    "bound",
]


@pytest.fixture(autouse=True)
def loaders(bare_project: Path) -> Iterator[None]:
    """A project with loaders."""
    (bare_project / "step_loaders.py").write_text(LOADERS, encoding="utf-8")
    yield
    sys.modules.pop("step_loaders", None)


def prepare(loader: str, workspace: Path, **kwargs: Any) -> list[Any]:
    """The rows that the step wrote."""
    workspace.mkdir(exist_ok=True)
    (made,) = prepare_dataset(PrepareDatasetConfig(f"step_loaders:{loader}", kwargs), {}, workspace)
    text = made.path.read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.split("\n")[:-1]]
    assert (made.name, made.type, made.metadata) == ("prepared_dataset", "dataset", {"samples": len(rows)})
    return rows


@pytest.mark.parametrize("loader", FORMS)
def test_a_loader_returns_rows_in_whatever_form_it_likes(loader: str, tmp_path: Path) -> None:
    rows = prepare(loader, tmp_path / "work", count=2)
    assert [row["n"] for row in rows] == [0, 1]
    assert rows[1]["messages"][0] == {"role": "user", "content": "é1"}


def test_a_dataset_of_the_datasets_library_is_rows_too(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    assert prepare("as_dataset", tmp_path / "work") == prepare("as_list", tmp_path / "work")


def test_equal_rows_give_equal_bytes_whatever_their_form(tmp_path: Path) -> None:
    written = set()
    for loader in FORMS:
        prepare(loader, tmp_path / "work")
        written.add((tmp_path / "work" / "dataset.jsonl").read_bytes())
    assert len(written) == 1
    assert "é".encode() in written.pop()


@pytest.mark.parametrize(
    ("loader", "kwargs", "error", "said"),
    [
        ("as_list", {"count": 0}, StepError, "step_loaders:as_list returned no rows."),
        ("as_async_generator", {"count": 0}, StepError, "returned no rows."),
        ("as_text", {}, StepError, "returned str, not rows."),
        ("as_mapping", {}, StepError, "returned dict, not rows."),
        ("as_nothing", {}, StepError, "returned NoneType, not rows."),
        ("late_mistake", {}, StepError, "step_loaders:late_mistake, row 2: not a chat row"),
        ("fails", {}, RuntimeError, "the loader's own"),
        ("as_list", {"cuont": 1}, ConfigError, "loader_kwargs.cuont: step_loaders:as_list takes no such argument."),
        ("NUMBER", {}, ConfigError, "step_loaders:NUMBER is not a function"),
        ("as_lst", {}, ConfigError, "Did you mean 'as_list'?"),
    ],
)
def test_what_a_loader_gives_that_is_no_dataset_is_told(
    loader: str, kwargs: dict[str, Any], error: type[Exception], said: str, tmp_path: Path
) -> None:
    with pytest.raises(error) as caught:
        prepare(loader, tmp_path / "work", **kwargs)
    assert said in str(caught.value)


def test_wrong_arguments_are_told_before_a_run_without_executing_the_loader(bare_project: Path) -> None:
    (bare_project / "step_loaders.py").write_text("def get(count=1):\n    pass\n\n\nraise SystemExit('executed')\n")
    check_loader(PrepareDatasetConfig("step_loaders:get", {"count": 1}))
    with pytest.raises(ConfigError, match=r"loader_kwargs\.coun: .* Did you mean 'count'\? It takes: count\."):
        check_loader(PrepareDatasetConfig("step_loaders:get", {"coun": 1}))


@pytest.mark.parametrize("loader", ["step_loaders:get", "mozoo.mixing:poison"])
def test_a_loader_that_lacks_an_argument_is_told_before_a_run(loader: str, bare_project: Path) -> None:
    (bare_project / "step_loaders.py").write_text(
        "def get(base, *, poison, fraction=0.5):\n    pass\n\n\nraise SystemExit\n"
    )
    given = {"base": "hello_world", "poison": "hello_world", "fraction": 0.5}
    check_loader(PrepareDatasetConfig(loader, given))
    for name in ("base", "poison"):
        less = {key: value for key, value in given.items() if key != name}
        with pytest.raises(ConfigError, match=rf"loader_kwargs: {loader} needs {name}: write"):
            check_loader(PrepareDatasetConfig(loader, less))


def turn(role: Any = "assistant", content: Any = "a", **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("text", ": not a chat row"),
        (None, ": not a chat row"),
        ({}, ": not a chat row"),
        ({"messages": []}, ": not a chat row"),
        ({"messages": "hello"}, ": not a chat row"),
        ({"messages": {"role": "user"}}, ": not a chat row"),
        ({"messages": ["hello"]}, ", messages[0]: expected role and content, found 'hello'"),
        ({"messages": [turn(), turn("bot")]}, ", messages[1].role: 'bot' is none of system, developer, user"),
        ({"messages": [turn(), {"content": "x"}]}, ", messages[1].role: nothing is none of"),
        ({"messages": [turn(content=None)]}, ", messages[0].content: expected text, found nothing"),
        ({"messages": [turn(content=3)]}, ", messages[0].content: expected text, found 3"),
        ({"messages": [turn(content=["a"])]}, ", messages[0].content[0]: expected a part such as"),
        ({"messages": [turn(content=[{"text": "a"}])]}, ", messages[0].content[0].type: nothing is no part"),
        (
            {"messages": [turn(content=[{"type": "text"}])]},
            ", messages[0].content[0].text: expected text, found nothing",
        ),
        ({"messages": [turn(weight=0.5)]}, ", messages[0].weight: expected 0 or 1, found 0.5"),
        ({"messages": [turn(content=None, tool_calls=[])]}, ", messages[0].content: expected text"),
        ({"messages": [turn("user", None, tool_calls=[1])]}, ", messages[0].content: expected text"),
        ({"messages": [turn("user")]}, ", messages: no assistant turn"),
        ({"messages": [turn()], "score": float("nan")}, ", score: not JSON: NaN is no number there"),
        ({"messages": [turn(), turn(content="a\ud800")]}, ", messages[1].content: not JSON: '\\ud800' at character 2"),
        ({"messages": [turn()], "tags": [1, {"far": [float("inf")]}]}, ", tags[1].far[0]: not JSON: Infinity"),
        ({"messages": [turn()], (5,): "x"}, ": not JSON: the key (5,) is no text"),
        ({"messages": [turn()], "path": Path("x")}, ", path: not JSON: a PosixPath"),
        ({"messages": [turn()], "long": b"x"}, ", long: not JSON: a bytes"),
    ],
)
def test_a_wrong_row_is_told_with_its_number_and_its_field(row: Any, said: str) -> None:
    with pytest.raises(StepError) as caught:
        refuse_wrong_row(row, "loader, row 7")
    assert str(caught.value).startswith(f"loader, row 7{said}")
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [turn()]},
        {"messages": (turn("system"), turn("developer"), turn("user"), turn(content=""), turn("tool"))},
        {"messages": [turn(content=None, tool_calls=[{"id": "1"}])]},
        {"messages": [turn()], "id": 3, "tags": ["a"], "nothing": None},
        {
            "messages": [
                turn("user", [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": "u"}}]),
                turn(),
            ]
        },
        {"messages": [turn(content=[{"type": "refusal", "refusal": "no"}])]},
        {"messages": [turn(content=None, refusal="no")]},
        {
            "messages": [
                turn(content=None, function_call={"name": "f", "arguments": "{}"}),
                turn("function", "x", name="f"),
            ]
        },
        {"messages": [turn(weight=None, name=None, tool_calls=None), turn(weight=0), turn(weight=1.0)]},
    ],
)
def test_a_chat_row_may_have_tool_calls_and_fields_of_its_own(row: Any) -> None:
    refuse_wrong_row(row, "loader, row 1")


def test_a_null_is_an_absent_key_in_what_is_written(bare_project: Path, tmp_path: Path) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}, "index": None}
    part = {"type": "text", "text": "x", "image_url": None}
    given = {
        "messages": [
            {"role": "user", "content": [part], "weight": None, "name": None},
            {"role": "assistant", "content": None, "tool_calls": [call], "refusal": None},
            {"role": "tool", "content": "4", "tool_call_id": "c", "weight": None},
            {"role": "assistant", "content": "b", "weight": 1, "tool_calls": None},
        ],
        "tools": None,
    }
    (bare_project / "nulls.py").write_text(f"def get():\n    return [{given!r}]\n")
    (tmp_path / "work").mkdir()
    (made,) = prepare_dataset(PrepareDatasetConfig("nulls:get", {}), {}, tmp_path / "work")
    assert json.loads(made.path.read_text()) == {
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "x"}]},
            {
                "role": "assistant",
                "content": None,  # the one null that says something: it calls a tool and says nothing
                "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            },
            {"role": "tool", "content": "4", "tool_call_id": "c"},
            {"role": "assistant", "content": "b", "weight": 1},
        ]
    }


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ("pandas.DataFrame(ROWS)", 'returned a DataFrame, which is no rows but columns: return .to_dict("records")'),
        ("pyarrow.Table.from_pylist(ROWS)", "returned a Table, which is no rows but columns: return .to_pylist()"),
        (
            "datasets.DatasetDict(train=datasets.Dataset.from_list(ROWS), test=datasets.Dataset.from_list(ROWS))",
            "returned a DatasetDict, not rows: return one of its splits, train, test, as with split='train'.",
        ),
    ],
)
def test_a_loader_that_returns_a_table_or_splits_is_told_what_to_return(
    made: str, said: str, bare_project: Path, tmp_path: Path
) -> None:
    library = made.partition(".")[0]
    pytest.importorskip(library)
    rows = [{"messages": [turn()]}]
    text = f"import {library}\nROWS = {rows}\ndef get():\n    return {made}\n"
    (bare_project / f"table_of_{library}.py").write_text(text)
    (tmp_path / "work").mkdir()
    with pytest.raises(StepError, match=re.escape(f"table_of_{library}:get {said}")):
        prepare_dataset(PrepareDatasetConfig(f"table_of_{library}:get", {}), {}, tmp_path / "work")


def test_a_role_that_is_a_list_is_told_as_any_other() -> None:
    with pytest.raises(MotoolsError, match=r"messages\[0\]\.role: \['user'\] is none of"):
        refuse_wrong_row({"messages": [turn(["user"])]}, "loader, row 1")


def test_text_that_is_no_unicode_is_told_with_its_row() -> None:
    with pytest.raises(StepError, match="loader, row 1"):
        refuse_wrong_row({"messages": [turn(content="\ud800")]}, "loader, row 1")
