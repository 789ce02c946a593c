"""Notes of which step has made which file beside its outputs: looked up, and not read where nobody asks."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from motools.code.search_path import PipelineFolder
from motools.compiler.step_call import StepCall
from motools.compiler.step_code import StepCode
from motools.definition.step import Step
from motools.definition.workflow import Workflow
from motools.execution.side_files import made_apart, note_made, notes_of_gone
from motools.repo.project import Project
from motools.workflow import StepConfig


@dataclass
class Config(StepConfig):
    pass


WORKFLOW = Workflow(
    "chain",
    [
        Step("first", {}, {"one": "dataset"}, Config, lambda *_: []),
        Step("second", {"one": "dataset"}, {"two": "model"}, Config, lambda *_: []),
    ],
)
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


@pytest.fixture
def place(bare_project: Path) -> PipelineFolder:
    return PipelineFolder(Project.find(bare_project), bare_project)


def call(place: PipelineFolder, name: str) -> StepCall:
    return StepCall("w", name, {}, {}, False, {}, StepCode("", {}, ()), {}, place, "key")


def leave(place: PipelineFolder, name: str, step: str) -> str:
    """Have a step make a file."""
    path = place.folder / name
    path.write_text(step)
    note_made(call(place, step), [str(path)])
    return str(path)


def test_a_file_is_apart_for_all_but_those_that_come_after_its_maker(place: PipelineFolder) -> None:
    one, two = leave(place, "one.db", "first"), leave(place, "two.db", "second")
    assert made_apart(call(place, "first"), lambda: WORKFLOW) == {one, two}
    assert made_apart(call(place, "second"), lambda: WORKFLOW) == {two}
    assert str(place.folder / "other.db") not in made_apart(call(place, "first"), lambda: WORKFLOW)


def test_of_many_notes_those_alone_are_read_that_are_asked_for(place: PipelineFolder, opened: set[str]) -> None:
    paths = [leave(place, f"{number}.db", "first") for number in range(20)]
    opened.clear()
    apart = made_apart(call(place, "first"), lambda: WORKFLOW)
    assert paths[3] in apart
    assert len([path for path in opened if "made" in Path(path).parts]) == 1


def test_notes_are_of_no_use_when_their_files_are_gone_or_written_anew(place: PipelineFolder) -> None:
    stays, goes, changes = (leave(place, name, "first") for name in ("stays.db", "goes.db", "changes.db"))
    assert notes_of_gone(place.project) == []
    Path(goes).unlink()
    Path(changes).write_text("by somebody else")
    gone = notes_of_gone(place.project)
    assert len(gone) == 2
    for note in gone:
        note.unlink()
    assert notes_of_gone(place.project) == []
    assert made_apart(call(place, "first"), lambda: WORKFLOW) == {stays}
