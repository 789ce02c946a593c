"""Stages that a person wrote into dvc.yaml beside the generated ones: DVC itself keeps their books."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from motools.code.search_path import Place
from motools.compiler.dvc_yaml import is_generated
from motools.errors import MotoolsError
from motools.execution.work_folders import make_work_folder
from motools.repo import pipeline


class CustomStages:
    """Those stages of one folder, through DVC's stage objects; DVC's lock must be held."""

    def __init__(self, repo: Any, place: Place) -> None:
        self._repo = repo
        stages = repo.stage.collect(str(place.folder / pipeline.STAGES))
        self.stages = {stage.name: stage for stage in stages if not is_generated(stage.cmd)}

    def reads(self, name: str) -> list[str]:
        return [dep.fs_path for dep in self.stages[name].deps]

    def writes(self, name: str) -> list[str]:
        return [out.fs_path for out in self.stages[name].outs]

    def reasons(self, name: str) -> tuple[str, ...]:
        """Why a stage must run, in words; empty where it is current."""
        with _as_errors(name):
            said: list[Any] = next(iter(self.stages[name].status().values()), [])
        return tuple(reason for told in said for reason in _in_words(told))

    def restore(self, name: str) -> bool:
        """Bring a result back from DVC's run-cache; whether there was one."""
        from dvc.stage.cache import RunCacheNotFoundError

        with _as_errors(name):
            try:
                self._repo.stage_cache.restore(self.stages[name])
            except RunCacheNotFoundError:
                return False
            self.enter(name, None)
            return True

    def prepare(self, name: str) -> list[Any]:
        """Make ready to run: outs removed; what the stage reads is hashed now, not when it has finished."""
        stage = self.stages[name]
        with _as_errors(name):
            stage.remove_outs(ignore_remove=False)
            stage.save_deps()
        return [dep.hash_info for dep in stage.deps]

    def command(self, name: str) -> dict[str, Any]:
        """The stage's command as DVC would run it: what `subprocess.Popen` is called with."""
        from dvc.stage.run import _make_cmd, get_executable, prepare_kwargs

        stage = self.stages[name]
        lines = stage.cmd if isinstance(stage.cmd, list) else stage.cmd.splitlines()
        arguments: dict[str, Any] = prepare_kwargs(stage)
        arguments.pop("shell", None)
        path = arguments["env"].get("PATH", "")
        arguments["env"]["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), path])
        return {**arguments, "args": _make_cmd(get_executable(), "\n".join(["set -e", *lines]))}

    def enter(self, name: str, before: list[Any] | None) -> None:
        """Enter a stage whose outs are in place; `before` is what `prepare` gave."""
        stage = self.stages[name]
        with _as_errors(name), self._repo.scm_context(quiet=True):
            if before is None:
                stage.save_deps()
            else:
                for dep, hash_info in zip(stage.deps, before, strict=True):
                    dep.hash_info = hash_info
            stage.save_outs()
            stage.md5 = stage.compute_md5()
            stage.commit()
            if not stage.outs_cached():  # DVC logs a failed copy, and goes on
                raise MotoolsError(f"The outputs of {name} could not be put into the cache. Is the disk full?")
            self._repo.stage_cache.save(stage)
            stage.dvcfile.dump_stages([stage], update_pipeline=False)


def _in_words(told: Any) -> Iterator[str]:
    """What DVC says of a stage: a word, or a kind of change with a state for each path or parameter."""
    if not isinstance(told, dict):
        yield {"changed command": "its command changed", "always changed": "it always runs"}.get(told, str(told))
        return
    words = {"deleted": "{} is missing", "new": "{} is new", "not in cache": "{} is not in the cache"}
    for kind, states in told.items():
        changed = "{} was edited by hand" if kind == "changed outs" else "{} changed"
        for path, state in states.items():
            for name, each in state.items() if isinstance(state, dict) else [(path, state)]:
                yield (words | {"modified": changed}).get(each, f"{{}} is {each}").format(name)


def execute(command: dict[str, Any], work: Path, log: Path) -> int:
    """Run a command in a worker, so that it ends when the run does; its output goes into a log.

    Args:
        work: a folder to know it by, should it outlive a run that is killed all the same.

    Returns:
        Its exit code.
    """
    signal.signal(signal.SIGTERM, lambda *_: None)  # the command hears of it too, and ends in its own way
    log.parent.mkdir(parents=True, exist_ok=True)
    env = {**command.pop("env"), **make_work_folder(work)}
    try:
        with log.open("wb") as file:
            given, said = subprocess.DEVNULL, subprocess.STDOUT
            return subprocess.run(**command, env=env, stdin=given, stdout=file, stderr=said).returncode
    finally:
        work.rmdir()


@contextlib.contextmanager
def _as_errors(name: str) -> Iterator[None]:
    from dvc.exceptions import DvcException

    try:
        yield
    except DvcException as error:
        raise MotoolsError(f"DVC, on the stage {name}: {error}") from error
