"""Names that one process holds at a time, on whatever file system they lie."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from pathlib import Path

import pytest

from motools.base.locks import file_lock, is_at, open_lock


@pytest.fixture
def on_nfs(monkeypatch: pytest.MonkeyPatch) -> None:
    """NFS locks exclusively only what is open for writing: see flock(2)."""
    flock = fcntl.flock

    def of_nfs(fd: int, how: int) -> None:
        if how & fcntl.LOCK_EX and fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        flock(fd, how)

    monkeypatch.setattr(fcntl, "flock", of_nfs)


def test_a_name_is_held_on_nfs(tmp_path: Path, on_nfs: None) -> None:
    path = tmp_path / "locks" / "name"
    with file_lock(path):
        other = open_lock(path)
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(other)
    assert not path.exists()


def test_all_who_share_a_folder_may_lock_what_is_in_it_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        with file_lock(tmp_path / "name"):
            assert stat.S_IMODE((tmp_path / "name").stat().st_mode) == 0o666
    finally:
        os.umask(before)


def test_a_lock_whose_name_is_gone_or_another_ones_is_not_held(tmp_path: Path) -> None:
    path = tmp_path / "name"
    handle = open_lock(path)
    assert is_at(path, handle)
    path.unlink()
    assert not is_at(path, handle)
    path.touch()
    assert not is_at(path, handle)
    os.close(handle)
