"""A stage that a person wrote into dvc.yaml beside the generated ones: DVC itself decides, runs and enters it.

It is not given to `dvc repro --single-item`: that hashes what a stage reads when its command has ended. A file that is
edited meanwhile would be entered, and put into DVC's run-cache, as what the result was made from.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from motools.base.files import set_aside
from motools.compiler.dvc_yaml import is_generated, is_written_here
from motools.engine.failures import log_path
from motools.engine.pipeline_state import PipelineState
from motools.engine.plan import StagePlan, refuse_frozen
from motools.engine.signals import uninterrupted
from motools.engine.stage import Done
from motools.errors import MotoolsError, StepError
from motools.execution.run_step import output_to
from motools.execution.work_folders import make_work_folder
from motools.repo import pipeline
from motools.repo.project import Project

__all__ = ["CustomStage", "custom_stages"]


@contextmanager
def custom_stages(state: PipelineState) -> Iterator[list[CustomStage]]:
    """The stages that a person wrote, while DVC's repository is open; where there are none, DVC is not imported."""
    folder, project = state.place.folder, state.place.project
    if all(is_written_here(stage) for stage in pipeline.read_stages(folder).values()):
        yield []
        return
    with project.dvc() as repo:
        state.outputs.dvc_lock.through(repo.lock)
        yield [CustomStage(each, repo, state) for each in _collected(repo, folder) if not is_generated(each.cmd)]


def _collected(repo: Any, folder: Path) -> list[Any]:
    return list(repo.stage.collect(str(folder / pipeline.STAGES)))


class CustomStage:
    """A stage of DVC's. Its reads and writes of dvc.lock need DVC's lock."""

    cores: float | None = 1.0
    on = ""
    places: int | None = None

    def __init__(self, stage: Any, repo: Any, state: PipelineState) -> None:
        self.name: str = stage.name
        self._stage = stage
        self._repo = repo
        self._state = state
        self.reporter = state.reporter
        self.at_home = state.place.importable

    @property
    def log(self) -> Path:
        return log_path(self._state.place, self.name)

    @property
    def reads(self) -> list[str]:
        return [] if self._stage.frozen else [dep.fs_path for dep in self._stage.deps]

    @property
    def writes(self) -> list[str]:
        return [out.fs_path for out in self._stage.outs]

    def decide(self) -> StagePlan:
        with self._locked():
            told: list[Any] = next(iter(self._stage.status().values()), [])
        if self._stage.frozen:  # by `dvc freeze`: DVC does not run its command, whatever has changed
            refuse_frozen(self.name, next((each["changed outs"] for each in told if "changed outs" in each), {}))
            return StagePlan(self.name, "current")
        reasons = tuple(reason for each in told for reason in _in_words(each))
        if not reasons and self._state.options.force:
            reasons = ("--force",)
        return StagePlan(self.name, "run" if reasons else "current", reasons)

    def at_hand(self, plan: StagePlan) -> StagePlan:
        """Restored from DVC's run-cache."""
        from dvc.stage.cache import RunCacheNotFoundError

        if plan.action != "run" or self._state.options.force:
            return plan
        with self._locked():
            self._move_aside_others()
            try:
                self._repo.stage_cache.restore(self._stage)
            except RunCacheNotFoundError:
                return plan
            self._stage.save_deps()
            self._commit()
        self._state.files_were_written()
        return replace(plan, action="restore")

    def warm_up(self) -> None:
        self._state.workers.for_commands()  # for speed

    def start(self, plan: StagePlan) -> Future[str | None]:
        with self._locked():
            self._move_aside_others()
            self._stage.remove_outs()
            self._stage.save_deps()  # as the command finds them
        project, folder = self._state.place.project, self._state.place.folder
        work = project.private / "work" / f"{self.name} of {folder.name}"
        return self._state.workers.for_commands().submit(execute, project, folder, self.name, work, self.log)

    def _move_aside_others(self) -> None:
        """Move aside what lies where its outs will, and is nowhere else: DVC would remove it, or not go on."""
        project = self._state.place.project
        for out in self._stage.outs:
            if out.persist or out.protocol != "local" or not out.exists:
                continue
            md5 = out.get_hash().value  # which DVC need not read again
            if md5 == out.hash_info.value or project.store.has(md5):
                continue
            here = self._state.outputs.hash(out.fs_path)
            if here is not None and here.nfiles != 0:
                kept = set_aside(Path(out.fs_path), project.private / "replaced")
                self.reporter.note(f"{out.fs_path} was not made by {self.name}, and is kept as {kept}.")

    def finish(self, plan: StagePlan, result: str | None) -> Done:
        self._state.files_were_written()
        if result is not None:
            raise StepError(result)
        with uninterrupted(), self._locked():
            self._commit()
        return Done()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """With DVC's lock, what has finished in dvc.lock, and DVC's errors as ours."""
        from dvc.exceptions import DvcException

        self._state.outputs.flush(now=True)
        with self._state.outputs.dvc_lock:
            try:
                yield
            except DvcException as error:
                raise MotoolsError(f"DVC, on the stage {self.name}: {error}") from error

    def _commit(self) -> None:
        """Enter it, whose outs are in place and whose dependencies are saved, as DVC would."""
        stage = self._stage
        with uninterrupted(), self._repo.scm_context():
            stage.save_outs()
            self._link_large()
            stage.commit(relink=False)
            if not stage.outs_cached():  # DVC logs a failed copy, and would ask whether the only one may make way
                raise MotoolsError(f"The outputs of {self.name} could not be put into the cache. Is the disk full?")
            stage.commit()  # linked, where the cache's are
            self._repo.stage_cache.save(stage)
            stage.dvcfile.dump_stages([stage], update_pipeline=False)  # in place: half of it would be no lock file

    def _link_large(self) -> None:
        """Let large files be the cache's objects, where it is to have hard links: `relink=False` would copy them."""
        store = self._state.place.project.store
        for out in self._stage.outs:
            if not out.use_cache or next(iter(out.cache.cache_types), None) != "hardlink":
                continue
            parent, name = os.path.split(out.fs_path)
            top = [] if out.is_dir_checksum else [((), None, out.hash_info)]
            for inside, _, hashed in top or out.obj:
                path = os.path.join(os.path.realpath(parent), name, *inside)
                if os.path.realpath(path) == path:  # else it is somebody's file that a link in there leads to
                    store.take(hashed.value, path)


def _in_words(told: Any) -> Iterator[str]:
    """What DVC says of a stage: a word, or a kind of change with a state for each path or parameter."""
    if not isinstance(told, dict):
        yield {"changed command": "its command changed", "always changed": "it always runs"}.get(told, str(told))
        return
    words = {"deleted": "{} is missing", "new": "{} is new", "not in cache": "{} is not in the cache"}
    for kind, states in told.items():
        changed = "{} is not what dvc.lock names" if kind == "changed outs" else "{} changed"
        for path, state in states.items():
            for name, each in state.items() if isinstance(state, dict) else [(path, state)]:
                yield (words | {"modified": changed}).get(each, f"{{}} is {each}").format(name)


def execute(project: Project, folder: Path, name: str, work: Path, log: Path) -> str | None:
    """Run a stage's command as DVC would, in a worker, so that it ends when the run does; its output goes into a log.

    Args:
        work: a folder to know it by, should it outlive a run that is killed all the same.

    Returns:
        What went wrong, in one sentence.
    """
    from dvc.stage.exceptions import StageCmdFailedError
    from dvc.stage.run import cmd_run

    signal.signal(signal.SIGTERM, lambda *_: None)  # the command hears of it too, and ends in its own way
    os.environ.update(make_work_folder(work))
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    try:
        with output_to(log), project.dvc() as repo:
            try:
                cmd_run(next(stage for stage in _collected(repo, folder) if stage.name == name))
            except StageCmdFailedError as error:
                return f"its command {error}"
        return None
    finally:
        work.rmdir()
