"""The scheduler: what runs when, and what becomes of it, with stages that are functions of these tests."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from chain import eventually

from motools.code.search_path import pipeline_folder
from motools.compiler.step_call import StepCall
from motools.compiler.step_code import StepCode
from motools.engine import scheduler
from motools.engine.options import RunOptions
from motools.engine.plan import Action, StagePlan
from motools.engine.scheduler import Scheduler
from motools.engine.signals import Interrupted
from motools.engine.stage import Done
from motools.engine.state import StepState
from motools.engine.workers import Workers
from motools.errors import StepError
from motools.execution.workers import TaskDied
from motools.repo.dvc_locks import PathLocks


class Heard:
    """Keeps all that it is told."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []

    def note(self, text: str) -> None:
        self.events.append(("note", text))

    def started(self, stage: str, reasons: tuple[str, ...], log: Path) -> None:
        self.events.append(("started", stage, reasons, log))

    def answered(self, stage: str, how: str) -> None:
        self.events.append(("answered", stage, how))

    def finished(self, stage: str, seconds: float) -> None:
        self.events.append(("finished", stage, seconds))

    def failed(self, stage: str, error: str, log: Path | None) -> None:
        self.events.append(("failed", stage, error, log))

    def skipped(self, stage: str, because: str) -> None:
        self.events.append(("skipped", stage, because))

    def of(self, kind: str) -> list[Any]:
        return [rest[0] for each, *rest in self.events if each == kind]


class Task:
    """A stage whose command is a function, which runs in a thread."""

    cores: float | None = None
    on = ""
    places: int | None = None
    reporter: Heard

    def __init__(
        self,
        name: str,
        work: Callable[[], Any] = lambda: None,
        action: Action = "run",
        executed: bool = True,
        found: Callable[[], None] = lambda: None,
        reads: Sequence[str] = (),
        writes: Sequence[str] = (),
    ) -> None:
        self.name, self.log, self.reads, self.writes = name, Path(f"{name}.log"), reads, writes
        self._work, self._action, self._executed, self._found = work, action, executed, found
        self.call: StepCall | None = None
        self.looks = 0
        self.pool = ThreadPoolExecutor(1)

    def again(self) -> Task:
        return Task(self.name, self._work)

    def at_home(self) -> AbstractContextManager[None]:
        return nullcontext()

    def decide(self) -> StagePlan:
        self.looks += 1
        self._found()
        return StagePlan(self.name, "maybe", (f"why {self.name}",))

    def at_hand(self, plan: StagePlan) -> StagePlan:
        return StagePlan(self.name, self._action, plan.reasons, {"found": f"by {self.name}"}, call=self.call)

    def warm_up(self) -> None:
        pass

    def start(self, plan: StagePlan) -> Future[Any]:
        return self.pool.submit(self._work)

    def finish(self, plan: StagePlan, result: Any) -> Done:
        return Done({"made": f"by {self.name}"}, self._executed)


class Killed(Workers):
    """Workers that remember which signals they were given, and whether they were ended."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[signal.Signals] = []
        self.closed = 0

    def kill(self, word: signal.Signals) -> None:
        self.words.append(word)
        super().kill(word)

    def close(self) -> None:
        self.closed += 1
        super().close()


class Scene:
    """A project's claims, and runs in it."""

    def __init__(self, folder: Path) -> None:
        self.list = folder / ".dvc" / "tmp" / "rwlock"
        self.claims = PathLocks(folder)
        self.heard = Heard()
        self.workers = Killed()
        self.writes = 0
        self.left = 0
        self.scheduler: Scheduler | None = None

    def write(self) -> bool:
        self.writes += 1
        self.left -= 1
        return self.left >= 0

    def run(self, upstream: dict[Task, list[Task]], **how: Any) -> dict[str, StepState]:
        options, workers = RunOptions(**how), self.workers
        for each in upstream:
            each.reporter = self.heard
        self.scheduler = Scheduler(dict(upstream), options, self.heard, workers, self.claims, self.write)
        try:
            return {stage.name: state for stage, state in self.scheduler.run().items()}
        finally:
            for each in upstream:
                each.pool.shutdown()

    def states(self) -> dict[str, str]:
        assert self.scheduler is not None
        return {stage.name: state.status for stage, state in self.scheduler.states.items()}

    def claimed(self) -> Any:
        return json.loads(self.list.read_text())


@pytest.fixture
def scene(bare_project: Path) -> Scene:
    return Scene(bare_project)


def test_a_stage_starts_when_all_that_it_waits_for_has_ended(scene: Scene) -> None:
    done: list[str] = []
    a, b = (Task(name, lambda name=name: done.append(name)) for name in "ab")  # type: ignore[misc]
    c = Task("c", lambda: done.append("c" if sorted(done) == ["a", "b"] else "too early"))
    states = scene.run({c: [a, b], a: [], b: [a]})
    assert done == ["a", "b", "c"]
    for name, state in states.items():
        assert (state.step_name, state.status, state.output_atoms) == (name, "finished", {"made": f"by {name}"})
        assert (state.error, state.log) == (None, Path(f"{name}.log"))
    told = [(kind, name) for kind, name, *_ in scene.heard.events]
    assert told == [(kind, name) for name in "abc" for kind in ("started", "finished")]
    assert scene.heard.events[0] == ("started", "a", ("why a",), Path("a.log"))


def test_the_time_that_a_stage_took_is_told(scene: Scene) -> None:
    state = scene.run({Task("a", lambda: time.sleep(0.03)): []})["a"]
    assert 0.03 <= state.seconds < 300
    assert scene.heard.events[-1] == ("finished", "a", state.seconds)
    assert len(str(state.seconds)) <= len("59.999")


def test_the_time_that_a_failed_stage_took_is_told_too(scene: Scene) -> None:
    def fail() -> None:
        time.sleep(0.03)
        raise StepError("no")

    assert 0.03 <= scene.run({Task("a", fail): []})["a"].seconds < 300


def test_what_is_at_hand_is_not_executed(scene: Scene) -> None:
    def never() -> None:
        raise AssertionError

    a, b = Task("a", never, "current"), Task("b", never, "restore", found=lambda: time.sleep(0.03))
    states = scene.run({a: [], b: [a]})
    assert {name: state.status for name, state in states.items()} == {"a": "current", "b": "restored"}
    assert states["b"].output_atoms == {"found": "by b"}
    assert (states["b"].error, states["b"].log) == (None, None)
    assert 0.03 <= states["b"].seconds < 300
    assert scene.heard.events == [("answered", "a", "current"), ("answered", "b", "restored")]


def test_where_another_process_was_quicker_the_result_is_told_as_restored(scene: Scene) -> None:
    state = scene.run({Task("a", executed=False): []})["a"]
    assert (state.status, state.output_atoms) == ("restored", {"made": "by a"})
    assert scene.heard.events[1:] == [("answered", "a", "restored")]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (StepError("no rows"), "no rows"),
        (TaskDied("it was killed"), "it was killed"),
        (ValueError("odd"), "ValueError: odd"),
        (OSError(28, "No space left on device", "/x"), "No space left on device: /x"),
    ],
)
@pytest.mark.parametrize("when", ["started", "deciding"])
def test_what_follows_a_failed_stage_is_skipped_and_nothing_else_is(
    scene: Scene, error: Exception, said: str, when: str
) -> None:
    def fail() -> None:
        raise error

    a = Task("a", fail) if when == "started" else Task("a", found=fail)
    b, c = Task("b"), Task("c")
    d = Task("d", lambda: eventually(lambda: "c" in scene.heard.of("skipped")))
    upstream = {a: [], b: [a], c: [b], d: []}
    if when == "deciding" and not isinstance(error, StepError | OSError):
        with pytest.raises(type(error)):  # a bug of ours: a crash report tells of it
            scene.run(upstream)
        return
    states = scene.run(upstream)
    assert {name: state.status for name, state in states.items()} == {
        "a": "failed", "b": "skipped", "c": "skipped", "d": "finished"
    }  # fmt: skip
    assert {name: states[name].error for name in "bcd"} == {"b": "needs a", "c": "needs b", "d": None}
    assert states["a"].error == said
    log = Path("a.log") if when == "started" else None
    assert (states["a"].log, states["a"].output_atoms) == (log, {})
    assert [each for each in scene.heard.events if each[0] == "failed"] == [("failed", "a", states["a"].error, log)]
    skipped = [each for each in scene.heard.events if each[0] == "skipped"]
    assert skipped == [("skipped", "b", "needs a"), ("skipped", "c", "needs b")]


def test_with_fail_fast_nothing_starts_after_a_failure_and_what_runs_is_finished(scene: Scene) -> None:
    slow = Task("slow", lambda: eventually(lambda: "bad" in scene.heard.of("failed")))

    def fail() -> None:
        raise StepError("no")

    bad, after, late, last = Task("bad", fail), Task("after"), Task("late"), Task("last")
    queued = Task("queued")
    upstream = {slow: [], bad: [], queued: [], after: [bad], late: [slow], last: [late]}
    states = scene.run(upstream, jobs=2, fail_fast=True)
    assert {name: state.status for name, state in states.items()} == {
        "slow": "finished", "bad": "failed", **dict.fromkeys(["queued", "after", "late", "last"], "skipped")
    }  # fmt: skip
    assert (states["after"].error, states["last"].error) == ("needs bad", "needs late")
    assert states["late"].error == "the run was stopped before it"
    assert queued.looks == late.looks == 0
    kept = Task("kept", action="current"), Task("brought", action="restore")
    tasks = [*kept, Task("first"), bad.again(), Task("next")]
    states = scene.run({each: [] for each in tasks}, jobs=1, fail_fast=True)
    assert [state.status for state in states.values()] == ["current", "restored", "finished", "failed", "skipped"]


def test_as_many_run_at_once_as_have_room_and_no_more(scene: Scene) -> None:
    seen: list[list[str]] = []

    def work() -> None:
        eventually(lambda: scene.writes)  # all are started that will be, and the scheduler waits
        seen.append(scene.heard.of("started"))

    states = scene.run({Task(name, work): [] for name in "abcd"}, jobs=2)
    assert {state.status for state in states.values()} == {"finished"}
    assert seen[0] == ["a", "b"]


def test_a_stage_for_other_machines_starts_where_one_for_this_machine_has_no_room(scene: Scene) -> None:
    far = Task("far")
    far.on = "there"
    near = Task("near", lambda: eventually(lambda: "far" in scene.heard.of("started")))
    states = scene.run({near: [], Task("next"): [], far: []}, jobs=1)
    assert {state.status for state in states.values()} == {"finished"}
    assert scene.heard.of("started")[:2] == ["near", "far"]


@pytest.mark.parametrize(
    ("places", "jobs", "first"),
    [(2, None, "ab"), (None, None, "abc"), (3, 1, "a"), (None, 2, "ab")],
)
def test_on_other_machines_as_many_run_at_once_as_have_places_there(
    scene: Scene, places: int | None, jobs: int | None, first: str
) -> None:
    seen: list[list[str]] = []

    def work() -> None:
        eventually(lambda: scene.writes)  # all are started that will be, and the scheduler waits
        seen.append(scene.heard.of("started"))

    tasks = [Task(name, work) for name in "abc"]
    for each in tasks:
        each.on, each.places = "cluster", places
    states = scene.run({each: [] for each in tasks}, jobs=jobs)
    assert {state.status for state in states.values()} == {"finished"}
    assert seen[0] == [*first]


def test_while_this_machine_is_full_others_are_given_work(scene: Scene) -> None:
    here = Task("here", lambda: eventually(lambda: scene.heard.of("finished")))
    far = Task("far")
    far.on = "cluster"
    states = scene.run({here: [], Task("next"): [], far: []}, jobs=1)
    assert {state.status for state in states.values()} == {"finished"}
    assert scene.heard.of("started") == ["here", "far", "next"]


def test_a_stage_claims_its_files_while_it_runs(scene: Scene) -> None:
    seen: list[Any] = []
    a = Task("a", lambda: seen.append(scene.claimed()), reads=["/in"], writes=["/out"])
    scene.run({a: []})
    (claimed,) = seen
    assert (list(claimed["read"]), list(claimed["write"])) == (["/in"], ["/out"])
    assert scene.claimed() == {}


def test_claims_end_where_the_scheduler_itself_fails(scene: Scene) -> None:
    def bug() -> None:
        assert list(scene.claimed()["write"]) == ["/out"]
        go.set()
        raise RuntimeError("a bug")

    go = threading.Event()
    a, b = Task("a", lambda: go.wait(300), writes=["/out"]), Task("b", found=bug)
    with pytest.raises(RuntimeError, match="a bug"):
        scene.run({a: [], b: []})
    assert scene.claimed() == {}


@pytest.fixture
def sleeper(scene: Scene) -> Iterator[subprocess.Popen[bytes]]:
    """Another command, at work on a file."""
    with subprocess.Popen(["sleep", "600"]) as process:
        scene.list.parent.mkdir(parents=True, exist_ok=True)
        scene.list.write_text(json.dumps({"write": {"/out": {"pid": process.pid, "cmd": "sleep 600"}}}))
        yield process
        process.kill()


def test_a_stage_whose_files_another_command_is_at_work_on_waits_and_says_so_once(
    scene: Scene, sleeper: subprocess.Popen[bytes]
) -> None:
    a = Task("a", writes=["/out"])

    def end() -> None:
        eventually(lambda: a.looks >= 3)
        sleeper.kill()
        sleeper.wait()

    b, c = Task("b", end), Task("c")
    states = scene.run({a: [], b: [], c: [a]})
    assert {state.status for state in states.values()} == {"finished"}
    assert scene.heard.of("note") == [f"a waits for process {sleeper.pid} (sleep 600)"]
    assert [name for name in scene.heard.of("finished") if name != "b"] == ["a", "c"]


def test_where_all_stages_wait_for_another_command_so_does_the_run(
    scene: Scene, sleeper: subprocess.Popen[bytes]
) -> None:
    def look() -> None:
        if a.looks == 3:
            sleeper.kill()
            sleeper.wait()

    a = Task("a", writes=["/out"], found=look)
    assert scene.run({a: []})["a"].status == "finished"
    assert a.looks == 3


def test_what_has_finished_is_written_while_others_run(scene: Scene) -> None:
    scene.left = 3
    states = scene.run({Task("a", lambda: eventually(lambda: scene.writes >= 4)): []})
    assert states["a"].status == "finished"
    assert scene.writes == 4, "when nothing is left to write, it waits for what happens"


# -- signals -------------------------------------------------------------------------------


def tell(number: signal.Signals) -> None:
    """Send this process a signal; its main thread hears of it."""
    ident = threading.main_thread().ident
    assert ident is not None
    signal.pthread_kill(ident, number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_what_runs_end_starts_nothing_more_and_tells_what_is_kept(
    scene: Scene, number: signal.Signals
) -> None:
    def stop() -> None:
        tell(number)
        eventually(lambda: scene.heard.of("note"))
        raise TaskDied("it was killed")

    current, done = Task("current", action="current"), Task("done")
    b, late = Task("b", stop), Task("late")
    before = signal.getsignal(number)
    said = r"^Interrupted\. Kept: current(, | and )done\. `motools run` goes on from there\.$"
    with pytest.raises(Interrupted, match=said) as error:
        scene.run({current: [], done: [current], b: [done], late: [b]}, jobs=1)
    assert (error.value.exit_code, list(error.value.keys)) == (130, [])
    assert scene.heard.of("note") == ["stopping b; again to kill"]
    assert scene.states() == {"current": "current", "done": "finished", "b": "failed", "late": "skipped"}
    assert ("failed", "b", "it was interrupted", Path("b.log")) in scene.heard.events
    assert late.looks == 0
    assert signal.getsignal(number) is before


def test_a_signal_that_does_not_wake_the_main_thread_is_heard_all_the_same(scene: Scene) -> None:
    """As one that comes just before that falls asleep: Python takes it in when something else wakes it."""

    def stop() -> None:
        eventually(lambda: scene.writes)
        time.sleep(0.3)  # then it is asleep
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)
        eventually(lambda: scene.heard.of("note"))
        raise TaskDied("it was killed")

    with pytest.raises(Interrupted):
        scene.run({Task("a", stop): []})
    assert scene.heard.of("note") == ["stopping a; again to kill"]


@pytest.mark.parametrize(("count", "more"), [(12, ""), (13, ", and 1 more")])
def test_the_last_sentence_names_twelve_stages_and_how_many_more(scene: Scene, count: int, more: str) -> None:
    kept = {Task(f"s{n}", action="current"): list[Task]() for n in range(count)}
    names = ", ".join([each.name for each in kept][:12]) + more
    with pytest.raises(Interrupted) as error:
        scene.run({**kept, Task("last", found=lambda: tell(signal.SIGINT)): [*kept]})
    assert str(error.value) == f"Interrupted. Kept: {names}. `motools run` goes on from there."


def test_a_signal_ends_what_is_looked_at_and_leaves_it_for_the_next_run(scene: Scene) -> None:
    a = Task("a", found=lambda: tell(signal.SIGINT))
    with pytest.raises(Interrupted, match=r"^Interrupted\. "):
        scene.run({Task("b"): [a], a: []})
    assert scene.states() == {"a": "skipped", "b": "skipped"}
    assert scene.heard.of("started") == scene.heard.of("failed") == []


def test_a_signal_ends_a_run_that_only_waits_for_another_command(
    scene: Scene, sleeper: subprocess.Popen[bytes]
) -> None:
    a = Task("a", writes=["/out"])

    def stop() -> None:
        eventually(lambda: scene.heard.of("note") and scene.writes)
        tell(signal.SIGINT)

    other = threading.Thread(target=stop)
    other.start()
    with pytest.raises(Interrupted, match=r"^Interrupted\. "):
        scene.run({a: []})
    other.join()
    assert scene.heard.of("note") == [f"a waits for process {sleeper.pid} (sleep 600)"]
    assert scene.states() == {"a": "skipped"}


def test_what_ends_well_after_a_signal_is_kept(scene: Scene) -> None:
    a = Task("a", lambda: tell(signal.SIGINT))
    with pytest.raises(Interrupted, match=r"Kept: a\."):
        scene.run({a: []})
    assert scene.states() == {"a": "finished"}


def test_of_two_signals_the_second_one_kills_and_the_first_one_is_told(scene: Scene) -> None:
    def answered(times: int) -> bool:
        assert scene.scheduler is not None
        return scene.scheduler._answered == times

    def stop() -> None:
        for times in (1, 2):
            tell(signal.SIGINT)
            eventually(lambda times=times: answered(times))  # type: ignore[misc]

    with pytest.raises(Interrupted, match=r"Kept: a\."):
        scene.run({Task("a", stop): []})
    assert scene.heard.of("note") == ["stopping a; again to kill"]
    assert scene.workers.words == [signal.SIGTERM, signal.SIGKILL]
    timers = [each for each in threading.enumerate() if isinstance(each, threading.Timer)]
    assert all(timer.daemon for timer in timers), "no process waits for the grace of what has ended"


def test_after_a_grace_what_was_let_end_is_killed(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "_GRACE", 0.01)

    def stop() -> None:
        tell(signal.SIGINT)
        eventually(lambda: len(scene.workers.words) == 2)

    with pytest.raises(Interrupted, match=r"Kept: a\."):
        scene.run({Task("a", stop): []})
    assert scene.workers.words == [signal.SIGTERM, signal.SIGKILL]
    assert scene.heard.of("note") == ["stopping a; again to kill"]


def test_an_interruption_tells_the_keys_of_the_steps_that_were_stopped(scene: Scene) -> None:
    first, own = threading.Event(), Task("own", lambda: first.wait(300))
    place = pipeline_folder(scene.list.parents[2])

    def stop() -> None:
        tell(signal.SIGINT)
        eventually(lambda: scene.heard.of("note"))
        first.set()

    a = Task("a", stop)
    a.call = StepCall("w", "a", {}, {}, False, {}, StepCode("", {}, ()), {}, place, "key of a")
    with pytest.raises(Interrupted) as error:
        scene.run({own: [], a: []})
    assert list(error.value.keys) == ["key of a"]


def test_workers_end_with_a_run_however_it_ends(scene: Scene) -> None:
    scene.run({Task("a"): []})
    assert scene.workers.closed == 1
    with pytest.raises(RuntimeError, match="a bug"):
        scene.run({Task("a", found=bug): []})
    assert scene.workers.closed == 2


def bug() -> None:
    raise RuntimeError("a bug")


def test_a_stage_that_keeps_several_cores_busy_has_room_only_beside_those_that_leave_them(scene: Scene) -> None:
    seen: list[list[str]] = []

    def work() -> None:
        eventually(lambda: scene.writes)
        seen.append(scene.heard.of("started"))

    wide, narrow, last = Task("wide", work), Task("narrow"), Task("last")
    wide.cores, narrow.cores, last.cores = 2, 1, 1
    states = scene.run({wide: [], narrow: [], last: []}, jobs=2)
    assert {state.status for state in states.values()} == {"finished"}
    assert seen == [["wide"]]
