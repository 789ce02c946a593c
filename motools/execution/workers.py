"""Warm workers: an executor whose tasks are forks of a server process that has the heavy imports done.

A task starts in milliseconds, in a process of its own that nobody else's task has touched, and can be
killed alone. When the process that made the executor goes away, however it goes, its tasks are ended.
"""

from __future__ import annotations

import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from contextlib import suppress
from typing import Any

from motools.execution.worker_protocol import kill_process, receive, send

__all__ = ["TaskDied", "WarmExecutor"]

_GONE = "the server of the warm workers is gone"


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
                [sys.executable, "-P", "-m", "motools.execution.worker_server", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C on the terminal is the caller's to pass on
            )
        self.warm_up(preload, warm)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def warm_up(
        self, preload: Sequence[str] = (), warm: tuple[Callable[..., Any], tuple[Any, ...]] | None = None
    ) -> None:
        """Have the server do more before it serves what is submitted from now on, with the path and the environment
        that this process has now; see the class."""
        with self._sending, suppress(OSError):  # the tasks will tell that it is gone
            send(self._socket, (0, (list(sys.path), dict(os.environ), list(preload), pickle.dumps(warm))))

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        payload = pickle.dumps((fn, args, kwargs))
        with self._sending:
            self._count += 1
            self._futures[self._count] = future
            try:
                send(self._socket, (self._count, payload))
            except OSError:
                del self._futures[self._count]
                future.set_exception(TaskDied(_GONE))
        return future

    def kill(self, number: int) -> None:
        """Send a signal to every running task and what it started."""
        for pid in list(self._pids.values()):
            kill_process(pid, number)

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

    def abandon(self) -> None:
        """Let go of a server that has no tasks, in whatever it is at."""
        self._server.kill()
        self.shutdown()

    def _read(self) -> None:
        while (message := receive(self._socket)) is not None:
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
