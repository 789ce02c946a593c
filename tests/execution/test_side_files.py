"""Files that steps leave beside their outputs: which of them count for whom."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from motools.code.search_path import PipelineFolder
from motools.compiler.step_call import StepCall
from motools.compiler.step_code import StepCode
from motools.execution.side_files import made_apart, note_made
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
    found = made_apart(call(name, root), lambda: WORKFLOW)
    assert found <= {str(root / FILE)}
    return not found


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


def test_the_workflow_is_asked_for_only_where_a_step_has_left_anything(bare_project: Path) -> None:
    def workflow() -> Workflow:
        raise LookupError

    assert made_apart(call("train", bare_project), workflow) == frozenset()
    leave(bare_project, "apart")
    with pytest.raises(LookupError):
        made_apart(call("train", bare_project), workflow)


@pytest.mark.parametrize("text", ["{", "[]", "null", '[1, ".", "apart", 0]', "\0", b"\xff"])
def test_a_note_that_cannot_be_read_is_none_and_hides_no_other(bare_project: Path, text: str | bytes) -> None:
    leave(bare_project, "apart")
    (note,) = (bare_project / ".motools" / "made").iterdir()
    for name in ("0", "z"):
        (note.parent / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    (note.parent / "1").mkdir()
    assert not counts(bare_project, "train")
    note.unlink()
    assert counts(bare_project, "train")


def test_each_step_has_one_note_of_a_file_and_none_of_what_is_gone_again(bare_project: Path) -> None:
    notes = bare_project / ".motools" / "made"
    leave(bare_project, "apart", "train", "apart")
    assert sorted(json.loads(note.read_text())[2] for note in notes.iterdir()) == ["apart", "train"]
    shutil.rmtree(notes)
    paths = [str(bare_project / name) for name in ("gone", FILE)]
    note_made(call("apart", bare_project), paths)
    assert len([*notes.iterdir()]) == 1
