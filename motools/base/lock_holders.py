"""Who holds a lock of the kernel's, and what is done about those who should not.

Such a lock belongs to an open file, which a forked child shares with its parent: where a process is killed, its lock
is held for as long as a child of it lives. Who took it is dead then, and nobody will ever let go.
"""

from __future__ import annotations

import fcntl
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from motools.errors import ProjectError

__all__ = ["Holder", "end", "left_behind", "take", "try_to"]

_LOOK = 5.0  # seconds between looks at who holds a lock
_DYING = 5.0  # seconds that a process which was killed may take to be gone


@dataclass(frozen=True)
class Holder:
    """A process that holds a lock, and the one that took it, of which it is a child where they differ."""

    pid: int
    taker: int

    def __str__(self) -> str:
        with suppress(OSError):
            words = Path(f"/proc/{self.pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            return f"process {self.pid} ({words[:200]})"
        return f"process {self.pid}"


def take(handle: int, path: Path, say: Callable[[str], None], may_end: bool = False) -> None:
    """Take the lock of an open file, and wait for who holds it; `say` is called once with who that is.

    Args:
        may_end: end what a killed process has left behind.

    Raises:
        ProjectError: what was left behind holds it, and is not to be ended or cannot be.
    """
    told, look = False, time.monotonic()
    while not try_to(handle):
        if time.monotonic() >= look:
            look = time.monotonic() + _LOOK
            _deal_with(path, may_end)
            if not told and not try_to(handle):
                say(str(next(_holders(path), "another process")))
                told = True
        time.sleep(0.02)


def try_to(handle: int) -> bool:
    """Take the lock of an open file if it is free."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def left_behind(path: Path) -> list[Holder]:
    """Those that hold a file's lock while the process that took it is gone; none where they cannot be seen."""
    holders = [*_holders(path)]
    there = {holder.pid for holder in holders}
    return [holder for holder in holders if holder.taker not in there]


def _deal_with(path: Path, may_end: bool) -> None:
    for holder in left_behind(path):
        if not (may_end and end(holder)):
            raise ProjectError(
                f"{str(holder).capitalize()}, which process {holder.taker} left behind when it was killed, still "
                f"holds {path}. End it with `kill {holder.pid}`, and run again."
            )


def end(holder: Holder) -> bool:
    """Kill a process; whether it is gone, or as good as that."""
    pid = holder.pid
    until = time.monotonic() + _DYING
    with suppress(ProcessLookupError, FileNotFoundError):
        try:
            os.kill(pid, signal.SIGKILL)
        except PermissionError:
            return False
        while time.monotonic() < until:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX":
                return True
            time.sleep(0.01)
        return False
    return True


def _holders(path: Path) -> Iterator[Holder]:
    """As far as /proc shows them: on Linux, and of processes that one may look at."""
    try:
        wanted = os.stat(path)
    except FileNotFoundError:
        return
    for pid in (name for name in _listed("/proc") if name.isdigit()):
        for fd in _listed(f"/proc/{pid}/fd"):
            with suppress(OSError):
                if os.path.samestat(os.stat(f"/proc/{pid}/fd/{fd}"), wanted):
                    for line in Path(f"/proc/{pid}/fdinfo/{fd}").read_text().splitlines():
                        words = line.split()  # lock: 1: FLOCK ADVISORY WRITE <who took it> ...
                        if words[:1] == ["lock:"] and words[2] == "FLOCK":
                            yield Holder(int(pid), int(words[5]))


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []
