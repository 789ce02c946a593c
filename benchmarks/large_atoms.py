"""A model of a large file through run, push, clone and pull: what a clone takes on the disk, how long hashing takes."""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

from measure import Figure, in_turns, main, parser, seconds
from projects import make_large, run

MB = 1e6


def measure(folder: Path, arguments: Namespace) -> Iterator[Figure]:
    size = int((arguments.size or (0.05 if arguments.small else 2)) * 1e9)
    project = make_large(folder / "project", size)
    motools = (sys.executable, "-m", "motools")
    run(project, "dvc", "remote", "add", "-q", "-d", "store", str(folder / "remote"))
    took = seconds(project, *motools, "run")
    run(project, "git", "add", "-A")
    run(project, "git", "-c", "user.name=b", "-c", "user.email=b@example.org", "commit", "-q", "-m", "run")
    seconds(project, *motools, "push")
    run(folder, "git", "clone", "-q", str(project), "clone")
    pulled = seconds(folder / "clone", *motools, "pull")
    seconds(folder / "clone", *motools, "run")
    for name in ("project", "clone"):
        yield Figure(f"{name}, on the disk", on_disk(folder / name) / MB, "the file", size / MB, 1.1, 1, "MB")
    file = project / "atoms" / "model" / "data" / "adapter.safetensors"
    n = arguments.repeats or 3
    medians = in_turns(n, ours=lambda: _hashing(file), md5sum=lambda: seconds(folder, "md5sum", str(file)))
    yield Figure("hashing", medians["ours"], "md5sum", medians["md5sum"], 1.3, n)
    yield Figure("run", took, "md5sum", medians["md5sum"], None, 1)
    yield Figure("pull", pulled, "md5sum", medians["md5sum"], None, 1)


def on_disk(folder: Path) -> int:
    """Bytes on the disk below a folder, each file once however many names it has."""
    stats = (path.lstat() for path in folder.rglob("*") if path.is_file())
    return sum({(stat.st_dev, stat.st_ino): stat.st_blocks * 512 for stat in stats}.values())


def _hashing(file: Path) -> float:
    from motools.repo.hashing import hash_file

    began = time.perf_counter()
    hash_file(file)
    return time.perf_counter() - began


if __name__ == "__main__":
    about = parser(__doc__)
    about.add_argument("--size", type=float, help="of the file, in GB (default: 2; small: 0.05)")
    main(about, measure)
