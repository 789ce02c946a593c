"""Elsewhere than on Linux: what takes the place of procfs, prctl and syncfs is forced here."""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from chain import OUTPUTS, Chain, descendants, eventually, kill_at_once
from warm import COLD

from motools.base import lock_holders
from motools.observe.paths import below, path_of_open
from motools.repo.dvc_config import dvc_config_files
from motools.repo.project import Project

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="takes away what only Linux has")
SPARED = """
    import ctypes, signal
    if name == "dataset":
        ctypes.CDLL(None).prctl(1, 0)  # PR_SET_PDEATHSIG: nobody's end is ours
        signal.signal(signal.SIGUSR1, lambda *_: None)
        LOG.with_name("spared").write_text(str(os.getpid()))
        signal.pause()
"""


@pytest.fixture
def chain(project: Path) -> Chain:
    return Chain.lay(project)


@pytest.mark.cold
@on_linux
def test_a_step_that_outlives_the_run_that_was_killed_is_waited_for_and_its_result_taken(chain: Chain) -> None:
    chain.edit("chain.py", "    time.sleep(config.pause)\n", SPARED)
    with chain.path(".gitignore").open("a") as file:
        file.write("spared\n")
    process = chain.start()
    step = int(eventually(lambda: chain.path("spared").exists() and chain.path("spared").read_text()))
    kill_at_once({process.pid, *descendants(process.pid)} - {step})
    process.wait()
    again = chain.start("--json")
    with pytest.raises(subprocess.TimeoutExpired):
        again.wait(1)
    os.kill(step, signal.SIGUSR1)
    _, said = again.communicate(timeout=300)
    assert again.returncode == 0, said
    assert chain.executed() == OUTPUTS
    assert chain.dvc_status() == {}


@pytest.fixture
def nobody_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """No /proc."""
    listed = os.listdir

    def without_proc(path: Any = ".") -> list[str]:
        if str(path).startswith("/proc"):
            raise FileNotFoundError(path)
        return listed(path)

    monkeypatch.setattr(os, "listdir", without_proc)


def test_where_nobody_can_be_seen_a_lock_that_is_held_is_waited_for(
    tmp_path: Path, nobody_seen: None, capfd: pytest.CaptureFixture[str]
) -> None:
    path, said = tmp_path / "lock", []
    code = "import fcntl, sys; f = open(sys.argv[1], 'a'); fcntl.flock(f, 2); print(flush=True); sys.stdin.read()"
    holder = subprocess.Popen([COLD, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    holder.stdout.readline()
    assert lock_holders.left_behind(path) == []
    with path.open("a") as file:
        assert not lock_holders.try_to(file.fileno())
        lock_holders.take(file.fileno(), path, lambda who: (said.append(who), holder.communicate()))
        assert not lock_holders.try_to(os.open(path, os.O_RDONLY))
    assert said == ["another process"]


def test_a_run_goes_its_way_where_nobody_can_be_seen(chain: Chain, nobody_seen: None) -> None:
    assert chain.run().statuses == ["finished"] * 3
    chain.set("train", seed=1)
    assert chain.run().statuses == ["current", "finished", "finished"]
    assert chain.leftovers() == []


@on_linux
def test_an_open_folder_is_found_as_macos_tells_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def told(fd: int, command: int, buffer: bytes) -> bytes:
        assert (command, len(buffer)) == (50, 1024)  # MAXPATHLEN
        return os.readlink(f"/proc/self/fd/{fd}").encode().ljust(1024, b"\0")

    handle = os.open(tmp_path, os.O_RDONLY)
    try:
        assert path_of_open(handle) == str(tmp_path)
        with monkeypatch.context() as macos:
            macos.setattr(fcntl, "F_GETPATH", 50, raising=False)
            macos.setattr(fcntl, "fcntl", told)
            macos.setattr(sys, "platform", "darwin")
            assert path_of_open(handle) == str(tmp_path)
            assert below("a", handle) == f"{tmp_path}/a"
    finally:
        os.close(handle)


def test_where_one_file_system_cannot_be_synced_all_are(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    store = Project(project).store
    store.cache.mkdir(parents=True, exist_ok=True)
    with monkeypatch.context() as macos:
        macos.setattr(os, "sync", lambda: synced.append("all"))
        if sys.platform == "linux":
            store.sync()
            assert synced == []
            macos.setattr(ctypes, "CDLL", None)  # it is not even looked for
            macos.setattr(sys, "platform", "darwin")
        store.sync()
    assert synced == ["all"]


def test_the_configuration_of_dvc_is_read_from_where_macos_has_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("DVC_SYSTEM_CONFIG_DIR", "DVC_GLOBAL_CONFIG_DIR"):
        monkeypatch.delenv(name)
    import platformdirs

    with monkeypatch.context() as macos:
        macos.setattr(sys, "platform", "darwin")
        system, user, *_ = dvc_config_files(tmp_path)
    assert system == Path(platformdirs.site_config_dir("dvc", "iterative"), "config")
    assert user == Path(platformdirs.user_config_dir("dvc", "iterative"), "config")
