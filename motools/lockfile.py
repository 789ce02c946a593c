"""dvc.lock: read once, written in batches and at once, in DVC's own format; and the locks that guard it.

DVC parses and writes the whole file for every stage, in place. Here the text of each stage is kept, so
that writing costs little more than the stages that changed, and a reader sees the old file or the new one.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from motools import pipeline, yaml12
from motools.errors import ConfigError
from motools.files import replace_file
from motools.store import hash_file

_MENDED = "`git checkout` it, or delete it: what has run is in the cache, and `motools run` finds it there."


class LockFile:
    """The dvc.lock of one folder. `flush` only with DVC's lock held."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / pipeline.LOCK
        self._stamp: tuple[int, int, int] | None = (0, 0, 0)
        self._rest: dict[str, Any] = {}
        self._stages: dict[str, Any] = {}
        self._texts: dict[str, str] = {}
        self._new: dict[str, Any] = {}

    def entry(self, stage: str) -> Mapping[str, Any]:
        """What is locked for a stage, empty where nothing is; another process's writes are seen."""
        self._read()
        entry = self._new.get(stage) or self._stages.get(stage)
        return entry if isinstance(entry, dict) else {}

    def put(self, stage: str, entry: dict[str, Any]) -> None:
        """Enter a stage; written by the next `flush`."""
        self._new[stage] = entry

    def verified(self) -> str | None:
        """The MD5 of the file, if it is still what was read or written here."""
        if not self.path.exists():
            return None
        md5 = hash_file(self.path)
        return md5 if self._now() == self._stamp else None

    @property
    def pending(self) -> bool:
        return bool(self._new)

    def flush(self) -> None:
        """Write what was put, over what any other process wrote meanwhile."""
        self._read()
        changed = {stage: entry for stage, entry in self._new.items() if self._stages.get(stage) != entry}
        retyped = {s for s, e in self._new.items() if s not in changed and _text(self._stages[s]) != _text(e)}
        for stage in [*changed, *retyped]:
            self._stages[stage] = self._new[stage]
            self._texts[stage] = _lines(stage, self._new[stage])
        self._new.clear()
        if not changed and not retyped:
            return
        if list(self._texts) != list(self._stages):  # another process has written
            self._texts = {s: self._texts.get(s) or _lines(s, entry) for s, entry in self._stages.items()}
        rest = yaml12.dumps_lock(self._rest)
        replace_file(self.path, f"{rest}stages:\n{''.join(self._texts.values())}")
        self._stamp = self._now()

    def _now(self) -> tuple[int, int, int] | None:
        try:
            stat = os.stat(self.path)
        except FileNotFoundError:
            return None
        return stat.st_mtime_ns, stat.st_size, stat.st_ino

    def _read(self) -> None:
        stamp = self._now()
        if stamp == self._stamp:
            return
        try:
            content = yaml12.load(self.path) or {"schema": "2.0", "stages": {}}
        except yaml12.Conflicted as error:
            raise ConfigError(f"{error} Either side will do: `motools run` finds in the cache what has run.") from None
        except ConfigError as error:
            raise ConfigError(f"{error} {_MENDED}") from None
        if not isinstance(content, dict) or content.get("schema") != "2.0":
            raise ConfigError(f"{self.path} is not a lock file of DVC 2 or 3. {_MENDED}")
        stages = content.pop("stages", None) or {}
        if not isinstance(stages, dict):
            raise ConfigError(f"{self.path} is damaged: its stages are no mapping. {_MENDED}")
        for stage, entry in stages.items():
            if not _is_entry(entry):
                raise ConfigError(f"{self.path} is damaged at the stage {stage}. {_MENDED}")
        kept = {s: t for s, t in self._texts.items() if s in stages and stages[s] == self._stages.get(s)}
        self._rest, self._stages, self._texts, self._stamp = content, stages, kept, stamp


def _lines(stage: str, entry: Any) -> str:
    """A stage's part of the file."""
    return yaml12.dumps_lock({"stages": {stage: entry}}).partition("\n")[2]


def _is_entry(entry: Any) -> bool:
    """Whether it is of the form that DVC gives a stage's entry."""
    if not isinstance(entry, dict) or not isinstance(params := entry.get("params", {}), dict):
        return False
    listings = [entry.get("deps", []), entry.get("outs", [])]
    return (
        all(isinstance(values, dict) for values in params.values())
        and all(isinstance(listing, list) for listing in listings)
        and all(_is_file(file) for listing in listings for file in listing)
    )


def _is_file(file: Any) -> bool:
    if not isinstance(file, dict) or not isinstance(file.get("path"), str):
        return False
    if "md5" not in file:  # of a person's own stage, on a storage that has hashes of its own
        return True
    return isinstance(file["md5"], str) and isinstance(file.get("size"), int) and file.get("hash", "md5") == "md5"


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


class DvcLock:
    """DVC's own lock on a project, so that a `dvc` command and a run never write at once.

    It is taken only while DVC's files are read and written, never while steps run.
    """

    def __init__(self, root: Path, hardlink: bool, say: Callable[[str], None]) -> None:
        self._path = root / ".dvc" / "tmp" / "lock"
        self._hardlink = hardlink
        self._say = say
        self._held: Any = None
        self._of_dvc: Any = None

    def through(self, lock: Any) -> None:
        """Take it through DVC's own lock object, which DVC's functions look at."""
        self._of_dvc = lock

    def __enter__(self) -> None:
        self.take()

    def __exit__(self, *exc: object) -> None:
        self.release()

    def take(self) -> None:
        """Wait for it as long as another DVC command holds it, and say so once."""
        told = False
        while not self._try():
            if not told:
                self._say("waiting for another DVC command to end")
                told = True
            time.sleep(0.1)

    def if_free(self, act: Callable[[], None]) -> None:
        """Act while holding it, unless another command holds it."""
        if self._try():
            try:
                act()
            finally:
                self.release()

    def release(self) -> None:
        if self._held is not None:
            self._held()
            self._held = None

    def _try(self) -> bool:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if self._hardlink or self._of_dvc:
            from dvc.lock import LockError, make_lock

            lock = self._of_dvc or make_lock(str(self._path), tmp_dir=str(self._path.parent), hardlink_lock=True)
            try:
                lock.lock()
            except LockError:
                return False
            self._held = lock.unlock
            return True
        import zc.lockfile  # what DVC itself uses

        try:
            self._held = zc.lockfile.LockFile(str(self._path)).close
        except zc.lockfile.LockError:
            return False
        return True


class Claims:
    """DVC's list of which process reads and writes which paths, `.dvc/tmp/rwlock`.

    While a step runs, its outputs are claimed, so that `dvc repro` or `dvc checkout` elsewhere keeps off them.
    """

    def __init__(self, root: Path) -> None:
        self._path = root / ".dvc" / "tmp" / "rwlock"
        self._me = {"pid": os.getpid(), "cmd": " ".join(sys.argv)}  # as DVC itself names us

    def repair(self) -> None:
        """Forget claims of processes that are gone, and a list that a killed DVC command left unreadable."""
        if self._path.exists():
            self._edit(lambda content: None)

    def busy(self, read: list[str], write: list[str]) -> str | None:
        """Who else is at work on these paths, in words, or None."""
        content = self._load()
        for path, claim in content["write"].items():
            if claim != self._me and _overlap(path, [*read, *write]):
                return f"process {claim['pid']} ({claim['cmd']})"
        for path, claims in content["read"].items():
            for claim in claims:
                if claim != self._me and _overlap(path, write):
                    return f"process {claim['pid']} ({claim['cmd']})"
        return None

    @contextlib.contextmanager
    def held(self, read: list[str], write: list[str]) -> Iterator[None]:
        """Claim paths for the time that a step runs."""

        def claim(content: dict[str, Any]) -> None:
            for path in read:
                content["read"].setdefault(path, []).append(self._me)
            for path in write:
                content["write"][path] = self._me

        def give_up(content: dict[str, Any]) -> None:
            for path in read:
                claims = content["read"].get(path, [])
                if self._me in claims:
                    claims.remove(self._me)
                if not claims:
                    content["read"].pop(path, None)
            for path in write:
                content["write"].pop(path, None)

        self._edit(claim)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):  # a full disk: they end with this process
                self._edit(give_up)

    def _load(self) -> dict[str, Any]:
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
            read, write = content.get("read", {}), content.get("write", {})
            read = {p: [c for c in claims if _alive(c["pid"])] for p, claims in read.items()}
            write = {p: c for p, c in write.items() if _alive(c["pid"])}
        except (FileNotFoundError, ValueError, AttributeError, KeyError, TypeError):
            return {"read": {}, "write": {}}
        return {"read": {p: claims for p, claims in read.items() if claims}, "write": write}

    def _edit(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Change the list under its own lock, and replace the file at once (DVC writes it in place)."""
        import zc.lockfile

        self._path.parent.mkdir(parents=True, exist_ok=True)  # a fresh clone has no .dvc/tmp
        guard = None
        for _ in range(300):
            try:
                guard = zc.lockfile.LockFile(f"{self._path}.lock")
                break
            except zc.lockfile.LockError:
                time.sleep(0.01)
        try:
            content = self._load()
            change(content)
            replace_file(self._path, json.dumps({k: v for k, v in content.items() if v}))
        finally:
            if guard is not None:
                guard.close()


def _overlap(path: str, others: list[str]) -> bool:
    return any(path == o or path.startswith(o + os.sep) or o.startswith(path + os.sep) for o in others)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
