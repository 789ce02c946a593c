"""DVC's own locks: one process at a time writes lock files, and paths are claimed by who makes them.

The files and their formats are DVC's, the code that takes them is not, but for its hard links. `dvc.rwlock` takes 0.3 s
to import, beside which a step may be done; it writes the list of claims in place, where a kill leaves half of it, and
every later command then refuses to start; and it goes by process numbers alone: it waits for zombies, and for whoever
has a dead process's number. `dvc.lock` says nothing of who holds a lock, and gives up after three seconds.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from motools.base.files import replace_file
from motools.errors import MotoolsError, ProjectError

_PATIENCE = 3600.0  # seconds for another DVC command; a `dvc push` may take long
_MOMENT = 30.0  # seconds for the list of claims, which is held for the time of a small write
_CLOCK = 60.0  # seconds that a clock may have been put right by


class Busy(MotoolsError):
    """Another command is at work on what a stage reads or writes; the stage is tried again later."""


class _Lock:
    """One of DVC's two lock files, taken as DVC itself takes it."""

    def __init__(self, path: Path, hardlink: bool) -> None:
        self.path = path
        self._hardlink = hardlink
        self._held: Callable[[], None] | None = None
        self.of_dvc: Any = None

    def take(self, patience: float, waiting: Callable[[str], None]) -> None:
        """Wait for it; says once for whom.

        Raises:
            ProjectError: `patience`, in seconds, is at an end.
        """
        until, told = time.monotonic() + patience, False
        while not self.try_to():
            if not told:
                waiting(self._holder())
                told = True
            if time.monotonic() > until:
                raise ProjectError(
                    f"{self.path} has been held for {patience:,.0f} s{self._holder()}. End that command, or, where "
                    "there is none, delete the file; what has finished is kept, and `motools run` goes on from there."
                )
            time.sleep(0.05)

    def _holder(self) -> str:
        with contextlib.suppress(OSError, ValueError):
            return f" (process {int(self.path.read_text(encoding='utf-8'))})"
        return ""

    def try_to(self) -> bool:
        self.path.parent.mkdir(parents=True, exist_ok=True)  # a fresh clone has no .dvc/tmp
        if self._hardlink or self.of_dvc:
            from dvc.lock import LockError, make_lock

            lock = self.of_dvc or make_lock(str(self.path), tmp_dir=str(self.path.parent), hardlink_lock=True)
            try:
                lock.lock()
            except LockError:
                return False
            self._held = lock.unlock
            return True
        import zc.lockfile  # what DVC itself uses

        try:
            self._held = zc.lockfile.LockFile(str(self.path)).close
        except zc.lockfile.LockError:
            return False
        return True

    def release(self) -> None:
        if self._held is not None:
            self._held()
            self._held = None


class DvcLock:
    """DVC's own lock on a project, so that a `dvc` command and a run never write at once.

    It is taken only while DVC's files are read and written, never while steps run.
    """

    def __init__(self, root: Path, hardlink: bool, say: Callable[[str], None]) -> None:
        self._lock = _Lock(root / ".dvc" / "tmp" / "lock", hardlink)
        self._say = say

    def through(self, lock: Any) -> None:
        """Take it through DVC's own lock object, which DVC's functions look at."""
        self._lock.of_dvc = lock

    def __enter__(self) -> None:
        self._lock.take(_PATIENCE, lambda holder: self._say(f"waiting for another DVC command to end{holder}"))

    def __exit__(self, *exc: object) -> None:
        self._lock.release()

    def if_free(self, act: Callable[[], None]) -> None:
        """Act while holding it, unless another command holds it."""
        if self._lock.try_to():
            try:
                act()
            finally:
                self._lock.release()


class PathLocks:
    """DVC's list of which process reads and writes which paths, `.dvc/tmp/rwlock`.

    While a step runs, its outputs are claimed, so that `dvc repro` or `dvc checkout` elsewhere keeps off them.
    DVC would write the file in place, where a kill leaves half of it, and wait for whoever has a dead process's number.
    """

    def __init__(self, root: Path, hardlink: bool = False) -> None:
        self._path = root / ".dvc" / "tmp" / "rwlock"
        self._guard = _Lock(root / ".dvc" / "tmp" / "rwlock.lock", hardlink)
        self._me = {"pid": os.getpid(), "cmd": " ".join(sys.argv)}  # as DVC itself names us
        self._ended: list[tuple[list[str], list[str]]] = []
        self._written: tuple[tuple[int, ...] | None, dict[str, Any]] | None = None

    def repair(self) -> None:
        """Forget claims of processes that are gone, and a list that a killed DVC command left unreadable."""
        if self._path.exists():
            with self._edited() as content:
                content["read"] = {p: [c for c in claims if _is_there(c)] for p, claims in content["read"].items()}
                content["write"] = {p: c for p, c in content["write"].items() if _is_there(c)}

    def busy(self, read: list[str], write: list[str]) -> str | None:
        """Who else is at work on these paths, in words, or None."""
        return self._holder(self._load(), read, write)

    def written(self) -> list[str]:
        """The paths that processes which live have claimed as theirs to write."""
        return list(self._load()["write"])

    @contextlib.contextmanager
    def held(self, name: str, read: list[str], write: list[str], until_settled: bool = False) -> Iterator[None]:
        """Claim a stage's paths for the time that it runs.

        Args:
            until_settled: keep the claim until the next one is made, or `settle` is called: the list is written once.

        Raises:
            Busy: another command has claimed one of them.
        """
        with self._edited() as content:
            if (holder := self._holder(content, read, write)) is not None:
                raise Busy(f"{name} waits for {holder}")
            for path in read:
                content["read"].setdefault(path, []).append(self._me)
            content["write"].update(dict.fromkeys(write, self._me))
        try:
            yield
        finally:
            self._ended.append((read, write))
            if not until_settled:
                self.settle()

    def settle(self) -> None:
        """Let go of what has ended; where that fails it ends with this process."""
        with contextlib.suppress(OSError, ProjectError):
            if self._ended:
                with self._edited():
                    pass

    def _let_go(self, content: dict[str, Any]) -> None:
        for read, write in self._ended:
            for path in read:
                if self._me in (claims := content["read"].get(path, [])):
                    claims.remove(self._me)
            for path in write:
                if content["write"].get(path) == self._me:
                    del content["write"][path]

    def _holder(self, content: dict[str, Any], read: list[str], write: list[str]) -> str | None:
        claims = [(claim, [*read, *write], path) for path, claim in content["write"].items()]
        claims += [(claim, write, path) for path, readers in content["read"].items() for claim in readers]
        for claim, mine, path in claims:
            if claim != self._me and _overlap(path, mine) and _is_there(claim):
                return f"process {claim['pid']} ({claim['cmd']})"
        return None

    def _load(self) -> dict[str, Any]:
        """The claims of processes that live, by whatever name: DVC ends in an error where its own are gone."""
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
            written = self._path.stat().st_mtime
            read, write = content.get("read", {}), content.get("write", {})
            read = {p: [c for c in claims if self._holds(c, written)] for p, claims in read.items()}
            write = {p: c for p, c in write.items() if self._holds(c, written)}
        except (FileNotFoundError, ValueError, AttributeError, KeyError, TypeError):
            return {"read": {}, "write": {}}
        return {"read": read, "write": write}

    def _holds(self, claim: dict[str, Any], written: float) -> bool:
        pid, _ = int(claim["pid"]), str(claim["cmd"])
        return pid == self._me["pid"] or _lives(pid, written)

    @contextlib.contextmanager
    def _edited(self) -> Iterator[dict[str, Any]]:
        """Change the list under its own lock, and replace the file at once."""
        self._guard.take(_MOMENT, lambda holder: None)
        try:
            content = self._load() if self._written is None or self._written[0] != self._stamp() else self._written[1]
            self._written = None
            self._let_go(content)
            yield content
            claimed = {
                "read": {p: claims for p, claims in content["read"].items() if claims},
                "write": content["write"],
            }
            replace_file(self._path, json.dumps({k: v for k, v in claimed.items() if v}))
            self._ended.clear()
            claims = [*claimed["write"].values(), *(each for of in claimed["read"].values() for each in of)]
            if all(claim is self._me for claim in claims):  # of others it must be asked whether they live
                self._written = self._stamp(), claimed
        finally:
            self._guard.release()

    def _stamp(self) -> tuple[int, ...] | None:
        """Another one wherever somebody else has written the list: what DVC adds makes it longer."""
        try:
            stat = os.stat(self._path)
        except OSError:
            return None
        return stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def _overlap(path: str, others: list[str]) -> bool:
    return any(path == o or path.startswith(o + os.sep) or o.startswith(path + os.sep) for o in others)


def _lives(pid: int, written: float) -> bool:
    """Whether a process has the number of the one that made a claim: neither dead nor a zombie, nor started later.

    Args:
        written: when the claim was there already; seconds since the epoch.
    """
    import psutil  # DVC's own

    try:
        process = psutil.Process(pid)
        is_gone = process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
        return not is_gone and process.create_time() < written + _CLOCK
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:  # somebody else's, who does not let us look
        return True


def _is_there(claim: dict[str, Any]) -> bool:
    """Whether the process with a claim's number may be the one that made it, by what it calls itself."""
    import psutil

    try:
        return claim["pid"] == os.getpid() or _is_of(claim["cmd"], psutil.Process(claim["pid"]).cmdline())
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:
        return True


def _is_of(command: str, words: list[str]) -> bool:
    """Whether a process may be the one that calls itself by a command, in which the interpreter's options are not."""
    said, now = command.split(), " ".join(words).split()
    if not said or not now:
        return True
    if len(said) > 1 and not os.path.exists(command):
        return said[-1] == now[-1]
    path = Path(command)  # a script, or a module that was run with -m
    return any(name in " ".join(now) for name in (path.stem, path.parent.name))
