"""The server of the warm workers: a process that imports once and forks for every task."""

from __future__ import annotations

import atexit
import ctypes
import gc
import importlib
import os
import pickle
import select
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NoReturn

from motools.execution.worker_protocol import kill_process, receive, send

_C = ctypes.CDLL(None)
_PARENT_DIED = 1  # PR_SET_PDEATHSIG of Linux's prctl
_BY_NVML = "PYTORCH_NVML_BASED_CUDA_CHECK"
"""Has `torch.cuda.is_available()`, which modules ask as they are imported, not ask CUDA itself: forks of a process that
did cannot use it, and no step of such a project could use its GPU."""


# -- the server's side ---------------------------------------------------------


@dataclass
class _Task:
    """A task that runs: its number, and what its process has said into the pipe so far."""

    number: int
    pipe: int
    said: list[bytes] = field(default_factory=list)


def _warm_up(path: list[str], env: dict[str, str], preload: list[str], warm: bytes) -> None:
    gc.disable()  # of what is imported nothing is garbage
    sys.path[:] = path
    for name in os.environ.keys() - env.keys():
        del os.environ[name]
    os.environ.update(env)
    os.environ.setdefault(_BY_NVML, "1")
    for module in preload:
        with suppress(ImportError):
            importlib.import_module(module)
    with suppress(Exception):  # the tasks meet it themselves, and say so
        if (call := pickle.loads(warm)) is not None:
            call[0](*call[1])
    if _BY_NVML not in env:
        del os.environ[_BY_NVML]
    gc.freeze()  # a fork then copies fewer pages
    gc.enable()


def _serve(stream: socket.socket) -> None:
    ended, signalled = os.pipe()
    for end in (ended, signalled):
        os.set_blocking(end, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(signalled, warn_on_full_buffer=False)
    running: dict[int, _Task] = {}  # by process
    try:
        while True:
            pipes = {task.pipe: task for task in running.values()}
            for source in _readable([stream.fileno(), ended, *pipes]):
                if source == stream.fileno():
                    if (message := receive(stream)) is None:
                        return
                    if message[0] == 0:
                        _warm_up(*message[1])
                        continue
                    pid, pipe = _fork(message[1], [stream.fileno(), ended, signalled, *pipes])
                    running[pid] = _Task(message[0], pipe)
                    send(stream, (message[0], "pid", pid))
                elif source in pipes:
                    _hear(pipes[source])
            _hear_all(ended)
            for pid in list(running):
                ended_pid, status = os.waitpid(pid, os.WNOHANG)
                if not ended_pid:
                    continue
                if status:  # what it started ends with it, unless it left by itself
                    with suppress(ProcessLookupError):
                        os.killpg(pid, signal.SIGKILL)
                task = running.pop(pid)
                _hear(task)  # whoever else holds the pipe, this process has said all
                os.close(task.pipe)
                send(stream, (task.number, "done", (status, b"".join(task.said))))
    except (BrokenPipeError, ConnectionResetError):
        return  # the process that made the executor is gone
    finally:
        for pid in running:
            kill_process(pid, signal.SIGKILL)


def _readable(sources: list[int]) -> list[int]:
    poll = select.poll()  # `select` cannot watch more than a thousand
    for source in sources:
        poll.register(source, select.POLLIN)
    return [source for source, _ in poll.poll()]


def _hear(task: _Task) -> None:
    task.said.append(_hear_all(task.pipe))


def _hear_all(pipe: int) -> bytes:
    """All that can be read now."""
    parts = []
    with suppress(BlockingIOError):
        while part := os.read(pipe, 1 << 16):
            parts.append(part)
    return b"".join(parts)


def _fork(payload: bytes, others: list[int]) -> tuple[int, int]:
    """Start a task; returns its process and the pipe that it will speak into."""
    server = os.getpid()
    ours, theirs = os.pipe()
    os.set_blocking(ours, False)
    pid = os.fork()
    if pid:
        os.close(theirs)
        return pid, ours
    try:
        os.setsid()
        _die_with(server)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, _leave)  # as an exception, so that a step can put its things in order
        for other in (ours, *others):
            os.close(other)
        _run(payload, theirs)
    finally:
        os._exit(1)


def _die_with(parent: int) -> None:
    """Be killed when the server is; elsewhere than on Linux, the keys' locks make a later run wait for us."""
    if sys.platform == "linux":
        _C.prctl(_PARENT_DIED, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


def _leave(number: int, _: Any) -> NoReturn:
    raise SystemExit(128 + number)


def _run(payload: bytes, pipe: int) -> NoReturn:
    try:
        fn, args, kwargs = pickle.loads(payload)
        result = pickle.dumps((True, fn(*args, **kwargs)))
    except SystemExit as error:
        os._exit(error.code if isinstance(error.code, int) else 1)
    except Exception as error:
        try:
            result = pickle.dumps((False, error))
            pickle.loads(result)
        except Exception:
            result = pickle.dumps((False, RuntimeError(f"{type(error).__name__}: {error}")))
    with suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    with os.fdopen(pipe, "wb") as file:
        file.write(result)
    os._exit(0)


def _end(server: int) -> None:
    """End the server without taking its interpreter apart, for which a run would wait."""
    if os.getpid() == server:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(0)


if __name__ == "__main__":
    atexit.register(_end, os.getpid())  # the first to be registered is called after all others
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        _serve(connection)
