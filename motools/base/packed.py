"""What packed files hold, as it would be read: members of archives, what gzip and its like have packed, columns."""

from __future__ import annotations

import bz2
import gzip
import lzma
import sys
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, TypeVar

from motools.base.foreign_text import visible

__all__ = ["first_inside"]

_T = TypeVar("_T")
_MOST = 1 << 34
"""Bytes of unpacked columns of one file that are looked at: about half a minute's work."""
_AT_ONCE = 1 << 23
"""Bytes of columns that are in memory at once, by their mean; rows that say the same are packed to less."""
_ROWS = 1024  # at once at most


def first_inside(path: Path, look: Callable[[IO[bytes]], _T | None]) -> _T | None:
    """What is first found by looking into a file's members, or at what it unpacks to; None where it packs nothing.

    What cannot be unpacked (it is encrypted, cut short, packed in an unknown way) is told on standard error.
    """
    with path.open("rb") as file:
        start = file.read(6)
        is_archive = zipfile.is_zipfile(file)
    unpack = next((unpack for mark, unpack in _KINDS.items() if start.startswith(mark)), None)
    first = None
    with _telling(path.name):
        if unpack is not None:
            with unpack(path) as inside:
                first = look(inside)
    return _in_archive(path, look) if first is None and is_archive else first


class _telling:
    """Says on standard error why a part was not searched, and goes on."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        if isinstance(error, _NOT_UNPACKED):
            print(visible(f"{self._what!r:.200} was not searched for keys inside: {error}"), file=sys.stderr)
            return True
        return False


def _in_archive(path: Path, look: Callable[[IO[bytes]], _T | None]) -> _T | None:
    with suppress(ImportError):  # Inspect packs its logs with Zstandard, and brings what lets zipfile read it
        import zipfile_zstd  # noqa: F401
    with _telling(path.name), zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            with _telling(f"{path.name}: {member.filename}"), archive.open(member) as inside:
                if (first := look(inside)) is not None:
                    return first
    return None


def _zstandard(path: Path) -> Any:
    import zstandard

    return zstandard.open(path, "rb")


class _Columns:
    """A table's columns, a batch of rows at a time, as bytes in which each text stands as it is."""

    def __init__(self, batches: Callable[[Path], Iterator[Any]], path: Path) -> None:
        self._blocks = self._written(batches(path))

    def __enter__(self) -> _Columns:
        return self

    def __exit__(self, *exc: object) -> None:
        self._blocks.close()

    def read(self, size: int = -1) -> bytes:
        """The next part, of whatever size; nothing at the end."""
        return next(self._blocks, b"")

    def _written(self, batches: Iterator[Any]) -> Generator[bytes, None, None]:
        import pyarrow

        left = _MOST
        for batch in batches:
            if left <= 0:
                raise ValueError(f"beyond the first {_MOST >> 30} GiB")
            sink = pyarrow.BufferOutputStream()
            with pyarrow.ipc.new_stream(sink, batch.schema) as writer:  # nested columns and dictionaries too
                writer.write_batch(batch)
            block = sink.getvalue().to_pybytes()
            left -= len(block)
            yield block


def _rows_of_parquet(path: Path) -> Iterator[Any]:
    from pyarrow import parquet

    with parquet.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False) as file:
        groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
        mean = sum(each.total_byte_size for each in groups) // max(file.metadata.num_rows, 1)
        rows = max(1, min(_AT_ONCE // max(mean, 1), _ROWS))
        yield from file.iter_batches(batch_size=rows, use_threads=False)


def _rows_of_arrow(path: Path) -> Iterator[Any]:
    import pyarrow

    with pyarrow.ipc.open_file(pyarrow.memory_map(str(path))) as file:
        for number in range(file.num_record_batches):
            batch = file.get_batch(number)
            for start in range(0, batch.num_rows, _ROWS):
                yield batch.slice(start, _ROWS)


_KINDS: Mapping[bytes, Callable[[Path], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ": lzma.open,
    b"\x28\xb5\x2f\xfd": _zstandard,
    b"PAR1": lambda path: _Columns(_rows_of_parquet, path),
    b"ARROW1": lambda path: _Columns(_rows_of_arrow, path),
}
"""What files begin with -> how they are read."""
_NOT_UNPACKED = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    RuntimeError,
    ValueError,
    TypeError,
    OSError,
    LookupError,
    ImportError,
    MemoryError,
)
"""What reading a member that is encrypted, damaged or packed in an unknown way raises, or in one that nothing which is
installed can read."""
