"""Whether results are out of date, told of lock files that no run has written: what each line of them decides."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from motools.atom.records import Record
from motools.base import yaml12
from motools.engine.outdated import Folder, reasons
from motools.repo.project import Project
from motools.repo.survey import Survey

Lay = Callable[..., Folder]


@pytest.fixture
def lay(bare_project: Path) -> Lay:
    """Write dvc.yaml, dvc.lock and params.yaml, and look at what they say."""

    def write(stages: Any, locked: Any, params: Any = None) -> Folder:
        for name, content in (
            ("dvc.yaml", {"stages": stages}),
            ("dvc.lock", {"schema": "2.0", "stages": locked}),
            ("params.yaml", params),
        ):
            if content is not None:
                (bare_project / name).write_text(yaml12.dumps(content))
        return Folder(Project(bare_project), bare_project)

    return write


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def file(path: str, text: str) -> dict[str, Any]:
    """As a lock file names it."""
    return {"path": path, "hash": "md5", "md5": md5(text), "size": len(text)}


@pytest.mark.parametrize(
    ("written", "before", "why"),
    [
        ({"cmd": "new"}, "old", ["its command changed: old -> new"]),
        ({"cmd": "same"}, "same", []),
        ({"cmd": "new ${more.word}"}, "new 1", []),  # which only DVC puts together
        ({"cmd": ["new", "words"]}, ["old"], []),
        ({"cmd": "new", "frozen": True}, "old", []),
        ({"cmd": "new", "wdir": "${more.place}"}, "old", []),
        ({"cmd": "new", "wdir": "deep"}, "old", ["its command changed: old -> new"]),
        ({"cmd": "motools step run f.py:w own"}, "motools step run f.py:w own", []),
        ({"cmd": "motools step run f.py:w own"}, "old", ["its command changed: old -> motools step run f.py:w own"]),
    ],
)
def test_another_command_makes_out_of_date_what_it_made_where_it_is_known(
    lay: Lay, written: Any, before: Any, why: list[str]
) -> None:
    folder = lay({"own": written}, {"own": {"cmd": before}})
    assert folder.why("own") == why
    assert folder.why("another") == []


def test_the_instances_of_a_group_have_their_commands_from_the_group(lay: Lay) -> None:
    group = {"foreach": {"seed=1": {}}, "do": {"cmd": "motools step run f.py:w train@${key}"}}
    locked = {f"train@seed={n}": {"cmd": f"motools step run f.py:w train@seed={n}"} for n in (1, 2)}
    folder = lay({"train": group}, locked, {"workflow": "f.py:w", "sweep": {"train.seed": [1, 2]}})
    assert folder.why("train@seed=1") == []
    changed = "its command changed: motools step run f.py:w train@seed=2 -> motools step run f.py:w train"
    assert folder.why("train@seed=2") == [changed]
    one = lay({"train": {"cmd": "motools step run f.py:w train"}}, locked, {"workflow": "other.py:w"})
    assert one.why("train@seed=1") == [
        "its command changed: motools step run f.py:w train@seed=1 -> motools step run other.py:w train@seed=1",
        "params.yaml has no sweep any more",
    ]


def test_parameters_and_inputs_lie_where_the_stage_works(lay: Lay, bare_project: Path) -> None:
    (bare_project / "deep").mkdir()
    (bare_project / "deep" / "rows.txt").write_text("1")
    (bare_project / "deep" / "own.yaml").write_text("a: 1\n")
    locked = {"cmd": "x", "deps": [file("rows.txt", "1")], "params": {"own.yaml": {"a": 1}}}
    assert lay({"own": {"cmd": "x", "wdir": "deep"}}, {"own": locked}).why("own") == []
    assert lay({"own": {"cmd": "x"}}, {"own": locked}).why("own") == ["a: 1 -> (none)", "rows.txt changed"]


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("own.yaml", "a.b: 1\n", []),
        ("own.yml", "a: {b: 1}\n", []),
        ("own.json", '{"a": {"b": 2}}', ["a.b: 1 -> 2"]),
        ("own.yaml", "a: 3\n", ["a.b: 1 -> (none)"]),
        ("own.yaml", "- a.b\n", ["a.b: 1 -> (none)"]),
        ("own.toml", "a.b = 2\n", []),  # DVC's, as is what Python would say
        ("own.py", "a.b = 2\n", []),
    ],
)
def test_a_parameter_has_a_name_of_parts_or_is_called_so_as_a_whole(
    lay: Lay, bare_project: Path, name: str, content: str, why: list[str]
) -> None:
    (bare_project / name).write_text(content)
    assert lay({"own": {"cmd": "x"}}, {"own": {"cmd": "x", "params": {name: {"a.b": 1}}}}).why("own") == why


def test_what_cannot_be_read_is_a_reason_of_its_own(lay: Lay, bare_project: Path) -> None:
    (bare_project / "own.yaml").write_text("a: [\n")
    [why] = lay({"own": {"cmd": "x"}}, {"own": {"cmd": "x", "params": {"own.yaml": {"a": 1}}}}).why("own")
    assert why.startswith("its files cannot be read: ")
    assert not why.endswith(".")
    (bare_project / "dvc.lock").write_text("schema: [\n")
    broken = Folder(Project(bare_project), bare_project)
    assert (broken.stages, broken.makers, broken.why("own")) == ([], {}, [])


def test_what_waits_for_itself_is_told_all_the_same(lay: Lay) -> None:
    locked = {
        "one": {"cmd": "x", "deps": [file("b.txt", "b")], "outs": [file("a.txt", "a")]},
        "two": {"cmd": "x", "deps": [file("a.txt", "a")], "outs": [file("b.txt", "b")]},
    }
    assert lay({"one": {"cmd": "x"}, "two": {"cmd": "x"}}, locked).why("one") == []
    folder = lay({"one": {"cmd": "x"}, "two": {"cmd": "y"}}, locked)
    assert folder.why("one") == ["b.txt, which two has made, is out of date"]
    assert folder.why("two") == ["its command changed: x -> y"]


def test_an_input_is_what_its_stage_has_made_of_it_and_else_what_lies_there(lay: Lay, bare_project: Path) -> None:
    (bare_project / "made").mkdir()
    (bare_project / "made" / "in.txt").write_text("1")
    (bare_project / "rows.txt").write_text("1")
    inputs = [file("gone.txt", "1"), file("made/in.txt", "1"), file("rows.txt", "1"), {"path": "far://x", "etag": "1"}]
    made = {"cmd": "x", "outs": [file("other.txt", "2"), file("gone.txt", "1"), file("made", "?")]}
    stages = {"make": {"cmd": "x"}, "own": {"cmd": "x"}}
    assert lay(stages, {"make": made, "own": {"cmd": "x", "deps": inputs}}).why("own") == []
    (bare_project / "gone.txt").write_text("what lies there is no matter")
    made["outs"] = [file("gone.txt", "2"), file("made", "?")]
    (bare_project / "made" / "in.txt").write_text("2")
    (bare_project / "rows.txt").write_text("2")
    why = lay(stages, {"make": made, "own": {"cmd": "x", "deps": inputs}}).why("own")
    assert why == ["gone.txt changed", "made/in.txt changed", "rows.txt changed"]


def test_a_result_without_a_stage_is_never_out_of_date(lay: Lay, bare_project: Path) -> None:
    folder = lay({"own": {"cmd": "new"}}, {"own": {"cmd": "old", "outs": [file("a.txt", "1")]}})

    def why(text: str, of: str = "1") -> list[str]:
        return reasons(Survey(Project(bare_project)), text, bare_project, md5(of))

    changed = ["its command changed: old -> new"]
    assert folder.makers == {"a.txt": "own"}
    assert (why("a.txt"), why(md5("1")), why("x", of="nothing")) == (changed, changed, [])
    (bare_project / "b.txt.dvc").write_text(yaml12.dumps({"outs": [file("b.txt", "1")]}))
    assert (why("a.txt"), why("b.txt"), why(md5("1"))) == (changed, [], []), "b.txt is a result of nobody"


# -- sweeps, and what an execution has used ----------------------------------------------

GROUP = {"foreach": {"seed=1": {}}, "do": {"cmd": "motools step run f.py:w train@${key}"}}


def made(root: Path, config: Any, trace: Any = None, name: str = "train@seed=1", **more: Any) -> Any:
    """The entry of a lock file of an execution with this config, which has left its record."""
    path = f"runs/{name.replace('@', '/')}.json"
    Record("ada", "2026-01-01T00:00:00Z", 1.0, None, False, config=config, trace=trace or {}).write(root / path)
    outs = [{"path": "runs/of-no-use"}, file(path, (root / path).read_text())]
    return {name: {"cmd": f"motools step run f.py:w {name}", "outs": outs, **more}}


@pytest.mark.parametrize(
    ("config", "section", "why"),
    [
        ({"seed": 1}, {}, []),
        ({"seed": 1.0}, {}, []),
        ({"seed": 7}, {}, ["train.seed: 7 -> 1"]),  # another key was called so
        ({}, {}, ["train.seed: (none) -> 1"]),
        ({"seed": 1, "size": 2}, {"size": 3}, []),  # which dvc.lock has under its parameters
        ({"seed": 1, "more": {"seed": 1}}, {}, ["train.more.seed: 1 -> (none)"]),
        ({"seed": 1, "more": {"seed": 1}}, {"more": {"seed": 0}}, ["train.more.seed: 1 -> 0"]),
        ({"seed": 1, "more": {"seed": 1}}, {"more": {"seed": 1}}, []),
        ({"seed": 1, "more": {"seed": 1}}, {"more": 3}, ["train.more.seed: 1 -> (none)"]),
    ],
)
def test_an_instance_is_as_the_sweep_has_it_now(
    lay: Lay, bare_project: Path, config: Any, section: Any, why: list[str]
) -> None:
    params = {"workflow": "f.py:w", "train": section, "sweep": {"train.seed": [1]}}
    folder = lay({"train": GROUP}, made(bare_project, config), params)
    assert folder.instances == {"train": {"seed=1": {"train.seed": 1}}}
    assert folder.why("train@seed=1") == why


def test_an_instance_that_is_not_asked_for_is_out_of_date(lay: Lay, bare_project: Path) -> None:
    locked = made(bare_project, {"seed": 1})
    asked = {"workflow": "f.py:w", "sweep": {"train.seed": [2]}}
    assert lay({"train": GROUP}, locked, asked).why("train@seed=1") == ["params.yaml asks for others"]
    assert lay({"train": GROUP}, locked, {"workflow": "f.py:w"}).why("train@seed=1") == [
        "params.yaml has no sweep any more"
    ]
    (bare_project / "params.yaml").unlink()
    assert lay({"train": GROUP}, locked).why("train@seed=1") == ["params.yaml has no sweep any more"]


def test_an_instance_without_a_record_is_told_by_its_lock_file_alone(lay: Lay, bare_project: Path) -> None:
    locked = made(bare_project, {"seed": 7, "of": "no record"})
    (bare_project / "runs" / "train" / "seed=1.json").write_text("another")
    folder = lay({"train": GROUP}, locked, {"workflow": "f.py:w", "sweep": {"train.seed": [1]}})
    assert folder.record("train@seed=1") is None
    assert folder.why("train@seed=1") == []
    assert lay({"own": {"cmd": "x"}}, {"own": {"cmd": "x", "outs": [file("a", "1")]}}).record("own") is None


def test_a_file_that_changed_counts_where_the_execution_has_used_what_changed(lay: Lay, bare_project: Path) -> None:
    """And what its variables hold and its inputs were is not looked at here."""
    (bare_project / "rows.txt").write_text("2")
    (bare_project / "used.txt").write_text("1")
    deps = [file("rows.txt", "1"), file("used.txt", "1")]
    used: dict[str, Any] = {"files": {"used.txt": md5("1")}, "env": {"NOT_SET": md5("1")}, "inputs": {"given": None}}
    stages = {"train": {"cmd": "motools step run f.py:w train"}}
    locked = made(bare_project, {"seed": 1}, used, "train", deps=deps)
    assert lay(stages, locked).why("train") == []
    (bare_project / "used.txt").write_text("2")
    assert lay(stages, locked).why("train") == ["used.txt"]
    used["inputs"] = {"given": "model"}
    locked = made(bare_project, {"seed": 1}, used, "train", deps=deps)
    assert lay(stages, locked).why("train") == ["used.txt"]
    for none in ({}, {"word of tomorrow": 1}):
        locked = made(bare_project, {"seed": 1}, none, "train", deps=deps)
        assert lay(stages, locked).why("train") == ["rows.txt changed", "used.txt changed"]
