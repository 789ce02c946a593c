"""The warm workers: what comes back from a task, and that nothing of it stays behind."""

from __future__ import annotations

import importlib
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from motools.errors import StepError
from motools.execution.workers import TaskDied, WarmExecutor

pytestmark = pytest.mark.cold

UNPICKLABLE = (AttributeError, pickle.PicklingError)
"""What pickle raises of a function in a function; its words and its class differ between versions of Python."""


@pytest.fixture
def executor() -> Iterator[WarmExecutor]:
    with WarmExecutor(["json"]) as found:
        yield found


def eventually(condition: Callable[[], object], seconds: float = 300) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return bool(condition())


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


# -- tasks ------------------------------------------------------------------------


def whoami(path: Path | None = None) -> int:
    if path:
        path.write_text(str(os.getpid()))
    return os.getpid()


def is_loaded(module: str) -> bool:
    return module in sys.modules


def refuse() -> None:
    raise StepError("the loss is not a number")


class Odd(Exception):
    """An exception that cannot be made again from its arguments."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__("odd")


def raise_odd() -> None:
    raise Odd(1, 2)


def a_function() -> Callable[[], int]:
    return lambda: 1


class OnlyThere:
    """Can be read back in the worker, and not in the process that asked."""

    def __reduce__(self) -> tuple[object, ...]:
        return only_there, (os.getpid(),)


def only_there(pid: int) -> str:
    if pid != os.getpid():
        raise ImportError("no such module here")
    return "there"


def raise_only_there() -> None:
    error = StepError("x")
    error.args = (OnlyThere(),)
    raise error


def sleep_after(path: Path) -> None:
    """Tell the own id and that of a process it starts, and stay."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
    path.write_text(f"{os.getpid()} {process.pid}")
    time.sleep(120)


def leave_a_fork(path: Path, then: str) -> str:
    """Leave a process behind that holds all that this one has open."""
    if (pid := os.fork()) == 0:
        time.sleep(120)
        os._exit(0)
    path.write_text(str(pid))
    if then == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    return "done"


def told(path: Path) -> list[int]:
    assert eventually(lambda: path.exists() and path.read_text())
    return [int(word) for word in path.read_text().split()]


# -- what comes back --------------------------------------------------------------


def test_each_task_runs_in_a_process_of_its_own_with_what_was_preloaded(executor: WarmExecutor) -> None:
    found = [executor.submit(whoami) for _ in range(5)]
    assert len({future.result(300) for future in found} | {os.getpid()}) == 6
    assert executor.submit(is_loaded, "json").result(300)
    assert not executor.submit(is_loaded, "wave").result(300)


def test_a_large_result_comes_back_whole(executor: WarmExecutor) -> None:
    assert executor.submit(bytes, 5_000_000).result(300) == bytes(5_000_000)


def test_an_exception_comes_back_as_it_was_raised(executor: WarmExecutor) -> None:
    with pytest.raises(StepError, match="the loss is not a number"):
        executor.submit(refuse).result(300)


def test_what_cannot_be_pickled_is_told_and_harms_no_other_task(executor: WarmExecutor) -> None:
    with pytest.raises(RuntimeError, match="odd"):
        executor.submit(raise_odd).result(300)
    with pytest.raises(UNPICKLABLE, match="local object"):
        executor.submit(a_function).result(300)
    with pytest.raises(ImportError, match="no such module here"):
        executor.submit(OnlyThere).result(300)
    with pytest.raises(ImportError, match="no such module here"):
        executor.submit(raise_only_there).result(300)
    assert executor.submit(whoami).result(300) > 0


def test_what_a_task_cannot_be_given_is_refused_at_once(executor: WarmExecutor) -> None:
    with pytest.raises(UNPICKLABLE, match="local object"):
        executor.submit(a_function())
    assert executor.submit(whoami).result(300) > 0


def test_a_module_that_is_not_there_and_a_warm_up_that_fails_are_left_to_the_tasks() -> None:
    with WarmExecutor(["no_such_module_anywhere"], (refuse, ())) as executor:
        assert executor.submit(whoami).result(300) > 0


def variable(name: str) -> str | None:
    return os.environ.get(name)


def test_a_server_that_is_warmed_up_later_has_the_path_and_the_environment_of_then(
    executor: WarmExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "of_later.py").write_text("")
    monkeypatch.setenv("OF_LATER", "here")
    monkeypatch.delenv("HOME")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert executor.submit(variable, "OF_LATER").result(300) is None
    executor.warm_up(["of_later"])
    assert executor.submit(variable, "OF_LATER").result(300) == "here"
    assert executor.submit(variable, "HOME").result(300) is None
    assert executor.submit(is_loaded, "of_later").result(300)


def test_a_module_that_asks_for_a_gpu_as_it_is_imported_leaves_cuda_to_the_tasks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "PYTORCH_NVML_BASED_CUDA_CHECK"
    monkeypatch.delenv(name, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "asking.py").write_text(f"import os\nHOW = os.environ.get({name!r})\ndef told(): return HOW\n")
    with WarmExecutor(["asking"]) as executor:
        assert executor.submit(importlib.import_module("asking").told).result() == "1"
        assert executor.submit(os.getenv, name).result() is None
    monkeypatch.setenv(name, "0")
    with WarmExecutor(["asking"]) as executor:
        assert executor.submit(os.getenv, name).result() == "0"


def test_a_task_that_has_started_cannot_be_cancelled(executor: WarmExecutor, tmp_path: Path) -> None:
    future = executor.submit(whoami, tmp_path / "pid")
    assert not future.cancel()
    assert future.result(300) == told(tmp_path / "pid")[0]
    assert executor.submit(whoami).result(300) > 0


def test_tasks_are_submitted_from_several_threads(executor: WarmExecutor) -> None:
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(executor.submit(whoami).result(300))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    assert len(set(found)) == 8


# -- ends ---------------------------------------------------------------------------


def test_a_task_that_dies_says_how(executor: WarmExecutor) -> None:
    with pytest.raises(TaskDied, match="exit code 3") as left:
        executor.submit(os._exit, 3).result(300)
    assert left.value.signal is None
    with pytest.raises(TaskDied, match="exit code 4"):
        executor.submit(sys.exit, 4).result(300)
    with pytest.raises(TaskDied, match="signal 9") as killed:
        executor.submit(os.kill, 0, signal.SIGKILL).result(300)
    assert killed.value.signal == signal.SIGKILL


@pytest.mark.parametrize("then", ["die", "end"])
def test_a_task_has_ended_when_its_process_has_whatever_it_leaves_behind(
    executor: WarmExecutor, tmp_path: Path, then: str
) -> None:
    future = executor.submit(leave_a_fork, tmp_path / "pid", then)
    if then == "end":
        assert future.result(300) == "done"
    else:
        with pytest.raises(TaskDied, match="signal 9"):
            future.result(300)
    (left,) = told(tmp_path / "pid")
    if then == "die":
        assert eventually(lambda: not alive(left))
    elif alive(left):
        os.kill(left, signal.SIGKILL)


def test_kill_reaches_what_a_task_has_started(executor: WarmExecutor, tmp_path: Path) -> None:
    future = executor.submit(sleep_after, tmp_path / "pids")
    pids = told(tmp_path / "pids")
    executor.kill(signal.SIGTERM)
    with pytest.raises(TaskDied, match="exit code 143"):
        future.result(300)
    assert eventually(lambda: not any(alive(pid) for pid in pids))


def put_in_order(path: Path) -> None:
    try:
        sleep_after(path)
    finally:
        path.with_name("order").write_text("in order")


def test_a_task_that_is_told_to_end_can_put_its_things_in_order(executor: WarmExecutor, tmp_path: Path) -> None:
    future = executor.submit(put_in_order, tmp_path / "pids")
    told(tmp_path / "pids")
    executor.kill(signal.SIGTERM)
    with pytest.raises(TaskDied):
        future.result(300)
    assert (tmp_path / "order").read_text() == "in order"


def test_shutdown_ends_what_runs_when_told_to_and_waits_for_it_otherwise(tmp_path: Path) -> None:
    executor = WarmExecutor()
    future = executor.submit(sleep_after, tmp_path / "pids")
    pids = told(tmp_path / "pids")
    executor.shutdown(cancel_futures=True)
    with pytest.raises(TaskDied):
        future.result(300)
    assert eventually(lambda: not any(alive(pid) for pid in pids))
    with WarmExecutor() as executor:
        future = executor.submit(time.sleep, 0.1)
    assert future.done()


def test_when_the_server_is_killed_its_tasks_end_and_say_so(tmp_path: Path) -> None:
    executor = WarmExecutor()
    future = executor.submit(sleep_after, tmp_path / "pids")
    pids = told(tmp_path / "pids")
    os.kill(executor._server.pid, signal.SIGKILL)
    with pytest.raises(TaskDied, match="server"):
        future.result(300)
    assert eventually(lambda: not any(alive(pid) for pid in pids))
    with pytest.raises(TaskDied, match="server"):
        executor.submit(whoami).result(300)
    executor.shutdown()


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_when_the_process_that_asked_is_killed_nothing_of_it_lives_on(tmp_path: Path, end: signal.Signals) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom motools.execution.workers import WarmExecutor\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\nfrom test_workers import sleep_after\n"
        "executor = WarmExecutor()\nfutures = [executor.submit(sleep_after, Path(p)) for p in sys.argv[1:]]\n"
        "print(executor._server.pid, flush=True)\nfutures[0].result()\n"
    )
    paths = [tmp_path / "one", tmp_path / "two"]
    words = [sys.executable, "-c", code, *map(str, paths)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    server = int(process.stdout.readline())
    pids = [server, *told(paths[0]), *told(paths[1])]
    process.send_signal(end)
    _, said = process.communicate(timeout=300)
    assert eventually(lambda: not any(alive(pid) for pid in pids))
    assert "Traceback" not in said
