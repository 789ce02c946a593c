"""What killed runs have left is ended and removed before the next one; what is in use, or may be of use, stays."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from chain import eventually, living

from motools.code.search_path import PipelineFolder
from motools.definition.context import kept_folder
from motools.engine import cleanup
from motools.execution.work_folders import WORK, locks_of
from motools.repo.project import Project

MONTH = 30 * 24 * 3600


class Scene:
    """A project in which runs were killed."""

    def __init__(self, root: Path) -> None:
        self.project = Project(root)
        self.place = PipelineFolder(self.project, root)
        self.locks = locks_of(self.project)

    def work(self, key: str) -> Path:
        """A work folder, half-way."""
        folder = self.project.private / "work" / key
        folder.mkdir(parents=True)
        (folder / "half.txt").write_text("")
        return folder

    def kept(self, key: str) -> tuple[Path, Path]:
        """What a step kept for its next execution, and what was observed of it."""
        folder = kept_folder(self.project, key)
        folder.mkdir(parents=True)
        log = folder.with_name(f"{key}.trace")
        log.write_text("")
        return folder, log

    def clean_up(self) -> None:
        cleanup.clean_up(self.place)


@pytest.fixture
def scene(bare_project: Path) -> Scene:
    return Scene(bare_project)


def test_what_nobody_is_at_work_on_goes_with_its_lock(scene: Scene) -> None:
    without = scene.work("a")
    with_lock = scene.work("b")
    (scene.locks / "b").touch()
    (scene.locks / "c").touch()
    before = len(os.listdir("/proc/self/fd"))
    scene.clean_up()
    assert len(os.listdir("/proc/self/fd")) == before
    assert not without.exists()
    assert not with_lock.exists()
    assert list(scene.locks.iterdir()) == []


def test_what_somebody_is_at_work_on_stays(scene: Scene) -> None:
    work = scene.work("a")
    with (scene.locks / "a").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        scene.clean_up()
        assert work.exists()
        assert (scene.locks / "a").exists()
    scene.clean_up()
    assert not work.exists()


def test_a_lock_that_its_holder_removed_meanwhile_is_another_ones(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between opening a lock and holding it, whoever had it may be done, and the next one at the same work."""
    work, lock = scene.work("a"), scene.locks / "a"
    lock.touch()

    def taken(handle: int) -> bool:
        lock.unlink()
        lock.touch()
        return True

    monkeypatch.setattr(cleanup, "try_to", taken)
    scene.clean_up()
    assert work.exists()
    assert lock.exists()


def test_what_a_killed_process_has_left_behind_is_ended(scene: Scene) -> None:
    work = scene.work("a")
    script = (
        "import fcntl, os, signal, sys\nlock = open(sys.argv[1], 'w')\nfcntl.flock(lock, fcntl.LOCK_EX)\n"
        "if not (child := os.fork()):\n    signal.pause()\nprint(child, flush=True)\nos.kill(os.getpid(), 9)"
    )
    started = [sys.executable, "-c", script, str(scene.locks / "a")]
    with subprocess.Popen(started, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        process.wait()
        scene.clean_up()
    assert not work.exists()
    eventually(lambda: not living(child))


def test_the_result_of_a_function_that_had_finished_is_put_aside_and_what_it_started_is_ended(scene: Scene) -> None:
    work = scene.work("a")
    (work / "made.json").write_text("{}")
    with subprocess.Popen(["sleep", "600"], env={**os.environ, WORK: str(work)}) as started:
        scene.clean_up()
        assert started.wait(300) == -signal.SIGKILL
    assert not work.exists()
    assert (scene.project.private / "finished" / "a" / "half.txt").exists()


def test_what_was_observed_goes_unless_the_next_execution_has_use_for_it(scene: Scene) -> None:
    scene.work("a"), scene.work("b"), scene.work("c")
    kept, log = scene.kept("a")
    gone, useless = scene.kept("b")
    gone.rmdir()
    scene.clean_up()
    assert kept.exists()
    assert log.exists()
    assert not useless.exists()


PLACES: dict[str, Callable[[Scene], Path]] = {
    "the pipeline's folder": lambda s: s.place.folder,
    **{name: lambda s, name=name: s.place.folder / name for name in ("atoms", "runs", "logs", "metrics")},  # type: ignore[misc]
    "ours": lambda s: s.project.private,
    "proofs": lambda s: s.project.private / "unchanged",
    "dvc's": lambda s: s.project.root / ".dvc" / "tmp",
    "the cache's": lambda s: s.project.store.scratch,
}


@pytest.mark.parametrize("where", PLACES)
def test_half_written_files_go_wherever_they_may_lie(scene: Scene, where: str) -> None:
    folder = PLACES[where](scene)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".motools-123").write_text("")
    (folder / "whole").write_text("")
    scene.clean_up()
    assert not (folder / ".motools-123").exists()
    assert (folder / "whole").exists()


def test_what_was_kept_or_looked_into_goes_a_month_after_its_last_use(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, log = scene.kept("a")
    atom = scene.project.private / "atoms" / "b"
    atom.mkdir(parents=True)
    now = [time.time() + MONTH - 60]
    monkeypatch.setattr(cleanup.time, "time", lambda: now[0])
    scene.clean_up()
    assert all(each.exists() for each in (kept, log, atom))
    now[0] += 120
    scene.clean_up()
    assert not any(each.exists() for each in (kept, log, atom))


def test_what_was_kept_with_a_key_in_it_goes_at_once(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    key = "sk-" + "z" * 40
    monkeypatch.setenv("OPENAI_API_KEY", key)
    kept, _ = scene.kept("a")
    other, _ = scene.kept("b")
    (kept / "answer.json").write_text(f'{{"error": "Incorrect API key provided: {key}"}}')
    (other / "answer.json").write_text('{"error": "no"}')
    scene.clean_up()
    assert not kept.exists()
    assert other.exists()
