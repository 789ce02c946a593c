"""Claims on keys at a remote: of all machines that share it, one at a time executes what a key stands for.

Who claims writes a file, then lists what is there; who sees nobody else has the key, all others take theirs back and
try later. Two that come at once may both take theirs back, but never both have it. A claim is renewed while it is held;
one that is no longer renewed, by the clock of whoever waits, is removed, and at once where it is of a process of the
same machine that is gone. Clocks of different machines are never compared.
"""

from __future__ import annotations

import os
import random
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

__all__ = ["claimed"]

_RENEW = 5.0  # seconds
_DEAD = 60.0  # seconds without a renewal


@contextmanager
def claimed(fs: Any, folder: str) -> Iterator[None]:
    """Hold a folder of a remote, which nobody else holds meanwhile; waits for who does.

    Args:
        fs: the remote's file system, as DVC has it.

    Raises:
        OSError, and what else the remote's file system raises.
    """
    mine = f"{_process()}.{uuid.uuid4().hex}"
    path = fs.join(folder, mine)
    seen: dict[str, tuple[str, float]] = {}
    while True:
        _write(fs, path, 0)
        if not (others := _others(fs, folder, mine)):
            break
        _remove(fs, path)
        for other in others:
            if _is_gone(fs, fs.join(folder, other), other, seen):
                _remove(fs, fs.join(folder, other))
        time.sleep(random.uniform(0.1, 1.0))
    over = threading.Event()
    renewing = threading.Thread(target=_renew, args=(fs, path, over), daemon=True)
    renewing.start()
    try:
        yield
    finally:
        over.set()
        renewing.join()
        with suppress(Exception):  # the remote cannot be reached: the claim will not be renewed, which tells the same
            _remove(fs, path)


def _renew(fs: Any, path: str, over: threading.Event) -> None:
    count = 0
    while not over.wait(_RENEW):
        count += 1
        with suppress(Exception):  # the remote cannot be reached now; whoever waits cannot reach it either
            _write(fs, path, count)


def _others(fs: Any, folder: str, mine: str) -> list[str]:
    fs.fs.invalidate_cache()  # what was listed before tells nothing of now
    try:
        names = [fs.name(path) for path in fs.find(folder)]
        return [name for name in names if name != mine and not name.startswith(".") and name.count(".") == 2]
    except FileNotFoundError:
        return []


def _is_gone(fs: Any, path: str, name: str, seen: dict[str, tuple[str, float]]) -> bool:
    """Whether who claims is known to be gone: a process of this machine, or one that has long not renewed it."""
    machine, process, _ = name.split(".")
    here, _ = _process().split(".")
    if machine == here:
        return process != _started(int(process.partition("-")[0]))
    try:
        with fs.open(path, "r") as file:
            now = file.read()
    except FileNotFoundError:
        return False
    before, since = seen.get(name, ("", 0.0))
    if now != before:
        seen[name] = now, time.monotonic()
        return False
    return time.monotonic() - since > _DEAD


def _process() -> str:
    """This process, as no other one anywhere is called: the machine and its process numbers, then the number."""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        space = os.readlink("/proc/self/ns/pid").strip("pid:[]")
        return f"{boot}-{space}.{_started(os.getpid())}"
    return f"{uuid.getnode():x}-{os.uname().nodename.replace('.', '-')}.{_started(os.getpid())}"


def _started(pid: int) -> str:
    """A process's number and when it was started; only the number where that cannot be told, or it is gone."""
    with suppress(OSError, IndexError):
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return f"{pid}-{words[19]}" if words[0] not in "ZX" else f"{pid}"
    if not Path("/proc").is_dir():
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, 0)
            return f"{pid}-0"
    return f"{pid}"


def _write(fs: Any, path: str, count: int) -> None:
    import io

    fs.put_file(io.BytesIO(str(count).encode()), path)


def _remove(fs: Any, path: str) -> None:
    with suppress(FileNotFoundError):
        fs.remove(path)
