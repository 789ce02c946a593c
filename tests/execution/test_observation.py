"""One execution, observed: what it used is told, what is its own is not, and an earlier attempt is good or goes."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from chain import forget_modules

from motools.base.loaded_modules import loaded_since
from motools.code import loading
from motools.code.search_path import PipelineFolder
from motools.code.trace import Trace
from motools.compiler.step_call import StepCall, make_call
from motools.compiler.step_code import of_step
from motools.errors import StepError
from motools.execution import observation
from motools.execution.observation import Observation
from motools.observe import listing, observer, path_digest
from motools.observe.events import Events
from motools.repo.project import Project
from motools.workflow import Step, StepConfig, Workflow

CODE = """
from pathlib import Path
import observed_helper

def step():
    return Path("rows.txt").read_text() + observed_helper.word()
"""
HELPER = "WORD = 'word'\n\ndef word():\n    return WORD\n"


@dataclass
class Config(StepConfig):
    data: str = ""


class Scene:
    """A project with a step, which is executed in this process."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.place = PipelineFolder(Project(root), root)
        self.work = root / ".motools" / "work" / "key"
        self.kept = root / ".motools" / "kept" / "key"
        self.log = self.kept.with_name("key.trace")
        (root / "observed_steps.py").write_text(CODE)
        (root / "observed_helper.py").write_text(HELPER)
        (root / "rows.txt").write_text("rows")
        with self.place.importable():
            self.function: Any = loading.load("observed_steps.py:step", self.place)
        outputs = {"out": "thing"}
        self.step = Step("do", {"given": "dataset"}, outputs, Config, lambda config, atoms, workspace: [])

    def call(self, **values: Any) -> StepCall:
        what = of_step(self.step, values, self.place)
        return make_call("observed_steps.py:step", self.step, values, what, {"given": "dataset-1"}, self.place)

    def observe(self, force: bool = False, **values: Any) -> Observation:
        return Observation(self.call(**values), self.work, self.kept, force)

    def trace(self, work: Callable[[], Any], **values: Any) -> Trace:
        seen = self.observe(True, **values)
        with self.place.importable(), seen:
            work()
        return seen.trace(self.step, {"given": "dataset"}, self.workflow)

    def workflow(self) -> Workflow:
        return Workflow("observed", [self.step])

    def fail(self) -> None:
        """An attempt that keeps something and fails."""
        with contextlib.suppress(ZeroDivisionError), self.place.importable(), self.observe():
            self.kept.mkdir(parents=True, exist_ok=True)
            observer().keep()
            self.function()
            raise ZeroDivisionError


@pytest.fixture
def scene(bare_project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.setattr(observer(), "sources", {})
    monkeypatch.setattr(observer(), "loading", Events())
    monkeypatch.setattr(observer(), "imports", set())
    monkeypatch.setattr(observation._loaded, "mark", loaded_since(None)[1])  # the tests are no code of this project
    monkeypatch.setattr(observation._loaded, "modules", {})
    yield Scene(bare_project)
    forget_modules(bare_project)


def test_what_was_executed_and_read_is_told(scene: Scene) -> None:
    found = scene.trace(scene.function)
    assert list(found.code) == ["observed_helper.py", "observed_steps.py"]
    assert list(found.code["observed_helper.py"].functions) == ["word"]
    assert found.files == {"rows.txt": path_digest(str(scene.root / "rows.txt"))}
    assert found.entries == ["observed_steps.py"]
    assert found.inputs == {"given": "dataset"}
    assert found.configs == {}


def test_the_workflow_comes_first_whatever_was_loaded_before_it(scene: Scene) -> None:
    observer().sources = dict(reversed(observer().sources.items()))
    assert scene.trace(scene.function).entries == ["observed_steps.py"]


def test_what_is_used_before_and_afterwards_is_not(scene: Scene) -> None:
    (scene.root / "before.txt").write_text("")
    seen = scene.observe()
    (scene.root / "before.txt").read_text()
    with seen:
        pass
    (scene.root / "rows.txt").read_text()
    assert seen.trace(scene.step, {}, scene.workflow).files == {}


@pytest.mark.parametrize(
    "own",
    [
        ".motools/work/key/x", ".motools/kept/key/x", "atoms/given/data/x", "atoms/out/data/x", "logs/do/x",
        "runs/do.json", "metrics/do.json",
    ],
)  # fmt: skip
def test_a_steps_own_folders_its_inputs_and_what_it_makes_are_none_of_its_reading(scene: Scene, own: str) -> None:
    path, beside = scene.root / own, scene.root / "atoms" / "other" / "x"
    for each in (path, beside):
        each.parent.mkdir(parents=True, exist_ok=True)
        each.write_text("")
    # the work of a step is made for it, and what an attempt kept goes by force
    found = scene.trace(lambda: [each.read_text() for each in (path, beside) if each.exists()])
    assert list(found.files) == ["atoms/other/x"]


def test_what_its_config_names_is_told_though_nobody_saw_it_read(scene: Scene) -> None:
    (scene.root / "csvs").mkdir()
    (scene.root / "csvs" / "a.csv").write_text("1")
    found = scene.trace(lambda: None, data="csvs/*.csv")
    assert found.files == {"csvs/a.csv": path_digest(str(scene.root / "csvs" / "a.csv"))}
    assert found.folders == {"csvs": listing(str(scene.root / "csvs"))}
    assert scene.trace(lambda: None, data="other").files == {}


def test_a_file_that_was_another_one_when_it_was_read_again_is_refused(scene: Scene) -> None:
    def work() -> None:
        for text in ("a", "longer"):
            (scene.root / "rows.txt").read_text()
            with observer().aside():  # as another process would
                (scene.root / "rows.txt").write_text(text)
        (scene.root / "rows.txt").read_text()

    with pytest.raises(StepError, match=r"rows\.txt changed while the step was reading\.$"):
        scene.trace(work)


@contextlib.contextmanager
def full_disk(log: Path, room: int) -> Iterator[None]:
    """Let files grow to the size that a log has now, and by so many bytes more."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (log.stat().st_size + room, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("room", [0, 5])
@pytest.mark.parametrize("who", ["the step", "a fork of it"])
def test_what_could_not_be_written_down_is_not_taken_for_unread(scene: Scene, who: str, room: int) -> None:
    (scene.root / "more.txt").write_text("more")

    def read() -> None:
        with full_disk(scene.log, room):
            (scene.root / "rows.txt").read_text()
        (scene.root / "more.txt").read_text()

    def work() -> None:
        if who == "the step":
            read()
        elif (child := os.fork()) == 0:
            read()
            os._exit(0)
        else:
            os.waitpid(child, 0)

    with pytest.raises(StepError, match="The disk was full while the step ran"):
        scene.trace(work)
    assert "rows.txt" in scene.trace(lambda: (scene.root / "rows.txt").read_text()).files, "the next attempt is another"


def test_what_an_attempt_kept_goes_where_not_all_that_it_read_could_be_written_down(scene: Scene) -> None:
    scene.fail()
    assert scene.observe()._holds_still()
    with contextlib.suppress(ZeroDivisionError), scene.place.importable(), scene.observe():
        with full_disk(scene.log, 0):
            (scene.root / "more.txt").exists()
        raise ZeroDivisionError
    scene.observe()
    assert not scene.kept.exists()


def test_a_pipe_is_not_read_by_who_looks_on(scene: Scene) -> None:
    os.mkfifo(scene.root / "pipe")
    said = []
    with subprocess.Popen(["sh", "-c", "printf 'for the step' > pipe"], cwd=scene.root) as writer:
        found = scene.trace(lambda: said.append((scene.root / "pipe").read_text()))
        assert said == ["for the step"]
        assert writer.wait(60) == 0
    assert found.files == {"pipe": None}


def test_a_module_that_nobody_saw_loaded_counts_as_a_whole(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def loaded(name: str, file: Path) -> None:
        module = ModuleType(name)
        module.__file__ = str(file)
        monkeypatch.setitem(sys.modules, name, module)

    for name in ("unseen.so", "script.py"):
        (scene.root / name).write_text("")
    loaded("observed_unseen", scene.root / "unseen.so")
    loaded("observed_gone", scene.root / "gone.so")
    loaded("__main__", scene.root / "script.py")
    found = scene.trace(scene.function)
    assert sorted(found.files) == ["rows.txt", "unseen.so"]
    assert sorted(scene.trace(scene.function).files) == ["rows.txt", "unseen.so"], "as does one that was there before"
    assert list(found.code) == ["observed_helper.py", "observed_steps.py"]


# -- earlier attempts ------------------------------------------------------------------------


def test_what_was_observed_outlives_an_execution_that_has_kept_something_and_no_other(scene: Scene) -> None:
    scene.trace(scene.function)
    assert not scene.log.exists()
    scene.fail()
    assert scene.log.exists()
    scene.observe().forget()
    assert (scene.kept.exists(), scene.log.exists()) == (False, False)


def test_what_an_attempt_kept_is_good_while_all_that_it_had_used_is_as_it_was(scene: Scene) -> None:
    scene.fail()
    (scene.root / "unrelated.txt").write_text("")
    scene.observe()
    assert scene.kept.exists()
    found = scene.observe()
    with scene.place.importable(), found:
        pass
    told = found.trace(scene.step, {}, scene.workflow)
    assert list(told.files) == ["rows.txt"], "what the attempt had used is used by who takes it up"
    assert "word" in told.code["observed_helper.py"].functions


CHANGES: dict[str, Callable[[Scene], Any]] = {
    "a file that it had read": lambda s: (s.root / "rows.txt").write_text("others"),
    "a function that it had executed": lambda s: (s.root / "observed_helper.py").write_text(
        HELPER.replace("return WORD", "return 2")
    ),
    "a log that ends too early": lambda s: s.log.write_bytes(
        b"\n".join(line for line in s.log.read_bytes().split(b"\n") if b'"whole"' not in line)
    ),
    "a log that is gone": lambda s: s.log.unlink(),
    "a log of a copy of the project": lambda s: s.log.write_text(
        s.log.read_text().replace(f'"roots", "{s.root}"', f'"roots", "{s.root}-copied"')
    ),
    "a log of a copy too": lambda s: s.log.write_text(f'{s.log.read_text()}["roots", "/copied", null, null]\n'),
}


@pytest.mark.parametrize("what", CHANGES)
def test_else_it_goes_before_the_next_one_begins(scene: Scene, what: str) -> None:
    scene.fail()
    CHANGES[what](scene)
    scene.observe()
    assert (scene.kept.exists(), scene.log.exists()) == (False, False)


def test_by_force_it_goes_whatever_it_is(scene: Scene) -> None:
    scene.fail()
    scene.observe(force=True)
    assert (scene.kept.exists(), scene.log.exists()) == (False, False)


def test_a_log_of_what_is_gone_is_no_part_of_the_next_attempt(scene: Scene) -> None:
    scene.fail()
    shutil.rmtree(scene.kept)
    scene.observe()
    assert not scene.log.exists()
