"""The machine's GPUs: each is held by one training or evaluation at a time, whoever's it is and in whatever project."""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from glob import glob
from pathlib import Path

from motools.base.lock_holders import try_to

__all__ = ["gpus", "held_gpu"]

_FOLDER = Path("/tmp")  # not TMPDIR: all users of the machine must mean the same file
_SIGNS = ("/proc/driver/nvidia/gpus/*", "/dev/nvidia[0-9]*", "/usr/lib/wsl/lib/libcuda.so.1")
"""What there is one of for each GPU of NVIDIA's, the first that there is: a container may have the devices alone, and
Linux within Windows, which counts as one GPU, has neither."""
_VISIBLE = "CUDA_VISIBLE_DEVICES"


def gpus() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them; asks no library."""
    if (given := os.environ.get(_VISIBLE)) is not None:
        return [name for name in (word.strip() for word in given.split(",")) if name and name != "-1"]
    signs = next(filter(None, map(glob, _SIGNS)), [])
    return [str(number) for number, _ in enumerate(signs)]


@contextmanager
def held_gpu() -> Iterator[str | None]:
    """Hold one GPU, and let this process see no other; None where there is none, or one is held already.

    Waits, and says so, while all are held. The kernel lets go of it when the process ends, however it ends.
    """
    here = gpus()
    if not here or _held:
        yield None
        return
    number, told = 0, False
    while True:
        name = here[number % len(here)]
        handle = _opened(_FOLDER / ("motools-gpu-" + re.sub(r"[^\w.-]", "-", name) + ".lock"))
        if try_to(handle):
            break
        os.close(handle)
        number += 1
        if number % len(here) == 0:
            if not told:
                print(f"waiting for a GPU: {', '.join(here)} is at other work", flush=True)
            told = True
            time.sleep(0.2)
    before = os.environ.get(_VISIBLE)
    os.environ[_VISIBLE] = name
    _held.append(name)
    try:
        yield name
    finally:
        _held.remove(name)
        os.environ.pop(_VISIBLE)
        if before is not None:
            os.environ[_VISIBLE] = before
        fcntl.flock(handle, fcntl.LOCK_UN)  # a child that is left behind shares it
        os.close(handle)


_held: list[str] = []


def _opened(path: Path) -> int:
    """A file that anyone may lock; where another user has made it, asking to make it would be refused."""
    try:
        return os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return os.open(path, os.O_RDONLY | os.O_CREAT, 0o644)
