"""Large outputs and many files: run, peak on the disk, restore and the run right after, against DVC and `pivot`.

The peers write the same bytes. `--pivot` names the command of `pivot` 0.5.11, which needs a Python of its own (3.13).
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
from argparse import Namespace
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

from large_atoms import on_disk
from measure import Figure, main, parser, seconds
from projects import make_dvc_file, make_files, make_large, make_pivot, run, write_files

MB = 1e6


class Taken(NamedTuple):
    """What a tool took for one project: seconds to run, bytes on the disk at most and afterwards, seconds to restore
    what was removed, and to find right after it that nothing has changed."""

    run: float
    peak: float
    kept: float
    restore: float
    nothing: float


def measure(folder: Path, arguments: Namespace) -> Iterator[Figure]:
    n = arguments.repeats or (1 if arguments.small else 3)
    gigabyte = 0.02 if arguments.small else 1.0
    size = arguments.size or 2 * gigabyte
    yield from large(folder / "large", int(size * 1e9), n)
    if arguments.pivot:
        yield from beside_pivot(folder / "pivot", int(gigabyte * 1e9), arguments.pivot, n)
    count = arguments.files if arguments.files is not None else (200 if arguments.small else 100_000)
    if count:
        yield from many(folder / "many", count, n)


def large(folder: Path, size: int, n: int) -> Iterator[Figure]:
    """A step that writes one large file, as ours and as a stage of a dvc.yaml."""
    ours, dvc = in_turns(
        n,
        lambda: ours_of(make_large(folder / "ours", size), "atoms"),
        lambda: taken(make_dvc_file(folder / "dvc", size), "model", ("dvc", "repro", "-q"), ("dvc", "checkout", "-q")),
    )
    what = f"a file of {size / MB:,.0f} MB"
    yield Figure(f"{what}, run", ours.run, "dvc repro", dvc.run, 1.1, n)
    yield Figure(f"{what}, most on the disk", ours.peak / MB, "dvc repro", dvc.peak / MB, 1.05, n, "MB")
    yield Figure(f"{what}, kept on the disk", ours.kept / MB, "dvc repro", dvc.kept / MB, 1.05, n, "MB")
    yield Figure(f"{what}, restored", ours.restore, "dvc checkout", dvc.restore, 1.1, n)
    yield Figure(f"{what}, nothing changed, right after it", ours.nothing, "dvc repro", dvc.nothing, 0.5, n)


def beside_pivot(folder: Path, size: int, command: str, n: int) -> Iterator[Figure]:
    ours, pivot = in_turns(
        n,
        lambda: ours_of(make_large(folder / "ours", size), "atoms"),
        lambda: taken(make_pivot(folder / "pivot", size, command), "data", (command, "repro"), (command, "checkout")),
    )
    what = f"a file of {size / MB:,.0f} MB"
    yield Figure(f"{what}, run", ours.run, "pivot", pivot.run, 1.0, n)
    yield Figure(f"{what}, most on the disk", ours.peak / MB, "pivot", pivot.peak / MB, 1.0, n, "MB")
    yield Figure(f"{what}, kept on the disk", ours.kept / MB, "pivot", pivot.kept / MB, 1.01, n, "MB")
    yield Figure(f"{what}, restored", ours.restore, "pivot", pivot.restore, 1.0, n)
    yield Figure(f"{what}, nothing changed, right after it", ours.nothing, "pivot", pivot.nothing, 1.0, n)


def many(folder: Path, count: int, n: int) -> Iterator[Figure]:
    """A step that writes many small files; beside it, the same loop and `dvc add` of what it wrote."""

    def added() -> Taken:
        project = folder / "dvc"
        project.mkdir(parents=True)
        run(project, "git", "init", "-q")
        run(project, "dvc", "init", "-q")
        write_files(project / "write.py", count)
        written = seconds(project, sys.executable, "write.py")
        rest = taken(project, "model", ("dvc", "add", "-q", "model"), ("dvc", "checkout", "-q"), watch=False)
        return rest._replace(run=rest.run + written)

    ours, dvc = in_turns(n, lambda: ours_of(make_files(folder / "ours", count), "atoms", watch=False), added)
    what = f"{count:,} files"
    yield Figure(f"{what}, run", ours.run, "dvc add, after writing them", dvc.run, 1.0, n)
    yield Figure(f"{what}, restored", ours.restore, "dvc checkout", dvc.restore, 1.1, n)
    yield Figure(f"{what}, nothing changed, right after it", ours.nothing, "dvc add again", dvc.nothing, None, n)


def ours_of(project: Path, out: str, watch: bool = True) -> Taken:
    return taken(project, out, ("motools", "run", "-q"), ("motools", "run", "-q"), watch)


def taken(project: Path, out: str, command: tuple[str, ...], restore: tuple[str, ...], watch: bool = True) -> Taken:
    """Run, look how nothing changes, remove what was made and bring it back; the project is gone then."""
    os.sync()  # what others have written does not count for this one
    with Peak(project if watch else None) as peak:
        took = seconds(project, *command)
    nothing = seconds(project, *command)
    kept = on_disk(project)
    for path in (project / out).iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    again = seconds(project, *restore)
    assert any(path.is_file() for path in (project / out).rglob("*")), f"{restore} restored nothing"
    shutil.rmtree(project)
    return Taken(took, peak.bytes, kept, again, nothing)


class Peak:
    """The most that lay below a folder meanwhile, looked at every 20 ms, each file once."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.bytes = 0

    def _watch(self) -> None:
        while self._folder and not self._ended.wait(0.02):
            self.bytes = max(self.bytes, _on_disk_now(self._folder))

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


def _on_disk_now(folder: Path) -> int:
    """What lies below a folder while others write there."""
    by_inode = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                stat = os.lstat(os.path.join(parent, name))
            except FileNotFoundError:
                continue
            by_inode[stat.st_ino] = stat.st_blocks * 512
    return sum(by_inode.values())


def in_turns(n: int, *tools: Callable[[], Taken]) -> list[Taken]:
    """The medians of each tool; the tools take turns."""
    rounds = [[tool() for tool in tools] for _ in range(n)]
    return [Taken(*(median(values) for values in zip(*of_tool, strict=True))) for of_tool in zip(*rounds, strict=True)]


if __name__ == "__main__":
    about = parser(__doc__)
    about.add_argument("--size", type=float, help="of the file beside DVC, in GB (default: 2; small: 0.04)")
    about.add_argument("--files", type=int, help="how many small files (default: 100000; small: 200)")
    about.add_argument("--pivot", metavar="COMMAND", help="the command of pivot 0.5.11")
    main(about, measure)
