"""The object store: DVC's cache folder read and written directly, so that an atom is opened without DVC.

    CACHE/files/md5/ab/cdef…        the bytes of a file, mode 0444, named by their MD5
    CACHE/files/md5/ab/cdef….dir    a folder: a JSON list of {"md5", "relpath"}, named by the MD5 of that text

Objects are written to a temporary file and renamed, and re-hashed when they are taken out: an object
that is not what its name says is never handed on. A large one is hashed again if its stat tells that it
could be another (see `large_objects`).
"""

from __future__ import annotations

import ctypes
import hashlib
import io
import os
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, nullcontext, suppress
from itertools import accumulate, chain
from pathlib import Path

from motools.base.clock import moment
from motools.base.files import make_folder, scratch
from motools.base.foreign_text import read_json
from motools.errors import DamagedError
from motools.repo.hashing import Hashed, Out, block_of, hash_file, hash_folder, hash_with_stat
from motools.repo.large_objects import LARGE, PROTECTED, LargeObjects
from motools.repo.taken_out import as_taken_out, modes_of_new, stand

__all__ = ["Cache"]


def _stamp(about: os.stat_result) -> tuple[int, int, int]:
    """What changes when a file is written, and not when it gets another name."""
    return about.st_mtime_ns, about.st_size, about.st_ino


def _protect(path: str) -> None:
    with suppress(OSError):  # another user's: it is looked into again, that is all
        if stat.S_IMODE(os.stat(path).st_mode) != PROTECTED:  # else its ctime, and that of its other names, stays
            os.chmod(path, PROTECTED)


_EMPTY = hashlib.md5(b"", usedforsecurity=False).hexdigest()


class Cache:
    """One cache folder.

    Args:
        shared: all of a group write to it (DVC's `cache.shared group`).
        large: large objects that need not be hashed again.
        links: a large file may be had under a second name, write-protected (DVC's `cache.type`); else it is copied.
    """

    def __init__(
        self, cache: Path, shared: bool = False, large: LargeObjects | None = None, links: bool = True
    ) -> None:
        self.cache = cache
        self.large = large
        self._shared = shared
        self._links = links
        self.scratch = cache / "tmp"  # for what is being written
        self._objects = cache / "files" / "md5"

    def path(self, oid: str) -> Path:
        return Path(self._place_of(oid))

    def _place_of(self, oid: str) -> str:
        return f"{self._objects}/{oid[:2]}/{oid[2:]}"

    def has(self, oid: str) -> bool:
        """Whether the object is here whole: for a folder, with every file it names."""
        try:
            names = [oid, *self.tree(oid).values()] if oid.endswith(".dir") else [oid]
        except (FileNotFoundError, DamagedError):
            return False
        return all(self._holds(name) for name in names)

    def _holds(self, oid: str) -> bool:
        """Whether one object is here; as DVC does it, one that could have been written to is looked into."""
        path = self._place_of(oid)
        try:
            status = os.stat(path)
            if status.st_size == 0 and oid != _EMPTY:  # what a power cut makes of a file that was just written
                return False
            if stat.S_IMODE(status.st_mode) == PROTECTED:
                return True
            sound = hash_file(path) == oid.removesuffix(".dir")
        except FileNotFoundError:
            return False
        if sound:
            _protect(path)
        return sound

    def read(self, oid: str) -> bytes:
        """The object's bytes.

        Raises:
            FileNotFoundError: it is not here.
            DamagedError: its bytes are not what its name says.
        """
        data = self.path(oid).read_bytes()
        if hashlib.md5(data, usedforsecurity=False).hexdigest() != oid.removesuffix(".dir"):
            raise self._damaged(oid)
        return data

    def tree(self, oid: str) -> dict[str, str]:
        """The MD5 of each file of a folder object by relative path, every path checked to stay inside."""
        try:
            listing = read_json(self.read(oid))
            tree = {str(entry["relpath"]): str(entry["md5"]) for entry in listing}
        except (ValueError, TypeError, KeyError):
            raise self._damaged(oid) from None
        for name, md5 in tree.items():
            parts = name.split("/")
            # A `.git` would be a repository, and tell whoever types `git status` in it what to execute.
            inside = {"", ".", "..", ".git"}.isdisjoint(map(str.lower, parts)) and "\0" not in name
            if not inside or len(md5) != 32 or not md5.isalnum():
                raise DamagedError(
                    f"The folder object {oid} names a file outside of itself, or a repository: {name!r}.",
                    self.path(oid),
                )
            above = accumulate(parts[:-1], "{}/{}".format)
            if any(parent in tree for parent in above):
                raise DamagedError(f"The folder object {oid} names {name!r}, and what would be its folder is a file.")
        return tree

    def describe(self, oid: str) -> Out:
        """The size and count of a folder object's files, as dvc.lock gives them."""
        sizes = [self.path(md5).stat().st_size for md5 in self.tree(oid).values()]
        return Out(oid, sum(sizes), len(sizes))

    def has_large(self, oid: str) -> bool:
        """Whether an object that is here is a large file, or names one."""
        files = self.tree(oid).values() if oid.endswith(".dir") else [oid]
        return any(os.stat(self._place_of(file)).st_size >= LARGE for file in files)

    def folders(self) -> Iterator[str]:
        """The ids of all folder objects that are here."""
        for bucket in sorted(self._objects.glob("[0-9a-f][0-9a-f]")):
            for name in sorted(os.listdir(bucket)):
                if name.endswith(".dir") and len(name) == 34:
                    yield bucket.name + name

    def add(self, path: Path, seen: dict[str, Hashed] | None = None, ours: bool = False) -> Out:
        """Take in a file or a folder; what is already here is not copied again.

        Args:
            seen: takes what was read, by relative path ("" for a file).
            ours: nobody will write to its files any more: large ones are the objects then, and nothing is copied.
        """
        return self.add_all([path], [{} if seen is None else seen], ours)[0]

    def add_all(self, paths: Sequence[Path], seen: Sequence[dict[str, Hashed]], ours: bool = False) -> list[Out]:
        """The same for several, in their order."""
        outs: list[Out] = []
        objects: list[Iterable[tuple[str, Path | str | bytes]]] = []
        for path, into in zip(paths, seen, strict=True):
            if path.is_dir():
                out, files, text = hash_folder(path)
                objects.append([(each.md5, os.path.join(path, name)) for name, each in files.items()])
                objects.append([(out.md5, text)])  # last, so that a folder object promises its files
            else:
                files = {"": hash_with_stat(path)}
                out = Out(files[""].md5, files[""].stat.st_size)
                objects.append([(out.md5, path)])
            into.update(files)
            outs.append(out)
        self._put(chain(*objects), ours)
        return outs

    def make(self, folder: Path) -> None:
        """Make a folder of the cache, with the mode that DVC gives it."""
        above = [path for path in (folder, *folder.parents) if path.is_relative_to(self.cache)] if self._shared else []
        missing = [path for path in above if not path.exists()]
        os.makedirs(folder, exist_ok=True)
        for path in missing:
            path.chmod(0o2775)

    def sync(self) -> None:
        """Wait until the disk has what was written; one such call takes little longer than that for a single file."""
        handle = os.open(self.cache, os.O_RDONLY)
        try:
            if sys.platform != "linux" or ctypes.CDLL(None).syncfs(handle):
                os.sync()
        finally:
            os.close(handle)

    def add_bytes(self, data: bytes) -> None:
        """Take in the content of a file."""
        self._put([(hashlib.md5(data, usedforsecurity=False).hexdigest(), data)])

    def add_object(self, oid: str, data: bytes) -> None:
        """Take in an object whose name is known; raises `DamagedError` where it is not what its name says."""
        self._put([(oid, data)])

    def _put(self, objects: Iterable[tuple[str, Path | str | bytes]], ours: bool = False) -> None:
        """Take in objects of known names, from files or as bytes, written in one place before they are moved."""
        with ExitStack() as stack:
            folder: Path | None = None
            for oid, source in objects:
                if self._sound(oid, source):
                    if ours:
                        self._link(oid, source)
                    continue
                if folder is None:
                    self.make(self.scratch)
                    folder = stack.enter_context(scratch(self.scratch))
                new = os.path.join(folder, "new")
                if not (ours and self._take(oid, source, new)):
                    self._write(oid, source, new)

    def take(self, oid: str, path: str) -> None:
        """Make a large file, of which it is known what it hashes to, an object that is not here yet, under a second
        name; else nothing."""
        if not os.path.exists(self._place_of(oid)) and os.stat(path).st_size >= LARGE:
            self.make(self.scratch)
            with scratch(self.scratch) as folder:
                self._take(oid, path, os.path.join(folder, "new"))

    def _take(self, oid: str, source: Path | str | bytes, new: str) -> bool:
        """Make a large file an object, under a second name; False where it is small, or that cannot be done."""
        if not self._links or isinstance(source, bytes) or os.stat(source).st_size < LARGE:
            return False
        target = Path(self._place_of(oid))
        self.make(target.parent)
        try:
            os.link(source, new)
            os.chmod(new, PROTECTED)
        except OSError:  # another file system, or one without links
            return False
        os.replace(new, target)
        return True

    def _link(self, oid: str, source: Path | str | bytes) -> None:
        """Let a large file of ours be the object that is here already: its bytes are the same."""
        if not self._links or isinstance(source, bytes) or os.stat(source).st_size < LARGE:
            return
        with suppress(OSError):
            os.link(self._place_of(oid), new := f"{os.fspath(source)}.motools-new")
            os.replace(new, source)

    def _write(self, oid: str, source: Path | str | bytes, new: str) -> None:
        target = self._place_of(oid)
        if not os.path.isdir(os.path.dirname(target)):
            self.make(Path(target).parent)
        digest = hashlib.md5(usedforsecurity=False)
        try:
            with (
                open(new, "wb", buffering=0) as file,
                io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb", buffering=0) as read,
            ):
                size = block_of(len(source) if isinstance(source, bytes) else os.fstat(read.fileno()).st_size)
                while block := read.read(size):
                    digest.update(block)
                    while block:
                        block = block[file.write(block) :]
                os.fchmod(file.fileno(), PROTECTED)
            if digest.hexdigest() != oid.removesuffix(".dir"):
                raise DamagedError(f"{target} could not be written as it should be: run again.")
            os.replace(new, target)
        except OSError as error:
            if error.filename is None:  # the disk is full: while writing what?
                error.filename = target
            raise

    def _sound(self, oid: str, source: Path | str | bytes) -> bool:
        """Whether the object is here and is what its name says; another one is written anew."""
        target = self._place_of(oid)
        try:
            size = os.stat(target).st_size
        except FileNotFoundError:
            return False
        wanted = len(source) if isinstance(source, bytes) else os.stat(source).st_size  # for speed
        if size != wanted:  # for speed
            return False
        return self._verified(oid.removesuffix(".dir"), target)

    def _verified(self, md5: str, path: str) -> bool:
        """Whether an object that is here is what its name says, which protects it."""
        if self.large is None or os.stat(path).st_size < LARGE:
            sound = hash_file(path) == md5
            if sound:
                _protect(path)
            return sound
        if self.large.md5(os.stat(path)) == md5:
            return True
        before, hashed = moment(self.scratch), hash_with_stat(path)
        if hashed.md5 != md5:
            return False
        _protect(path)
        now = os.stat(path)
        if before is not None and before.is_after_writing(hashed.stat) and _stamp(now) == _stamp(hashed.stat):
            self.large.learn(md5, now)
        return True

    def learn(self, md5: str, about: os.stat_result) -> None:
        """Hear what a file hashes to that was last written before it was read; see `LargeObjects.learn`."""
        if self.large is not None:
            self.large.learn(md5, about)

    def check_out(self, oid: str, target: Path) -> dict[str, Hashed]:
        """Put an object's content at `target`, replacing what is there: large files as second names, write-protected,
        all others as independent copies.

        Returns:
            The files, by absolute path, that any write from now on would show in the mtime of, with what they hold.

        Raises:
            FileNotFoundError: the object or one of its files is not here.
            DamagedError: an object is not what its name says; nothing at `target` has changed then.
        """
        with scratch(target.parent) as aside:
            new = aside / "new"
            if oid.endswith(".dir"):
                new.mkdir()
                files = {name: self._copy(md5, new / name) for name, md5 in self.tree(oid).items()}
            else:
                files = {"": self._copy(oid, new)}
            if stand(target, files):  # a job that outlived its run may be reading it
                return {}
            written = moment(aside)
            if target.exists() or target.is_symlink():
                target.rename(aside / "old")
            new.rename(target)
        if not oid.endswith(".dir"):  # its ctime is another one now
            files[""] = files[""]._replace(stat=os.stat(target))
        told = {os.path.join(target, name) if name else str(target): each for name, each in files.items()}
        return {path: each for path, each in told.items() if written and written.is_after_writing(each.stat)}

    def place(self, out: Out, source: Path, target: Path, modes: Mapping[str, int] | None = None) -> None:
        """Move what was just added to where it belongs, replacing what is there; it is then as if it was taken out.

        Args:
            modes: what `modes_of_new` says of the folder that the source lies in, where that is known.
        """
        make_folder(target.parent)
        with scratch(target.parent) if os.path.lexists(target) else nullcontext() as aside:
            as_taken_out(source, modes or modes_of_new(source.parent))
            if aside is not None:
                target.rename(aside / "old")
            try:
                source.rename(target)
            except OSError:  # another file system
                self.check_out(out.md5, target)

    def _copy(self, md5: str, target: Path) -> Hashed:
        target.parent.mkdir(parents=True, exist_ok=True)
        path = self._place_of(md5)
        if os.stat(path).st_size >= LARGE:
            if not self._verified(md5, path):
                raise self._damaged(md5)
            with suppress(OSError):
                if self._links:
                    os.link(path, target)
                    return Hashed(md5, os.stat(target))
        digest = hashlib.md5(usedforsecurity=False)
        with open(path, "rb", buffering=0) as source, open(target, "wb") as file:
            size = block_of(os.fstat(source.fileno()).st_size)  # for speed
            while block := source.read(size):  # a signal is heard between two of them
                digest.update(block)
                file.write(block)
            file.flush()
            about = os.fstat(file.fileno())
        if digest.hexdigest() != md5:
            raise self._damaged(md5)
        return Hashed(md5, about)

    def _damaged(self, oid: str) -> DamagedError:
        path = self.path(oid)
        return DamagedError(
            f"The cache object {path} is damaged: its content is not what its name says. "
            "Delete it; `dvc pull` or `motools run` brings it back.",
            path,
        )
