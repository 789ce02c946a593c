"""The scheduler: decides and carries out one stage after the other as they become ready, as many at once as have room.

What kind of stage it is, and what a pipeline is, it does not know.
"""

from __future__ import annotations

import contextlib
import queue
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from motools.base.files import in_words
from motools.engine.options import RunOptions
from motools.engine.plan import StagePlan
from motools.engine.reporter import INTERRUPTED, Reporter
from motools.engine.signals import Interrupted, Signals, StoppedHere, interruptible
from motools.engine.stage import Done, Stage, in_order
from motools.engine.state import Status, StepState
from motools.engine.workers import Workers
from motools.errors import MotoolsError, listed
from motools.execution.workers import TaskDied
from motools.repo.dvc_locks import Busy, PathLocks

__all__ = ["Scheduler"]

_GRACE = 10.0  # seconds that interrupted steps have to end by themselves
_LISTEN = 1.0  # seconds until a signal is heard that came as a wait began, which Python would sleep through
_RETRY = 0.2  # seconds between looks at what another command is at work on
_WRITE = 0.5  # seconds between writes of what has finished, while others run


@dataclass
class _Running:
    """A stage that is being executed, since when by the monotonic clock, and its claim on its files."""

    plan: StagePlan
    since: float
    claim: contextlib.ExitStack


class Scheduler:
    """One run.

    Args:
        upstream: each stage, and those that it waits for.
        claims: of files that a stage is at work on.
        write: writes what has finished, if it is time to; whether more is left to write.
    """

    def __init__(
        self,
        upstream: Mapping[Stage, Sequence[Stage]],
        options: RunOptions,
        reporter: Reporter,
        workers: Workers,
        claims: PathLocks,
        write: Callable[[], bool],
    ) -> None:
        self._upstream = upstream
        self._order = in_order(upstream)
        self._options = options
        self._reporter = reporter
        self._workers = workers
        self._claims = claims
        self._write = write
        self._running: dict[Stage, _Running] = {}
        self._blocked: dict[Stage, str] = {}  # by whom
        self._events: queue.SimpleQueue[tuple[Stage, Future[Any]] | int] = queue.SimpleQueue()
        self._answered = 0  # signals
        self._uses_others = False  # machines, so that a stage may start before one that has no room here
        self._stopped_keys: list[str] = []
        self.signals = Signals(self._events.put)
        self.states: dict[Stage, StepState] = {}

    def run(self) -> dict[Stage, StepState]:
        """Run the stages; returns what became of each.

        Raises:
            Interrupted: by a signal, after the running steps were ended.
        """
        with self.signals:
            try:
                self._run()
            finally:
                self._workers.close()
                for run in self._running.values():  # only where something went wrong in here
                    run.claim.close()
                self._claims.settle()
        if self.signals.heard:
            ended = ("current", "restored", "finished")
            kept = [each.name for each in self._upstream if self.states[each].status in ended]
            said = f"Interrupted. Kept: {listed(kept, 12)}. `motools run` goes on from there."
            raise Interrupted(said, self._stopped_keys)
        return self.states

    def _run(self) -> None:
        ready = self._released()
        while (ready and not self._is_stopped()) or self._running:
            blocked = []
            while (stage := self._next(ready)) is not None:
                self._begin(stage)
                blocked += [stage] if stage in self._blocked else []
                ready += self._released()
            if self._running or blocked:
                self._wait(_RETRY if blocked else None)
            ready += [*self._released(), *blocked]
        for stage in self._upstream:
            if stage not in self.states and not self._is_skipped(stage):
                self.states[stage] = StepState(stage.name, "skipped", error="the run was stopped before it")

    def _is_stopped(self) -> bool:
        failed = self._options.fail_fast and any(state.status == "failed" for state in self.states.values())
        return bool(self.signals.heard or failed)

    def _has_room(self, stage: Stage) -> bool:
        if stage.on:  # which is not this machine's business
            there = sum(each.on == stage.on for each in self._running)
            return all(limit is None or there < limit for limit in (stage.places, self._options.jobs))
        return self._options.has_room((each.cores for each in self._running if not each.on), stage.cores)

    def _next(self, ready: list[Stage]) -> Stage | None:
        """The next stage that has room, taken out of `ready`: the first, or one that is for other machines."""
        if not ready or self._is_stopped():
            return None
        for stage in ready if self._uses_others else ready[:1]:
            if (stage is ready[0] or stage.on) and self._has_room(stage):
                ready.remove(stage)
                return stage
        return None

    def _released(self) -> list[Stage]:
        """The stages that wait for nothing any more; those after a failure are skipped."""
        free = []
        while new := self._order.get_ready():
            for stage in new:
                if self._is_skipped(stage):
                    self._order.done(stage)
                else:
                    free.append(stage)
                    self._uses_others |= bool(stage.on)
        return free

    def _is_skipped(self, stage: Stage) -> bool:
        """Skip a stage that needs one that has failed or was skipped itself."""
        states = [self.states[each] for each in self._upstream[stage] if each in self.states]
        lost = next((state.step_name for state in states if state.status in ("failed", "skipped")), None)
        if lost is not None:
            self.states[stage] = StepState(stage.name, "skipped", error=f"needs {lost}")
            stage.reporter.skipped(stage.name, f"needs {lost}")
        return lost is not None

    def _settle(self, stage: Stage, status: Status, done: Done | None = None, **more: Any) -> None:
        self.states[stage] = StepState(stage.name, status, dict(done.outputs) if done else {}, **more)
        self._order.done(stage)

    def _begin(self, stage: Stage) -> None:
        """Answer a stage from what is at hand, or start its command."""
        since = time.monotonic()
        before = self._blocked.pop(stage, None)
        try:
            with stage.at_home():
                with interruptible():
                    plan = stage.at_hand(stage.decide())
                if plan.action == "run":
                    self._start(stage, plan, since)
                    return
        except Busy as busy:
            self._blocked[stage] = str(busy)
            if before != str(busy):
                self._reporter.note(str(busy))
            return
        except StoppedHere:
            return
        except (MotoolsError, OSError) as error:
            self._fail(stage, _sentence(error))
            return
        status: Status = "current" if plan.action == "current" else "restored"
        self._settle(stage, status, Done(plan.outputs), seconds=_since(since))
        stage.reporter.answered(stage.name, status)

    def _start(self, stage: Stage, plan: StagePlan, since: float) -> None:
        with contextlib.ExitStack() as claim:
            claim.enter_context(self._claims.held(stage.name, list(stage.reads), list(stage.writes), True))
            future = stage.start(plan)
            self._running[stage] = _Running(plan, since, claim.pop_all())
        future.add_done_callback(lambda done: self._events.put((stage, done)))
        stage.reporter.started(stage.name, plan.reasons, stage.log)

    def _wait(self, patience: float | None) -> None:
        """For the next thing to happen, for `patience` seconds at most; what has finished is written meanwhile."""
        left = self._write()
        self._claims.settle()
        while True:
            try:
                event = self._events.get(timeout=patience or (_WRITE if left else _LISTEN))
                break
            except queue.Empty:
                left = left and self._write()
                if patience is not None:
                    return
        if isinstance(event, int):
            self._stop(event)
        else:
            self._finish(*event)

    def _finish(self, stage: Stage, future: Future[Any]) -> None:
        run = self._running.pop(stage)
        run.claim.close()
        try:
            with stage.at_home(), interruptible():
                done = stage.finish(run.plan, future.result())
        except (Exception, StoppedHere) as error:  # an executor of another engine has errors of its own
            told = INTERRUPTED if self.signals.heard else _sentence(error)
            self._fail(stage, told, seconds=_since(run.since), log=stage.log)
            return
        status: Status = "finished" if done.executed else "restored"
        self._settle(stage, status, done, seconds=_since(run.since), log=stage.log)
        if done.executed:
            stage.reporter.finished(stage.name, self.states[stage].seconds)
        else:
            stage.reporter.answered(stage.name, status)

    def _fail(self, stage: Stage, error: str, **more: Any) -> None:
        self._settle(stage, "failed", error=error, **more)
        stage.reporter.failed(stage.name, error, more.get("log"))

    def _stop(self, number: int) -> None:
        """Ctrl-C once lets running steps end politely; twice, or after a grace, kills them."""
        self._answered += 1
        self._workers.kill(signal.SIGTERM if self._answered == 1 else signal.SIGKILL)
        if self._answered == 1 and self._running:
            self._stopped_keys = [run.plan.call.key for run in self._running.values() if run.plan.call]
            self._reporter.note(f"stopping {listed(stage.name for stage in self._running)}; again to kill")
            timer = threading.Timer(_GRACE, self._events.put, [number])
            timer.daemon = True
            timer.start()


def _since(clock: float) -> float:
    return round(time.monotonic() - clock, 3)


def _sentence(error: BaseException) -> str:
    if isinstance(error, OSError):
        return in_words(error)
    return str(error) if isinstance(error, MotoolsError | TaskDied) else f"{type(error).__name__}: {error}"
