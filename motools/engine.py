"""The engine: carries a pipeline out, steps in parallel as processes, DVC's bookkeeping on this one thread.

For a finished stage, in this order, so that a crash loses at most that stage: the step itself puts its
outputs into the cache and the step cache; then dependencies as they were when it started, outputs, dvc.lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import queue
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from motools import pipeline, records, step, stepcache
from motools.atom import Atom
from motools.code import Place
from motools.compile import Compiled, is_generated
from motools.config import parse
from motools.errors import AtomError, MotoolsError, ProjectError, WorkflowError, listed
from motools.plan import StagePlan, plan_stage
from motools.repo import Project, take_lock
from motools.report import Reporter
from motools.store import hash_file
from motools.workflow import StepState

_GRACE = 10.0  # seconds that interrupted steps have to end by themselves


class Interrupted(MotoolsError):
    """Ctrl-C or SIGTERM: what had finished is kept."""

    exit_code = 130


@dataclass(frozen=True)
class Options:
    """How to run: `jobs` steps at once, `force` to execute what is at hand, `user` to be recorded."""

    jobs: int
    force: bool = False
    fail_fast: bool = False
    user: str | None = None


@dataclass
class _Running:
    process: subprocess.Popen[bytes]
    plan: StagePlan
    log: Path
    started: str
    clock: float
    before: list[Any]
    claims: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)


@contextlib.contextmanager
def one_run(project: Project, reporter: Reporter, wait: bool = True) -> Iterator[None]:
    """One run at a time in a clone; the kernel releases the lock of a run that was killed."""
    project.private.mkdir(exist_ok=True)
    path = project.private / "run.lock"
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = path.read_text() or "another process"
            if not wait:
                raise ProjectError(f"Another run is active in {project.root}: {holder}.") from None
            reporter.note(f"waiting for another run: {holder}")
            fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        file.write(f"process {os.getpid()}, since {records.now()}")
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


class Engine:
    """One run over DVC's own stage objects; use inside `Project.dvc()`."""

    def __init__(
        self,
        repo: Any,
        compiled: Compiled,
        place: Place,
        inputs: Mapping[str, str],
        options: Options,
        reporter: Reporter,
    ) -> None:
        self.repo = repo
        self.compiled = compiled
        self.place = place
        self.options = options
        self.reporter = reporter
        self.known: dict[str, str | None] = dict(inputs)
        self.states: dict[str, StepState] = {}
        self.running: dict[str, _Running] = {}
        self.events: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self.signals = 0
        self._lock_stamp: tuple[int, ...] | None = None
        self._locked: dict[str, Any] = {}
        file = place.folder / pipeline.STAGES
        self.stages = {stage.name: stage for stage in repo.stage.collect(str(file))} if file.exists() else {}

    # -- planning ------------------------------------------------------------

    def plan(self, selected: list[str]) -> list[StagePlan]:
        """What a run would do; leaves nothing changed."""
        plans = []
        known = dict(self.known)
        try:
            for definition in self.compiled.workflow.steps:
                if definition.name in selected:
                    plan = self._decide(definition.name)
                    plans.append(plan)
                    outputs: Mapping[str, str] = plan.outputs
                else:
                    outputs = self._as_it_is(definition.name)
                self.known.update({name: outputs.get(name) for name in definition.outputs})
            return plans + [plan for name in self._own_stages() if (plan := self._decide_own(name))]
        finally:
            self.known = known

    def _as_it_is(self, name: str) -> dict[str, str]:
        """What the outputs of a stage that is not selected hold now."""
        outputs = {}
        for output in self.compiled.workflow.step(name).outputs:
            with contextlib.suppress(AtomError):
                folder = self.place.folder / pipeline.atom_path(output)
                outputs[output] = Atom.from_folder(folder, self.place.project).id
        return outputs

    def _own_stages(self) -> list[str]:
        """Stages that a person wrote into dvc.yaml beside the generated ones."""
        return [name for name, stage in self.stages.items() if not is_generated(stage.cmd)]

    def _decide(self, name: str) -> StagePlan:
        self._refresh(name)
        locked = self._locked.get(name, {})
        status = _outs_status(self.stages[name]) if name in self.stages else {}
        return plan_stage(self.compiled, name, self.place, locked, status, self.known, self.options.force)

    def _decide_own(self, name: str) -> StagePlan:
        self._refresh(name)
        stage = self.stages[name]
        if not stage.changed():
            return StagePlan(name, "current")
        said: list[Any] = next(iter(stage.status().values()), [])
        return StagePlan(name, "run", tuple(str(line) for line in said))

    def _refresh(self, name: str) -> None:
        """Take what dvc.lock says now: another process may have written it while DVC's lock was released."""
        path = self.place.folder / pipeline.LOCK
        stamp = None
        with contextlib.suppress(FileNotFoundError):
            stat = path.stat()
            stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        if stamp != self._lock_stamp:
            self._locked = pipeline.read_lock(self.place.folder)
            self._lock_stamp = stamp
        from dvc.stage.loader import StageLoader

        entry = self._locked.get(name)
        stage = self.stages.get(name)
        if entry and stage:
            stage.cmd_changed = entry.get("cmd") != stage.cmd
            StageLoader.fill_from_lock(stage, entry)

    def check(self, plans: list[StagePlan]) -> None:
        """Let each step that will run refuse its config before anything starts; raises `UserError`."""
        for plan in plans:
            if plan.action in ("run", "maybe") and plan.stage in self.compiled.stages:
                definition = self.compiled.workflow.step(plan.stage)
                if definition.check is not None:
                    definition.check(parse(definition.config_class, self.compiled.config[plan.stage], plan.stage))

    # -- running -------------------------------------------------------------

    def run(self, selected: list[str]) -> dict[str, StepState]:
        """Run the selected steps; returns the state of every step of the workflow.

        Raises:
            Interrupted: by a signal, after the running steps were ended.
        """
        own = self._own_stages() if len(selected) == len(self.compiled.stages) else []
        waiting = {name: self._upstream(name) for name in [*selected, *own]}
        for name in self.compiled.stages:
            if name not in waiting:
                self._settle_unselected(name, waiting)
        with self._signals():
            while waiting or self.running:
                self._start_ready(waiting)
                if not self.running:
                    if not waiting:
                        break
                    continue
                self._handle(*self._next_event(), waiting)
        return self.states

    def _upstream(self, name: str) -> set[str]:
        """The stages of this folder whose outputs a stage reads."""
        outs = {out.fs_path: other for other, stage in self.stages.items() for out in stage.outs}
        found = set()
        for dep in self.stages[name].deps:
            for path, other in outs.items():
                if dep.fs_path == path or dep.fs_path.startswith(path + os.sep):
                    found.add(other)
        return found - {name}

    def _settle_unselected(self, name: str, waiting: Mapping[str, set[str]]) -> None:
        outputs = self._as_it_is(name)
        needed = [other for other, upstream in waiting.items() if name in upstream]
        if needed and len(outputs) < len(self.compiled.workflow.step(name).outputs):
            self.known.update(dict.fromkeys(self.compiled.workflow.step(name).outputs))
            with contextlib.suppress(AtomError):
                plan = self._decide(name)
                if plan.action == "restore":
                    self._restore(name, plan)
                    outputs = dict(plan.outputs)
        if needed and len(outputs) < len(self.compiled.workflow.step(name).outputs):
            raise WorkflowError(f"{needed[0]} needs what {name} makes, which is not there: add {name} to the stages.")
        self.known.update(outputs)
        self.states[name] = StepState(name, "not selected", outputs)
        for upstream in waiting.values():
            upstream.discard(name)

    def _start_ready(self, waiting: dict[str, set[str]]) -> None:
        for name in list(waiting):
            if self.signals or (self.options.fail_fast and any(s.status == "failed" for s in self.states.values())):
                for left in waiting:
                    self.states[left] = StepState(left, "skipped", error="the run was stopped before it")
                waiting.clear()
                return
            if name not in waiting or waiting[name] & (set(waiting) | set(self.running)):
                continue
            if broken := [up for up in waiting[name] if self.states[up].status in ("failed", "skipped")]:
                waiting.pop(name)
                self._fail(name, f"needs {listed(broken)}", None, "skipped")
            elif len(self.running) < self.options.jobs:
                waiting.pop(name)
                self._begin(name)

    def _begin(self, name: str) -> None:
        """Answer a stage from what is at hand, or start its command."""
        clock = time.monotonic()
        generated = name in self.compiled.stages
        try:
            plan = self._decide(name) if generated else self._decide_own(name)
            if plan.action == "run" and not generated and self._restore_own(name):
                plan = replace(plan, action="restore")
            elif (
                plan.action == "run"
                and plan.call
                and not self.options.force
                and (entry := step.fetch_result(plan.call))
            ):
                plan = replace(plan, action="restore", entry=entry, outputs=entry.atoms(plan.call.step.outputs))
            if plan.action == "restore" and generated:
                self._restore(name, plan)
            if plan.action == "run":
                self._start(name, plan)
                return
        except (MotoolsError, OSError) as error:
            self._fail(name, str(error), None)
            return
        how = "current" if plan.action == "current" else "restored"
        self._done(name, plan.outputs, how, time.monotonic() - clock)
        self.reporter.answered(name, how)

    def _restore(self, name: str, plan: StagePlan) -> None:
        assert plan.call is not None
        if plan.entry is not None:
            step.restore(plan.call, plan.entry)
        self._record(name)  # where only the cache had lost the outputs, this puts them back into it
        if plan.entry is None and (locked := step.locked_result(plan.call)):
            stepcache.store(self.place.project.store, stepcache.step_command(plan.call.key), locked)

    def _restore_own(self, name: str) -> bool:
        """DVC's run-cache, for a stage that a person wrote."""
        from dvc.stage.cache import RunCacheNotFoundError

        try:
            self.repo.stage_cache.restore(self.stages[name])
        except RunCacheNotFoundError:
            return False
        self._record(name)
        return True

    def _start(self, name: str, plan: StagePlan) -> None:
        stage = self.stages[name]
        stage.remove_outs(ignore_remove=False)  # a step that fails leaves nothing that looks like a result
        for out in stage.outs:  # `persist` kept the record
            Path(out.fs_path).unlink(missing_ok=True) if out.persist else None
        stage.save_deps()
        log = self._log_path(name)
        log.parent.mkdir(parents=True, exist_ok=True)
        command, arguments = self._command(name)
        claims = contextlib.ExitStack()
        claims.enter_context(self._claims(stage))
        started = records.now()
        with log.open("wb") as file:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **arguments,
            )
        before = [dep.hash_info for dep in stage.deps]
        self.running[name] = _Running(process, plan, log, started, time.monotonic(), before, claims)
        threading.Thread(target=lambda: self.events.put(("exit", (name, process.wait()))), daemon=True).start()
        self.reporter.started(name, plan.reasons, log)

    def _log_path(self, name: str) -> Path:
        inside = self.place.folder.relative_to(self.place.project.root)
        return self.place.project.private / "logs" / inside / f"{name}.log"

    def _command(self, name: str) -> tuple[list[str], dict[str, Any]]:
        """The command and its process arguments, as DVC would run it; our own without a shell in between."""
        from dvc.stage.run import _make_cmd, get_executable, prepare_kwargs

        stage = self.stages[name]
        arguments = prepare_kwargs(stage)
        arguments.pop("shell", None)
        env = arguments["env"]
        env["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), env.get("PATH", "")])
        env["PYTHONUNBUFFERED"] = "1"
        if self.options.user:
            env["MOTOOLS_USER"] = self.options.user
        if self.options.force:
            env["MOTOOLS_FORCE"] = "1"
        if name in self.compiled.stages:
            words = shlex.split(stage.cmd)
            return [sys.executable, "-m", "motools", *words[1:]], arguments
        lines = stage.cmd if isinstance(stage.cmd, list) else stage.cmd.splitlines()
        return _make_cmd(get_executable(), "\n".join(["set -e", *lines])), arguments

    def _claims(self, stage: Any) -> Any:
        """DVC's own claims on the stage's files while its command runs: `dvc` elsewhere keeps off them."""
        from dvc.rwlock import rwlock

        hard = self.repo.config["core"].get("hardlink_lock", False)
        read, write = [dep.fs_path for dep in stage.deps], [out.fs_path for out in stage.outs]
        return rwlock(self.repo.tmp_dir, self.repo.fs, " ".join(sys.argv), read, write, hard)

    # -- what comes back -----------------------------------------------------

    def _next_event(self) -> tuple[str, Any]:
        """Wait for a command to end, or a signal; DVC's lock is free meanwhile."""
        with contextlib.suppress(queue.Empty):
            return self.events.get_nowait()
        self.repo.lock.unlock()
        try:
            return self.events.get()
        finally:
            take_lock(self.repo, self.reporter.note)

    def _handle(self, kind: str, what: Any, waiting: dict[str, set[str]]) -> None:
        if kind == "signal":
            self.signals += 1
            word = signal.SIGTERM if self.signals == 1 else signal.SIGKILL
            for run in self.running.values():
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(run.process.pid, word)
            if self.signals == 1 and self.running:
                self.reporter.note(f"stopping {listed(self.running)}; again to kill")
                threading.Timer(_GRACE, lambda: self.events.put(("signal", what))).start()
            return
        name, code = what
        run = self.running.pop(name)
        run.claims.close()
        seconds = time.monotonic() - run.clock
        if code != 0:
            self._fail(name, self._cause(run, code), run.log, seconds=seconds)
            return
        try:
            self._record(name, run.before)
        except (MotoolsError, OSError) as error:
            self._fail(name, str(error), run.log, seconds=seconds)
            return
        outputs = self._as_it_is(name) if name in self.compiled.stages else {}
        status = "finished" if self._was_executed(name, run) else "restored"
        self._done(name, outputs, status, seconds, run.log)
        if status == "finished":
            self.reporter.finished(name, seconds)
        else:
            self.reporter.answered(name, "restored")

    def _was_executed(self, name: str, run: _Running) -> bool:
        """False where an equal step, running at the same time, had the result ready when this one got its turn."""
        if name not in self.compiled.stages:
            return True
        path = self.place.folder / pipeline.record_path(name)
        record = records.read(self.place.project, hash_file(path), path)
        return record is None or record.started >= run.started

    def _cause(self, run: _Running, code: int) -> str:
        lines = run.log.read_text(encoding="utf-8", errors="replace").splitlines()
        for line in reversed(lines[-50:]):
            if line.startswith("Error: "):
                return line.removeprefix("Error: ")
        if self.signals:
            return "it was interrupted"
        return f"its command ended with exit code {code}" if code > 0 else f"its process was ended by signal {-code}"

    def _record(self, name: str, before: list[Any] | None = None) -> None:
        """Enter a stage whose outputs are in place into the cache and dvc.lock."""
        from dvc.exceptions import DvcException

        stage = self.stages[name]
        try:
            if before is None:
                stage.save_deps()
            else:  # what the command read when it started, not what lies there now
                for dep, hash_info in zip(stage.deps, before, strict=True):
                    dep.hash_info = hash_info
            stage.save_outs()
            stage.md5 = stage.compute_md5()
            stage.commit()
            if not stage.outs_cached():  # DVC logs a failed copy, and goes on
                raise MotoolsError(f"The outputs of {name} could not be put into the cache. Is the disk full?")
            if name not in self.compiled.stages:
                self.repo.stage_cache.save(stage)
            stage.dvcfile.dump_stages([stage], update_pipeline=False)
        except DvcException as error:
            raise MotoolsError(f"DVC could not record {name}: {error}") from error

    def _done(
        self, name: str, outputs: Mapping[str, str], status: Any, seconds: float, log: Path | None = None
    ) -> None:
        self.known.update(outputs)
        self.states[name] = StepState(name, status, dict(outputs), round(seconds, 3), log=log)

    def _fail(self, name: str, error: str, log: Path | None, status: Any = "failed", seconds: float = 0.0) -> None:
        self.states[name] = StepState(name, status, {}, round(seconds, 3), error, log)
        self.reporter.failed(name, error, log)

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """Turn Ctrl-C and SIGTERM into events, so that DVC's files are never left half-way."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def tell(number: int, _frame: Any) -> None:
            self.events.put(("signal", number))

        before = {number: signal.signal(number, tell) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        if self.signals:
            kept = [name for name, state in self.states.items() if state.status in ("current", "restored", "finished")]
            raise Interrupted(f"Interrupted. Kept: {listed(kept)}. `motools run` goes on from there.")


def _outs_status(stage: Any) -> dict[str, str]:
    """DVC's word on each out that is not as locked, by path."""
    found = {}
    for out in stage.outs:
        said = out.status()
        if "not in cache" in said.values():  # DVC says so without looking at the workspace
            said = out.workspace_status() or said
        for word in said.values():
            found[out.def_path] = word
    return found
