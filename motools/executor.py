"""Warm workers: an executor whose tasks are forks of a server process that has the heavy imports done.

A task starts in milliseconds, in a process of its own that nobody else's task has touched, and can be
killed alone. When the process that made the executor goes away, however it goes, its tasks are ended.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import os
import pickle
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NoReturn

__all__ = ["TaskDied", "WarmExecutor"]

_HEADER = struct.Struct("!Q")
_GONE = "the server of the warm workers is gone"
_C = ctypes.CDLL(None)
_PARENT_DIED = 1  # PR_SET_PDEATHSIG of Linux's prctl


class TaskDied(Exception):
    """The task's process ended without a result; `signal` is what ended it, or None where it left by itself."""

    def __init__(self, message: str, signal: int | None = None) -> None:
        super().__init__(message)
        self.signal = signal


class WarmExecutor(Executor):
    """Runs each task in a fork of a server process.

    Args:
        preload: modules that the server imports before it serves; one that cannot be imported is left out.
        warm: a function and its arguments that the server calls once after that; what it raises is ignored,
            the tasks then meet it themselves.
    """

    def __init__(self, preload: Sequence[str] = (), warm: tuple[Callable[..., Any], tuple[Any, ...]] | None = None):
        ours, theirs = socket.socketpair()
        self._socket = ours
        self._futures: dict[int, Future[Any]] = {}
        self._pids: dict[int, int] = {}
        self._sending = threading.Lock()
        self._count = 0
        with theirs:
            self._server = subprocess.Popen(
                # -P: the current folder's modules come where the caller's path has them, not first
                [sys.executable, "-P", "-m", "motools.executor", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C on the terminal is the caller's to pass on
            )
        _send(ours, (list(sys.path), list(preload), pickle.dumps(warm)))
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        payload = pickle.dumps((fn, args, kwargs))
        with self._sending:
            self._count += 1
            self._futures[self._count] = future
            try:
                _send(self._socket, (self._count, payload))
            except OSError:
                del self._futures[self._count]
                future.set_exception(TaskDied(_GONE))
        return future

    def kill(self, number: int) -> None:
        """Send a signal to every running task and what it started."""
        for pid in list(self._pids.values()):
            _kill(pid, number)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let the server go; with `cancel_futures`, tasks that still run are ended."""
        if cancel_futures:
            self.kill(signal.SIGKILL)
        elif wait:
            for future in list(self._futures.values()):
                with suppress(Exception):
                    future.exception()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._server.wait()
        self._reader.join()
        self._socket.close()

    def _read(self) -> None:
        while (message := _receive(self._socket)) is not None:
            number, kind, value = message
            if kind == "pid":
                self._pids[number] = value
                continue
            self._pids.pop(number, None)
            _settle(self._futures.pop(number), *value)
        self.kill(signal.SIGKILL)  # what the tasks started; they themselves have died with their server
        with self._sending:
            left, self._futures = self._futures, {}
        for future in left.values():
            future.set_exception(TaskDied(_GONE))


def _settle(future: Future[Any], status: int, data: bytes) -> None:
    if not data:
        number = -os.waitstatus_to_exitcode(status)
        died = f"was ended by signal {number}" if number > 0 else f"ended with exit code {-number}"
        future.set_exception(TaskDied(f"its process {died}", number if number > 0 else None))
        return
    try:
        ok, value = pickle.loads(data)
    except Exception as error:  # it could be read where it was made, and cannot be here
        ok, value = False, error
    if ok:
        future.set_result(value)
    else:
        future.set_exception(value)


def _kill(pid: int, number: int) -> None:
    """Send a signal to a task's process and what it started."""
    with suppress(ProcessLookupError):
        try:
            os.killpg(pid, number)
        except ProcessLookupError:  # it leads no group yet
            os.kill(pid, number)


def _send(stream: socket.socket, value: Any) -> None:
    data = pickle.dumps(value)
    stream.sendall(_HEADER.pack(len(data)) + data)


def _receive(stream: socket.socket) -> Any:
    """The next value, or None where the other side is gone."""
    header = _exactly(stream, _HEADER.size)
    data = _exactly(stream, _HEADER.unpack(header)[0]) if header else b""
    return pickle.loads(data) if data else None


def _exactly(stream: socket.socket, size: int) -> bytes:
    parts = []
    while size:
        try:
            part = stream.recv(min(size, 1 << 20))
        except OSError:
            return b""
        if not part:
            return b""
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


# -- the server's side ---------------------------------------------------------


@dataclass
class _Task:
    """A task that runs: its number, and what its process has said into the pipe so far."""

    number: int
    pipe: int
    said: list[bytes] = field(default_factory=list)


def _serve(stream: socket.socket) -> None:
    path, preload, warm = _receive(stream)
    sys.path[:] = path
    for module in preload:
        with suppress(ImportError):
            importlib.import_module(module)
    with suppress(Exception):  # the tasks meet it themselves, and say so
        if (call := pickle.loads(warm)) is not None:
            call[0](*call[1])
    gc.collect()
    gc.freeze()  # a fork then copies fewer pages
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
                    if (message := _receive(stream)) is None:
                        return
                    pid, pipe = _fork(message[1], [stream.fileno(), ended, signalled, *pipes])
                    running[pid] = _Task(message[0], pipe)
                    _send(stream, (message[0], "pid", pid))
                elif source in pipes:
                    _hear(pipes[source])
            _hear_all(ended)
            for pid in list(running):
                found, status = os.waitpid(pid, os.WNOHANG)
                if not found:
                    continue
                if status:  # what it started ends with it, unless it left by itself
                    with suppress(ProcessLookupError):
                        os.killpg(pid, signal.SIGKILL)
                task = running.pop(pid)
                _hear(task)  # whoever else holds the pipe, this process has said all
                os.close(task.pipe)
                _send(stream, (task.number, "done", (status, b"".join(task.said))))
    except (BrokenPipeError, ConnectionResetError):
        return  # the process that made the executor is gone
    finally:
        for pid in running:
            _kill(pid, signal.SIGKILL)


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


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        _serve(connection)
