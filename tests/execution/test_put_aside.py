"""What a function has made, noted, put aside and taken up again: within this process, and with nothing executed."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from chain import Chain

from motools.atom import records
from motools.atom.records import Record
from motools.code.trace import Trace
from motools.compiler.step_call import StepCall
from motools.engine.options import RunOptions
from motools.engine.prepared import prepare_folder
from motools.engine.reporter import Silent
from motools.engine.stages import open_stages
from motools.errors import MotoolsError, StepError
from motools.execution import finished_work
from motools.repo import step_cache
from motools.repo.hashing import hash_file
from motools.repo.step_cache import CachedResult
from motools.workflow import AtomConstructor

NOON = "2026-01-01T12:00:00Z"


class Scene:
    """A step whose function has read `words.txt` and made an output in its work folder."""

    def __init__(self, folder: Path) -> None:
        self.chain = Chain.lay(folder)
        with open_stages(prepare_folder(folder), RunOptions(), Silent()) as stages, stages.at_home():
            (found,) = (plan.call for plan in stages.plan().values() if plan.stage == "prepare")
        assert found is not None
        self.call: StepCall = found
        self.project = found.place.project
        self.aside = self.project.private / "finished"
        self.work = self.project.private / "work" / found.key
        self.out = self.work / "workspace" / "out"
        self.out.mkdir(parents=True)
        (self.out / "part.txt").write_text("part")
        (folder / "words.txt").write_text("words")
        self.used = Trace(files={"words.txt": hash_file(folder / "words.txt")})
        self.record(NOON).write(self.work / "record.json")

    def record(self, started: str, **other: Any) -> Record:
        fields = {"key": self.call.key, "trace": self.used.as_dict(), **other}
        return Record(user="ada", started=started, seconds=1.0, commit=None, dirty=False, **fields)

    def note(self, made: Any = None) -> None:
        made = [AtomConstructor("dataset", self.out, "dataset", {"a": 1})] if made is None else made
        finished_work.note(self.call, self.work, made)

    def take_up(self) -> list[AtomConstructor] | None:
        return finished_work.take_up(self.call, self.work)

    def executed(self, started: str, **other: Any) -> None:
        """Have the step cache keep a result of the same step."""
        told = self.chain.path("told.json")
        self.record(started, **other).write(told)
        command, outputs, _ = self.call.cache_slot
        entry = CachedResult(dict.fromkeys(outputs, self.project.store.add(self.out)), self.project.store.add(told))
        step_cache.store(self.project.store, command, entry)


@pytest.fixture
def scene(project: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr(records, "_read", {})
    return Scene(project)


def test_a_function_has_finished_from_when_that_is_noted_until_its_result_is_safe(scene: Scene) -> None:
    assert not finished_work.is_finished(scene.work)
    scene.note()
    assert finished_work.is_finished(scene.work)
    finished_work.safe(scene.call, scene.work)
    assert not finished_work.is_finished(scene.work)
    finished_work.safe(scene.call, scene.work)


def test_what_was_noted_is_taken_up_where_it_lies_without_the_half_of_a_copy(scene: Scene) -> None:
    scene.note()
    (scene.work / "atoms" / "dataset").mkdir(parents=True)
    assert scene.take_up() == [AtomConstructor("dataset", scene.out, "dataset", {"a": 1})]
    assert not (scene.work / "atoms").exists()
    assert scene.take_up() is not None, "it is still there"


def test_what_was_put_aside_is_taken_up_in_the_work_folder_again(scene: Scene) -> None:
    scene.note()
    folder = finished_work.put_aside(scene.project, scene.work)
    assert folder == scene.aside / scene.call.key
    assert stat.S_IMODE(scene.aside.stat().st_mode) == 0o700
    assert not scene.work.exists()
    (scene.work / "of another attempt").mkdir(parents=True)
    assert scene.take_up() == [AtomConstructor("dataset", scene.out, "dataset", {"a": 1})]
    assert (scene.out / "part.txt").read_text() == "part"
    assert not folder.exists()
    assert not (scene.work / "of another attempt").exists()


def test_what_was_put_aside_is_taken_up_where_there_are_no_work_folders(scene: Scene) -> None:
    scene.note()
    finished_work.put_aside(scene.project, scene.work)
    scene.work.parent.rmdir()
    assert scene.take_up() is not None


def test_a_single_output_that_lies_elsewhere_is_taken_up_there(scene: Scene, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("x")
    scene.note(AtomConstructor("dataset", tmp_path / "elsewhere", "dataset"))
    finished_work.put_aside(scene.project, scene.work)
    assert scene.take_up() == [AtomConstructor("dataset", tmp_path / "elsewhere", "dataset", None)]
    (tmp_path / "elsewhere").write_text("yy")
    assert scene.take_up() is None


CHANGES: dict[str, Callable[[Scene], Any]] = {
    "another size": lambda s: (s.out / "part.txt").write_text("parts"),
    "another time": lambda s: os.utime(s.out / "part.txt", (1, 1)),
    "a file that is gone": lambda s: (s.out / "part.txt").unlink(),
    "a file more": lambda s: (s.out / "more.txt").write_text(""),
    "a file more beside the output": lambda s: (s.work / "workspace" / "usage.json").write_text("{}"),
    "another name": lambda s: (s.out / "part.txt").rename(s.out / "trap.txt"),
    "a file that the function has read": lambda s: s.chain.path("words.txt").write_text("other words"),
    "no note": lambda s: (s.work / "made.json").unlink(),
    "a note that was cut off": lambda s: (s.work / "made.json").write_text("{"),
    "a note that says nothing": lambda s: (s.work / "made.json").write_text("{}"),
    "a note that is none": lambda s: (s.work / "made.json").write_text("[]"),
    "a note of less": lambda s: (s.work / "made.json").write_text('{"made": [["a"]], "seen": ""}'),
    "no record": lambda s: (s.work / "record.json").unlink(),
    "a record that was cut off": lambda s: (s.work / "record.json").write_text("{"),
    "a record that is none": lambda s: (s.work / "record.json").write_text("[]"),
    "a record without a trace": lambda s: (s.work / "record.json").write_text("{}"),
    "a record whose trace is none": lambda s: (s.work / "record.json").write_text('{"trace": 1}'),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_is_not_as_the_function_left_it_or_would_be_made_otherwise_now_is_not_taken_up(
    scene: Scene, what: str
) -> None:
    scene.note()
    CHANGES[what](scene)
    assert scene.take_up() is None
    assert scene.work.exists()


@pytest.mark.parametrize("made", [3, "text", [3], (AtomConstructor("a", Path("x"), "b"), 3)])
def test_what_is_no_output_is_noted_as_finished_and_not_taken_up(scene: Scene, made: Any) -> None:
    scene.note(made)
    assert finished_work.is_finished(scene.work)
    assert "made" not in json.loads((scene.work / "made.json").read_text())
    assert scene.take_up() is None


def test_an_output_that_is_not_there_or_whose_metadata_is_no_json_is_not_taken_up(scene: Scene) -> None:
    scene.note([AtomConstructor("dataset", scene.out / "absent", "dataset")])
    assert scene.take_up() is None
    scene.note([AtomConstructor("dataset", scene.out, "dataset", {"a": object()})])
    assert finished_work.is_finished(scene.work)
    assert scene.take_up() is None


def test_several_outputs_come_back_in_their_order(scene: Scene) -> None:
    part = scene.out / "part.txt"
    made = (AtomConstructor("b", scene.out, "dataset"), AtomConstructor("a", part, "text", {"x": [1]}))
    scene.note(made)
    assert scene.take_up() == [*made]


def test_room_is_kept_while_the_function_runs_and_given_back_whatever_happens(scene: Scene) -> None:
    with pytest.raises(ValueError, match="no"), finished_work.room(scene.work):  # noqa: PT012
        assert (scene.work / "room").stat().st_size == 65536
        raise ValueError("no")
    assert not (scene.work / "room").exists()
    with finished_work.room(scene.work / "absent"):
        pass


# -- when something goes wrong -------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MotoolsError("The output has no name."), "The output has no name."),
        (OSError(28, "No space left on device", "/x"), "No space left on device: /x."),
        (ValueError("odd"), "ValueError: odd."),
    ],
)
def test_whatever_stops_a_result_on_its_way_into_the_cache_it_is_put_aside(
    scene: Scene, error: Exception, said: str
) -> None:
    scene.note()
    (scene.work / "atoms").mkdir()
    with pytest.raises(StepError) as raised, finished_work.kept_aside(scene.call, scene.work):
        raise error
    folder = scene.aside / scene.call.key
    assert str(raised.value) == (
        f"{said} What the step made is kept in {folder}. Once that is mended, `motools run` takes it up from there; "
        "`motools run --stages prepare --force` executes the step again."
    )
    assert sorted(path.name for path in folder.iterdir()) == ["made.json", "record.json", "workspace"]
    assert scene.take_up() is not None


def test_what_is_not_known_to_be_a_result_is_put_aside_without_a_promise(scene: Scene) -> None:
    with pytest.raises(StepError) as raised, finished_work.kept_aside(scene.call, scene.work):
        raise MotoolsError("The input 'dataset' changed.")
    folder = scene.aside / scene.call.key
    assert str(raised.value) == (
        f"The input 'dataset' changed. What the step made is kept in {folder}. `motools run` executes the step again."
    )
    assert scene.take_up() is None
    assert (folder / "workspace" / "out" / "part.txt").read_text() == "part"


def test_what_is_told_to_leave_puts_aside_and_leaves(scene: Scene) -> None:
    scene.note()
    with pytest.raises(KeyboardInterrupt), finished_work.kept_aside(scene.call, scene.work):
        raise KeyboardInterrupt
    assert (scene.aside / scene.call.key).exists()


def test_where_nothing_goes_wrong_nothing_is_put_aside(scene: Scene) -> None:
    with finished_work.kept_aside(scene.call, scene.work):
        pass
    assert scene.work.exists()
    assert not scene.aside.exists()


def test_what_was_put_aside_before_is_kept_too(scene: Scene) -> None:
    scene.note()
    folder = finished_work.put_aside(scene.project, scene.work)
    scene.out.mkdir(parents=True)
    (scene.out / "part.txt").write_text("later")
    assert finished_work.put_aside(scene.project, scene.work) == folder
    before, after = sorted(scene.aside.iterdir(), key=lambda path: len(path.name), reverse=True)
    assert (after, before.name.startswith(f"{folder.name}-")) == (folder, True)
    assert (before / "workspace" / "out" / "part.txt").read_text() == "part"
    assert (after / "workspace" / "out" / "part.txt").read_text() == "later"


def test_what_cannot_be_put_aside_stays_where_it_is(scene: Scene) -> None:
    scene.note()
    scene.aside.write_text("in the way")
    assert finished_work.put_aside(scene.project, scene.work) == scene.work
    assert scene.take_up() is not None


# -- what is known by now ------------------------------------------------------------------


def test_once_a_result_is_safe_what_an_earlier_execution_left_aside_goes(scene: Scene) -> None:
    scene.note()
    folder = finished_work.put_aside(scene.project, scene.work)
    (folder / "workspace" / "out" / "part.txt").write_text("edited")
    finished_work.safe(scene.call, scene.work)
    assert folder.exists(), "somebody has been at it"
    (folder / "workspace" / "out" / "part.txt").write_text("part")
    content = json.loads((folder / "made.json").read_text())
    seen = finished_work._seen(folder, [path for _, path, _, _ in content["made"]])
    (folder / "made.json").write_text(json.dumps({**content, "seen": seen}))
    finished_work.safe(scene.call, scene.work)
    assert not folder.exists()


@pytest.mark.parametrize(
    ("started", "other", "goes"),
    [
        (NOON, {}, True),
        ("2026-01-01T13:00:00Z", {}, True),
        ("2026-01-01T11:00:00Z", {}, False),
        (NOON, {"key": "another"}, False),
        (NOON, {"trace": {}}, False),
    ],
)
def test_what_was_put_aside_goes_where_the_same_was_executed_later_and_stays_otherwise(
    scene: Scene, started: str, other: dict[str, Any], goes: bool
) -> None:
    scene.executed(started, **other)
    scene.note()
    folder = finished_work.put_aside(scene.project, scene.work)
    (scene.aside / "of another version").mkdir()
    (scene.aside / "of another version" / "made.json").write_text("{}")
    finished_work.drop_known(scene.project)
    assert folder.exists() is not goes
    assert (scene.aside / "of another version").exists()


def test_what_nobody_knows_is_not_dropped(scene: Scene) -> None:
    scene.note()
    folder = finished_work.put_aside(scene.project, scene.work)
    scene.aside.joinpath("a file").write_text("")
    finished_work.drop_known(scene.project)
    assert folder.exists()
