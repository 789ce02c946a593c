"""A step in a clone, within this process: what is laid out for it, which result is at hand, and what comes back."""

from __future__ import annotations

import shutil
import subprocess
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import far_scene
import pytest
from chain import Chain, commit, dvc
from warm import COLD

from motools.atom import records
from motools.code.search_path import pipeline_folder
from motools.compiler.step_call import StepCall
from motools.errors import RemoteError, StepError
from motools.execution import cached_results, in_clone
from motools.execution.finished_work import note
from motools.execution.in_clone import at_hand, checked_out, finished
from motools.execution.one_step import call_of
from motools.execution.work_folders import WORK
from motools.executors import environment
from motools.executors.job import Answer, Job, Source
from motools.repo import clones, step_cache
from motools.repo.clones import Clone


@pytest.fixture(scope="session")
def far(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("far")
    far_scene.lay(Path(shutil.copytree(template, top / "project", symlinks=True)), top / "store")
    far_scene.send(Chain(top / "project"), "prepare")
    return top


class Scene:
    """Another machine's job: a step whose inputs the remote has, and whose result it has not."""

    def __init__(self, top: Path) -> None:
        self.chain = Chain(top / "project")
        self.store = top / "store"
        dvc(self.chain.folder, "remote", "modify", "-q", "store", "url", str(self.store))
        commit(self.chain.folder)
        self.here = far_scene.call_of(self.chain, "train")
        self.entry = far_scene.entry_of(self.chain, self.here)
        self.job = far_scene.job_of(self.chain, self.here)
        self.input = self.here.inputs["dataset"].rpartition("-")[2] + ".dir"

    @contextmanager
    def clone(self, **changed: Any) -> Iterator[tuple[Clone, StepCall]]:
        job: Job = replace(self.job, **changed)
        with checked_out(job) as (clone, root):
            yield clone, call_of(job, pipeline_folder(root / job.folder))

    def send(self) -> None:
        far_scene.send(self.chain, "train")

    @contextmanager
    def unreachable(self) -> Iterator[None]:
        away = self.store.rename(self.store.with_name("away"))
        self.store.write_text("no folder")
        yield
        self.store.unlink()
        away.rename(self.store)

    def is_there(self, oid: str) -> bool:
        return (self.store / "files" / "md5" / oid[:2] / oid[2:]).exists()


@pytest.fixture
def scene(far: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setenv("MOTOOLS_CLONES", str(tmp_path / "clones"))
    monkeypatch.setattr(clones, "_free", {})
    monkeypatch.setattr(records, "_read", {})  # as in a new process
    monkeypatch.setattr(cached_results, "_traces", {})
    shutil.copytree(far, tmp_path, symlinks=True, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path / "project")
    return Scene(tmp_path)


# -- what is laid out ----------------------------------------------------------------------


@pytest.mark.parametrize("source", [None, Source("r", "c", "t")])
def test_a_job_that_says_not_where_all_its_files_come_from_is_refused(scene: Scene, source: Source | None) -> None:
    with pytest.raises(StepError, match="says neither"), scene.clone(source=source):
        raise AssertionError


def test_inputs_and_tracked_files_are_laid_out_and_known_to_be(scene: Scene) -> None:
    rows = scene.chain.path("rows/all/a.txt")
    rows.parent.mkdir(parents=True)
    rows.write_text("tracked")
    dvc(scene.chain.folder, "add", "-q", "rows/all")
    dvc(scene.chain.folder, "push", "-q", "rows/all")
    commit(scene.chain.folder)
    scene = Scene(scene.store.parent)
    for _ in range(2):
        with scene.clone() as (clone, call):
            folder = call.folder
            assert (folder / "rows/all/a.txt").read_text() == "tracked"
            assert (folder / "atoms/dataset/atom.json").exists()
            assert not (folder / "atoms/model").exists()
            assert clone.laid.keys() == {folder / "rows/all", folder / "atoms/dataset"}
            assert clone.laid[folder / "atoms/dataset"] == scene.input
    inputs = {"other": scene.here.inputs["dataset"], "a/b=1/c": scene.here.inputs["dataset"]}
    with scene.clone(inputs=inputs) as (clone, call):
        assert {(call.folder / "atoms" / name / "atom.json").exists() for name in inputs} == {True}


def test_an_input_that_the_remote_lacks_is_told_with_what_to_type_and_a_remote_that_is_away_as_that(
    scene: Scene,
) -> None:
    (scene.store / "files" / "md5" / scene.input[:2] / scene.input[2:]).rename(scene.store / "kept")
    told = r"'store' .* lacks what the step 'train' reads\. Type: motools push"
    with pytest.raises(StepError, match=told), scene.clone():
        raise AssertionError
    with scene.unreachable(), pytest.raises(RemoteError, match="cannot be reached"), scene.clone():
        raise AssertionError
    (scene.store / "kept").rename(scene.store / "files" / "md5" / scene.input[:2] / scene.input[2:])
    with scene.clone() as (_, call):  # whatever was wrong with an earlier job
        assert (call.folder / "atoms/dataset/atom.json").exists()


def test_of_a_worker_that_was_killed_what_had_finished_is_kept_and_what_it_had_started_is_ended(scene: Scene) -> None:
    with scene.clone() as (_, call):
        private = call.place.project.private
    started = {}
    for name in ("finished", "half"):
        work = private / "work" / name
        (work / "workspace").mkdir(parents=True)
        started[name] = subprocess.Popen([COLD, "-c", "input()"], stdin=subprocess.PIPE, env={WORK: str(work)})
    note(call, private / "work" / "finished", [])
    with scene.clone():
        assert [*(private / "work").iterdir()] == []
        assert [path.name for path in (private / "finished").iterdir()] == ["finished"]
    if sys.platform == "linux":
        assert [each.wait() for each in started.values()] == [-9, -9]
    else:
        for each in started.values():
            each.kill()


# -- which result is at hand -----------------------------------------------------------------


def claims(scene: Scene) -> list[Path]:
    return [path for path in scene.store.rglob("claims/*/*") if path.is_file()]


def test_where_there_is_no_result_no_other_machine_makes_it_meanwhile(scene: Scene) -> None:
    with scene.clone() as (clone, call):
        with at_hand(clone, call, force=False) as result:
            assert result is None
            (claim,) = claims(scene)
            assert claim.parent.name == call.key
        assert claims(scene) == []
        scene.send()
        with at_hand(clone, call, force=True) as result:
            assert result is None
            assert claims(scene) == [], "it is executed whoever else does"


def test_a_result_of_the_remote_is_put_in_place_and_then_the_remote_is_not_asked_any_more(scene: Scene) -> None:
    scene.send()
    with scene.clone() as (clone, call):
        away = pytest.raises(RemoteError, match="cannot be reached")
        with scene.unreachable(), away, at_hand(clone, call, force=False):
            raise AssertionError
        clone.exchange.problem = RemoteError("of an earlier job")
        with at_hand(clone, call, force=False) as result:
            assert result is not None
            assert result.entry == scene.entry
        assert (call.folder / "atoms/model/data/part.txt").exists()
        with scene.unreachable(), at_hand(clone, call, force=False) as result:
            assert result is not None


def test_a_remote_that_is_lost_while_it_is_looked_at_is_not_taken_for_one_without_a_result(scene: Scene) -> None:
    scene.send()
    oid = scene.entry.record.md5
    with scene.clone() as (clone, call):
        record = scene.store / "files" / "md5" / oid[:2] / oid[2:]
        for pack in scene.store.rglob("*.zip"):
            pack.unlink()
        record.unlink()
        record.mkdir()
        with pytest.raises(RemoteError, match="cannot be reached"), at_hand(clone, call, force=False):
            raise AssertionError


# -- what comes back -------------------------------------------------------------------------


def made(scene: Scene, clone: Clone, call: StepCall) -> Answer:
    """As if the step had just been executed there."""
    store = call.place.project.store
    for out in (scene.chain.path("atoms/model"), scene.chain.path("runs/train.json")):
        store.add(out)
    step_cache.store(store, call.cache_slot[0], scene.entry)
    return Answer(True, scene.entry)


def test_a_result_is_sent_and_what_it_has_written_over_is_laid_out_again(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with scene.clone() as (clone, call):
        model, dataset = (call.folder / "atoms" / name for name in ("model", "dataset"))
        clone.laid[model] = "an input of an earlier job"
        answer = finished(clone, call, made(scene, clone, call), call.folder / "none", 0)
        assert answer == Answer(True, scene.entry)
        assert clone.laid.keys() == {dataset}
    assert all(map(scene.is_there, scene.entry.oids()))
    monkeypatch.setenv("MOTOOLS_CLONES", str(tmp_path / "those of another machine"))
    monkeypatch.setattr(clones, "_free", {})
    with scene.clone() as (clone, call), at_hand(clone, call, force=False) as result:
        assert result is not None


def test_what_failed_comes_back_with_the_end_of_its_log(scene: Scene, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with scene.clone() as (clone, call), scene.unreachable():
        failed = Answer(True, error="no luck")
        assert finished(clone, call, failed, log, 0) == failed
        log.write_bytes(b"said \xff")
        assert finished(clone, call, failed, log, 0) == replace(failed, log="said \ufffd")
        log.write_text("a" * 10 + "b" * (1 << 16))
        assert finished(clone, call, failed, log, 0).log == "b" * (1 << 16)


def test_a_result_that_cannot_be_sent_is_tried_again_for_a_while_and_then_told_as_kept(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(in_clone, "time", types.SimpleNamespace(sleep=slept.append))
    with scene.clone() as (clone, call), scene.unreachable():
        answer = finished(clone, call, made(scene, clone, call), call.folder / "none", 75)
    assert slept == [1, 3, 10, 30, 30]
    assert (answer.executed, answer.entry) == (True, None)
    host, cache = environment.here().host, call.place.project.cache
    assert "its result could not be sent: The DVC remote 'store'" in str(answer.error)
    assert f"It is kept on {host}, in {cache}. Once that is mended" in str(answer.error)


@pytest.mark.parametrize(("took", "tried"), [(0, 44), (100, 74), (10_000, 3584)])
def test_a_result_is_sent_again_for_as_long_as_it_has_taken_to_make(took: float, tried: float) -> None:
    assert sum(in_clone._pauses(took)) == tried
