"""Files that steps leave beside their outputs: which of them count for whom."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from motools.code.search_path import PipelineFolder
from motools.compiler.step_call import StepCall
from motools.compiler.step_code import StepCode
from motools.execution.side_files import made_apart, note_made, notes_of_gone
from motools.repo.project import Project
from motools.workflow import Step, StepConfig, Workflow


@dataclass
class Config(StepConfig):
    pass


def step(name: str, takes: list[str], makes: str) -> Step:
    return Step(name, dict.fromkeys(takes, "thing"), {makes: "thing"}, Config, lambda config, atoms, workspace: [])


WORKFLOW = Workflow("chain", [step("prepare", [], "rows"), step("train", ["rows"], "model"), step("apart", [], "else")])
FILE = "left.db"


def call(name: str, root: Path, folder: str = ".") -> StepCall:
    place = PipelineFolder(Project(root), root / folder)
    return StepCall("chain", name, {}, {}, False, {}, StepCode("f", {}, ()), {}, place, "0" * 64)


def leave(root: Path, *makers: str, folder: str = ".") -> None:
    """Have steps write the file, all of them at once."""
    (root / FILE).write_text("rows")
    for maker in makers:
        note_made(call(maker, root, folder), [str(root / FILE)])


def counts(root: Path, name: str) -> bool:
    """Whether the file counts for a step, which it may not know of by its name."""
    apart = made_apart(call(name, root), lambda: WORKFLOW)
    assert (str(root / FILE) in apart) == (apart == {str(root / FILE)})
    return not apart


def notes_in(root: Path) -> list[Path]:
    return [*(root / ".motools" / "made").glob("*/*")]


_watching: list[set[str]] = []


def _opened(event: str, args: tuple[Any, ...]) -> None:
    if event == "open" and _watching:
        _watching[-1].add(str(args[0]))


@pytest.fixture
def opened() -> Iterator[set[str]]:
    """The files that are opened meanwhile."""
    if not hasattr(_opened, "added"):
        sys.addaudithook(_opened)
        _opened.added = True  # type: ignore[attr-defined]
    _watching.append(set())
    yield _watching[-1]
    _watching.pop()


@pytest.mark.parametrize(
    ("makers", "those"),
    [
        ([], {"prepare", "train", "apart"}),
        (["prepare"], {"train"}),
        (["train"], set()),
        (["apart"], set()),
        (["apart", "prepare"], {"train"}),
    ],
)
def test_a_file_counts_for_those_that_come_after_one_of_its_makers(
    bare_project: Path, makers: list[str], those: set[str]
) -> None:
    leave(bare_project, *makers)
    assert {name for name in ("prepare", "train", "apart") if counts(bare_project, name)} == those


@pytest.mark.parametrize(
    ("maker", "name", "is_counted"),
    [
        ("prepare@seed=1", "train@seed=1", True),
        ("prepare@seed=1", "train@seed=2", False),
        ("prepare@seed=1", "train@rate=3,seed=1", True),
        ("prepare@seed=1,size=2", "train@seed=1,size=3", False),
        ("prepare@seed=1", "train@rate=3", True),
        ("prepare", "train@seed=1", True),
        ("apart@seed=1", "train@seed=1", False),
    ],
)
def test_an_instance_counts_what_is_left_for_the_same_values(
    bare_project: Path, maker: str, name: str, is_counted: bool
) -> None:
    leave(bare_project, maker)
    assert counts(bare_project, name) == is_counted


def test_what_somebody_else_has_written_since_or_another_pipeline_has_counts_for_all(bare_project: Path) -> None:
    (bare_project / "other").mkdir()
    leave(bare_project, "apart", folder="other")
    assert counts(bare_project, "train")
    leave(bare_project, "apart")
    assert not counts(bare_project, "train")
    os.utime(bare_project / FILE, (5, 5))
    assert counts(bare_project, "train")
    leave(bare_project, "apart")
    assert not counts(bare_project, "train"), "it has made it again"
    (bare_project / FILE).unlink()
    assert counts(bare_project, "train")


def test_what_a_step_has_left_is_known_where_the_project_is_moved_to(bare_project: Path) -> None:
    leave(bare_project, "apart")
    assert not counts(Path(shutil.move(bare_project, bare_project.with_name("moved"))), "train")


def test_the_workflow_is_asked_for_only_of_files_that_a_step_has_left(bare_project: Path) -> None:
    def workflow() -> Workflow:
        raise LookupError

    apart = made_apart(call("train", bare_project), workflow)
    assert apart == frozenset()
    leave(bare_project, "apart")
    assert str(bare_project / "other.db") not in apart
    with pytest.raises(LookupError):
        str(bare_project / FILE) in apart  # noqa: B015


def test_of_many_notes_those_alone_are_read_that_are_asked_for(bare_project: Path, opened: set[str]) -> None:
    paths = [str(bare_project / f"{number}.db") for number in range(20)]
    for path in paths:
        Path(path).write_text("rows")
    note_made(call("apart", bare_project), paths)
    opened.clear()
    assert paths[3] in made_apart(call("train", bare_project), lambda: WORKFLOW)
    assert len([path for path in opened if "made" in Path(path).parts]) == 1


@pytest.mark.parametrize("text", ["{", "[]", "null", '[1, ".", "apart", 0]', "\0", b"\xff"])
def test_a_note_that_cannot_be_read_is_none_and_hides_no_other(bare_project: Path, text: str | bytes) -> None:
    leave(bare_project, "apart")
    (note,) = notes_in(bare_project)
    for name in ("0", "z"):
        (note.parent / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    (note.parent / "1").mkdir()
    assert not counts(bare_project, "train")
    note.unlink()
    assert counts(bare_project, "train")


def test_each_step_has_one_note_of_a_file_and_none_of_what_is_gone_again(bare_project: Path) -> None:
    leave(bare_project, "apart", "train", "apart")
    assert sorted(json.loads(note.read_text())[2] for note in notes_in(bare_project)) == ["apart", "train"]
    shutil.rmtree(bare_project / ".motools" / "made")
    note_made(call("apart", bare_project), [str(bare_project / name) for name in ("gone", FILE)])
    assert len(notes_in(bare_project)) == 1


def test_notes_are_of_no_use_when_their_files_are_gone_or_written_anew(bare_project: Path) -> None:
    paths = {name: bare_project / name for name in ("stays.db", "goes.db", "changes.db")}
    for path in paths.values():
        path.write_text("rows")
    note_made(call("apart", bare_project), map(str, paths.values()))
    project = Project(bare_project)
    assert notes_of_gone(project) == []
    paths["goes.db"].unlink()
    paths["changes.db"].write_text("by somebody else")
    gone = notes_of_gone(project)
    assert len(gone) == 2
    for note in gone:
        note.unlink()
    assert notes_of_gone(project) == []
    assert made_apart(call("train", bare_project), lambda: WORKFLOW) == {str(paths["stays.db"])}
