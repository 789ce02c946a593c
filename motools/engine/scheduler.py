"""The engine: decides and carries out one stage after the other as they become ready, steps in parallel.

For a finished stage, in this order, so that a crash loses nothing that was paid for: the step itself puts
its outputs into the cache and its entry into the step cache; then the folder; then, in batches, dvc.lock.
"""

from __future__ import annotations

import contextlib
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from motools.base.files import in_words
from motools.compiler.step_call import StepCall
from motools.engine import custom_stages
from motools.engine.failures import log_path
from motools.engine.plan import StagePlan
from motools.engine.reporter import INTERRUPTED, Reporter
from motools.engine.stages import Stages
from motools.engine.state import Status, StepState
from motools.errors import MotoolsError, StepError, listed
from motools.execution import run_step
from motools.execution.run_step import Execution, Outcome
from motools.execution.workers import TaskDied, WarmExecutor
from motools.repo import pipeline
from motools.repo.dvc_locks import Busy

_GRACE = 10.0  # seconds that interrupted steps have to end by themselves
_RETRY = 0.2  # seconds between looks at what another command is at work on


class _AtOnce(KeyboardInterrupt):
    """A signal, raised where what is going on may end anywhere; it waits among the events, too."""


class Interrupted(MotoolsError):
    """Ctrl-C or SIGTERM: what had finished is kept; `keys` are those of the steps that were stopped."""

    exit_code = 130

    def __init__(self, message: str, keys: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.keys = keys


@dataclass(frozen=True)
class Options:
    """How to run.

    Attributes:
        jobs: how many cores the steps may keep busy at once.
        force: execute what is at hand.
        fail_fast: start nothing more after a failure.
        user: who is recorded; None for git's user.
        executor: where steps run instead of in warm workers of this machine; it must see the same files.
        without_remote: execute what only the remote may have, without asking it.
    """

    jobs: int
    force: bool = False
    fail_fast: bool = False
    user: str | None = None
    executor: Executor | None = None
    without_remote: bool = False


@dataclass
class _Running:
    plan: StagePlan
    log: Path
    clock: float
    claim: contextlib.ExitStack
    cores: float
    before: list[Any] | None = None


class Scheduler:
    """One run of one pipeline."""

    def __init__(self, stages: Stages, options: Options, reporter: Reporter) -> None:
        self.stages = stages
        self.compiled = stages.compiled
        self.place = stages.place
        self.books = stages.books
        self.options = options
        self.reporter = reporter
        self.states: dict[str, StepState] = {}
        self.running: dict[str, _Running] = {}
        self.blocked: dict[str, str] = {}  # by whom
        self.events: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self.heard = False  # a signal, whether it was answered yet or not
        self.signals = 0
        self._may_raise = False
        self.stopped: list[str] = []  # keys
        self._executors: dict[tuple[tuple[str, ...], bool], Executor] = {}

    def warm_up(self, plans: list[StagePlan]) -> None:
        """Start the servers of the warm workers that the plan will need, so that they import meanwhile."""
        for plan in plans:
            if plan.action in ("run", "maybe") and plan.stage in self.compiled.stages:
                self._executor(plan.stage)

    # -- running -------------------------------------------------------------

    def run(self, selected: list[str]) -> dict[str, StepState]:
        """Run the selected steps; returns the state of every step of the workflow.

        Raises:
            Interrupted: by a signal, after the running steps were ended.
        """
        upstream = self.stages.upstream()
        others = list(self.stages.own.stages) if self.stages.own and len(selected) == len(self.compiled.stages) else []
        waiting = {name: upstream[name] & {*self.compiled.stages, *others} for name in [*selected, *others]}
        followers: dict[str, list[str]] = {}
        for name, needed in waiting.items():
            for other in needed:
                followers.setdefault(other, []).append(name)
        for name in self.compiled.stages:
            if name not in waiting:
                needed_by = followers.get(name, [])
                outputs = self.stages.left_out(name, needed_by[0] if needed_by else None)
                self.states[name] = StepState(name, "not selected", outputs)
                for follower in needed_by:
                    waiting[follower].discard(name)
        ready = [name for name, needed in waiting.items() if not needed]
        with self._signals():
            while ready or self.running:
                blocked = []
                while ready and not self._stopped() and self._has_room(ready[0]):
                    name = ready.pop(0)
                    ready += self._ready_after(self._begin(name), waiting, followers)
                    if name in self.blocked:
                        blocked.append(name)
                if self._stopped():
                    ready.clear()
                    blocked.clear()
                if self.running or blocked:
                    event = self._next_event(_RETRY if blocked else None)
                    settled = self._handle(*event) if event else None
                    ready += self._ready_after(settled, waiting, followers)
                ready += blocked
            for name in waiting:
                if name not in self.states:
                    self.states[name] = StepState(name, "skipped", error="the run was stopped before it")
        for name, state in self.states.items():
            if state.status == "not selected" and state.output_atoms and not self.stages.is_current(name):
                self.states[name] = replace(state, status="out of date")  # an old figure is told as old
        return self.states

    def _has_room(self, name: str) -> bool:
        """Whether a stage may start beside those that run; one alone always may."""
        busy = sum(run.cores for run in self.running.values())
        return not self.running or busy + self._cores(name) <= self.options.jobs + 1e-9

    def _cores(self, name: str) -> float:
        if name not in self.compiled.stages:
            return 1.0
        cores = self.compiled.workflow.step(name).cores
        return cores(self.stages.config(name)) if callable(cores) else cores

    def _stopped(self) -> bool:
        failed = self.options.fail_fast and any(state.status == "failed" for state in self.states.values())
        return bool(self.heard or failed)

    def _ready_after(
        self, settled: str | None, waiting: Mapping[str, set[str]], followers: Mapping[str, list[str]]
    ) -> list[str]:
        """The stages that a settled one was the last to wait for; those after a failure are skipped."""
        ready = []
        todo = [settled] if settled else []
        while todo:
            name = todo.pop()
            for follower in followers.get(name, []):
                if follower in self.states:
                    continue
                if self.states[name].status in ("failed", "skipped"):
                    self._fail(follower, f"needs {name}", None, "skipped")
                    todo.append(follower)
                    continue
                waiting[follower].discard(name)
                if not waiting[follower]:
                    ready.append(follower)
        return ready

    def _begin(self, name: str) -> str | None:
        """Answer a stage from what is at hand and return its name, or start its command and return None."""
        clock = time.monotonic()
        before = self.blocked.pop(name, None)
        try:
            with self._at_once():
                generated = name in self.compiled.stages
                plan = (
                    self.stages.at_hand(self.stages.decide(name, self.options.force))
                    if generated
                    else self.stages.own_at_hand(name)
                )
            if plan.action == "run":
                self._start(name, plan)
                return None
        except Busy as busy:
            self.blocked[name] = str(busy)
            if before != str(busy):
                self.reporter.note(str(busy))
            return None
        except _AtOnce:
            return None
        except (MotoolsError, OSError) as error:
            self._fail(name, _sentence(error), None)
            return name
        how = "current" if plan.action == "current" else "restored"
        self._done(name, plan.outputs, how, time.monotonic() - clock)
        self.reporter.answered(name, how)
        return name

    def _start(self, name: str, plan: StagePlan) -> None:
        log = self._log_path(name)
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.stages.claim(name))
            run = _Running(plan, log, time.monotonic(), stack, self._cores(name))
            future = self._submit(plan.call, name, log) if plan.call is not None else self._submit_own(run, name, log)
            run.claim = stack.pop_all()
        self.running[name] = run
        future.add_done_callback(lambda done: self.events.put(("done", (name, done))))
        self.reporter.started(name, plan.reasons, log)

    def _submit(self, call: StepCall, name: str, log: Path) -> Future[Any]:
        self.books.clear(name)
        deps = [self.place.folder / dep for dep in self.compiled.stages[name].get("deps", [])]
        git = self.place.project.git_state([*deps, *self._definition_files()])
        how = Execution(self._user(), git, self.options.force, log, earlier=not self.options.without_remote)
        return self._executor(name).submit(run_step.perform, call, how, self.books.lock.entry(name))

    def _submit_own(self, run: _Running, name: str, log: Path) -> Future[Any]:
        assert self.stages.own is not None
        with self.books.dvc_lock:
            run.before = self.stages.own.prepare(name)
        work = self.place.project.private / "work" / f"{name} of {self.place.folder.name}"
        return self._workers(()).submit(custom_stages.execute, self.stages.own.command(name), work, log)

    def _definition_files(self) -> list[Path]:
        return [self.place.folder / pipeline.PARAMS, self.place.folder / pipeline.STAGES]

    def _user(self) -> str:
        return self.options.user or self.place.project.user

    def _log_path(self, name: str) -> Path:
        return log_path(self.place, name)

    def _executor(self, name: str) -> Executor:
        """Where a step runs: warm workers that have imported what it needs."""
        if self.options.executor is not None:
            return self.options.executor
        definition = self.compiled.workflow.step(name)
        modules = tuple(definition.preload(self.stages.config(name))) if definition.preload else ()
        return self._workers(
            modules, warm=name not in self.stages.after_own
        )  # else its code may just have been written

    def _workers(self, modules: tuple[str, ...], warm: bool = True) -> Executor:
        if (modules, warm) not in self._executors:
            preload = ("motools.engine.run", "motools.execution.run_step", *modules)
            load = (run_step.loaded, (self.compiled.reference, self.place)) if warm else None
            self._executors[modules, warm] = WarmExecutor(preload, load)
        return self._executors[modules, warm]

    # -- what comes back -----------------------------------------------------

    def _next_event(self, patience: float | None) -> tuple[str, Any] | None:
        """The next thing that happens, None where patience (in seconds) ends; dvc.lock is written meanwhile."""
        while True:
            try:
                return self.events.get(timeout=patience or (0.5 if self.books.lock.pending else None))
            except queue.Empty:
                self.books.flush()
                if patience is not None:
                    return None

    def _handle(self, kind: str, what: Any) -> str | None:
        if kind == "signal":
            self._stop(what)
            return None
        name: str = what[0]
        future: Future[Any] = what[1]
        run = self.running.pop(name)
        run.claim.close()
        seconds = time.monotonic() - run.clock
        try:
            outcome = self._outcome(name, run, future)
            if outcome.error is not None:
                raise StepError(outcome.error)
        except Exception as error:  # an executor of another engine has errors of its own
            self._fail(name, INTERRUPTED if self.heard else _sentence(error), run.log, seconds=seconds)
            return name
        outputs = outcome.result.entry.atoms(run.plan.call.outputs) if outcome.result and run.plan.call else {}
        self._done(name, outputs, "finished" if outcome.executed else "restored", seconds, run.log)
        if outcome.executed:
            self.reporter.finished(name, seconds)
        else:
            self.reporter.answered(name, "restored")
        self.books.flush()
        return name

    def _outcome(self, name: str, run: _Running, future: Future[Any]) -> Outcome:
        result = future.result()
        if run.plan.call is None:
            if result != 0:
                return Outcome(True, error=f"its command ended with exit code {result}")
            assert self.stages.own is not None
            with self.books.dvc_lock:
                self.stages.own.enter(name, run.before)
            return Outcome(True)
        outcome: Outcome = result
        if outcome.result is not None:
            self.stages.traces[name] = outcome.result.trace
            self.books.index.learn(outcome.hashed)
            try:
                with self._at_once():
                    self.books.enter(run.plan.call, outcome.result, outcome.executed)
            except _AtOnce:  # the step cache has the result
                raise StepError(INTERRUPTED) from None
        return outcome

    def _stop(self, number: int) -> None:
        """Ctrl-C once lets running steps end politely; twice, or after a grace, kills them."""
        self.signals += 1
        if self.signals == 1:
            self.stopped = [run.plan.call.key for run in self.running.values() if run.plan.call]
        word = signal.SIGTERM if self.signals == 1 else signal.SIGKILL
        self._kill(word)
        if self.signals == 1 and self.running:
            self.reporter.note(f"stopping {listed(self.running)}; again to kill")
            timer = threading.Timer(_GRACE, lambda: self.events.put(("signal", number)))
            timer.daemon = True
            timer.start()

    def _kill(self, word: signal.Signals) -> None:
        for executor in self._executors.values():
            if isinstance(executor, WarmExecutor):
                executor.kill(word)

    def close(self) -> None:
        """End the workers."""
        for executor in self._executors.values():
            executor.shutdown(cancel_futures=True)
        self._executors.clear()

    def _done(
        self, name: str, outputs: Mapping[str, str], status: Any, seconds: float, log: Path | None = None
    ) -> None:
        self.stages.known.update(outputs)
        self.states[name] = StepState(name, status, dict(outputs), round(seconds, 3), log=log)

    def _fail(self, name: str, error: str, log: Path | None, status: Status = "failed", seconds: float = 0.0) -> None:
        self.states[name] = StepState(name, status, {}, round(seconds, 3), error, log)
        if status == "skipped":
            self.reporter.skipped(name, error)
        else:
            self.reporter.failed(name, error, log)

    def _hear(self, number: int, _: Any) -> None:
        self.heard = True
        self.events.put(("signal", number))
        if self._may_raise:
            self._may_raise = False
            raise _AtOnce

    @contextlib.contextmanager
    def _at_once(self) -> Iterator[None]:
        """For what may take long here, and is either undone or done again wherever it ends: large files are restored
        or hashed, another command's lock is waited for."""
        self._may_raise = True
        try:
            yield
        finally:
            self._may_raise = False

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """Turn Ctrl-C and SIGTERM into events, so that nothing is left half-way; end the workers at last."""
        before: dict[signal.Signals, Callable[..., Any] | int | None] = {}
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                before[number] = signal.signal(number, self._hear)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            self.close()
            for run in self.running.values():  # only where something went wrong in here
                run.claim.close()
        if self.heard:
            kept = [name for name, state in self.states.items() if state.status in ("current", "restored", "finished")]
            raise Interrupted(f"Interrupted. Kept: {listed(kept)}. `motools run` goes on from there.", self.stopped)


def _sentence(error: BaseException) -> str:
    if isinstance(error, OSError):
        return in_words(error)
    return str(error) if isinstance(error, MotoolsError | TaskDied) else f"{type(error).__name__}: {error}"
