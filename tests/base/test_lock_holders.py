"""Locks that outlive the process that took them, since a forked child shares them: nobody waits for such a child."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from chain import OUTPUTS, Chain, descendants, eventually, kill_at_once, living

from motools.base.locks import file_lock

pytestmark = [
    pytest.mark.cold,
    pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc"),
]

FORK = """
    child = os.fork()
    if not child:
        os.setsid()
        time.sleep(600)
    LOG.with_name("child.pid").write_text(str(child))
    while LOG.with_name("slow").exists():
        time.sleep(0.05)
"""
HOLDS = """
import fcntl, os, sys, time
file = open(sys.argv[1], "a+")
fcntl.flock(file, fcntl.LOCK_EX)
if not os.fork():
    print(os.getpid(), flush=True)
time.sleep(600)
"""


@pytest.fixture
def chain(project: Path) -> Chain:
    return Chain.lay(project)


@pytest.fixture
def forked(chain: Chain) -> Iterator[int]:
    """A child that a step has forked, when all else was killed."""
    chain.edit("chain.py", "    time.sleep(config.pause)\n", FORK)
    with chain.path(".gitignore").open("a") as file:
        file.write("slow\nchild.pid\n")
    chain.path("slow").touch()
    process = chain.start()
    eventually(lambda: chain.path("child.pid").exists() and chain.path("child.pid").read_text())
    child = int(chain.path("child.pid").read_text())
    kill_at_once([process.pid, *[pid for pid in descendants(process.pid) if pid != child]])
    process.wait(300)
    assert living(child)
    chain.path("slow").unlink()
    chain.edit(
        "chain.py",
        "    child = os.fork()\n    if not child:\n        os.setsid()\n        time.sleep(600)\n",
        "    child = 0\n",
    )
    yield child
    with suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)


def test_what_a_killed_step_has_forked_is_ended_and_not_waited_for(chain: Chain, forked: int) -> None:
    chain.executed()
    done = subprocess.run(
        [sys.executable, "-m", "motools", "run"], cwd=chain.folder, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert not living(forked)
    assert chain.executed() == OUTPUTS
    assert chain.leftovers() == []


def test_the_same_under_dvc_repro(chain: Chain, forked: int) -> None:
    done = subprocess.run(["dvc", "repro"], cwd=chain.folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr + done.stdout
    assert not living(forked)


@pytest.mark.parametrize("option", ["", "--no-wait"])
def test_a_run_is_told_who_holds_the_lock_of_one_that_was_killed(chain: Chain, option: str) -> None:
    lock = chain.path(".motools/run.lock")
    lock.parent.mkdir(exist_ok=True)
    with subprocess.Popen([sys.executable, "-c", HOLDS, str(lock)], stdout=subprocess.PIPE, text=True) as taker:
        assert taker.stdout is not None
        child = int(taker.stdout.readline())
        try:
            taker.kill()
            taker.wait()
            words = [sys.executable, "-m", "motools", "run", *option.split()]
            done = subprocess.run(words, cwd=chain.folder, capture_output=True, text=True, timeout=300)
            assert done.returncode == 2
            said = " ".join(done.stderr.split())
            assert f"Error: Process {child} (" in said
            assert f"which process {taker.pid} left behind when it was killed, still holds" in said
            assert f"End it with `kill {child}`, and run again." in said
        finally:
            os.kill(child, signal.SIGKILL)
    assert chain.run().code == 0


def test_processes_that_an_executor_has_forked_do_not_keep_the_lock_of_a_run(chain: Chain, tmp_path: Path) -> None:
    code = """if True:
        import os, sys, time
        from pathlib import Path
        from motools.repo.project import Project
        from motools.engine.reporter import Silent
        from motools.engine.run_lock import one_run
        for _ in range(2):
            with one_run(Project.find(Path.cwd()), Silent()):
                if (child := os.fork()) == 0:
                    time.sleep(600)
                with open(sys.argv[1], "a") as file:
                    file.write(f"{child} ")
    """
    children = tmp_path / "children"
    try:
        done = subprocess.run([sys.executable, "-c", code, str(children)], cwd=chain.folder, timeout=300)
        assert done.returncode == 0
    finally:
        for word in children.read_text().split():
            os.kill(int(word), signal.SIGKILL)


def test_who_waits_for_a_name_does_not_wait_for_what_its_holder_has_left_behind(tmp_path: Path) -> None:
    name = tmp_path / "name"
    with file_lock(name):
        child = os.fork()
        if not child:
            time.sleep(600)
            os._exit(0)
        waiting = multiprocessing.get_context("spawn").Process(target=_hold, args=(name,))
        waiting.start()
        eventually(lambda: any(_names(file, name) for file in Path(f"/proc/{waiting.pid}/fd").iterdir()))
        time.sleep(0.2)
    try:
        waiting.join(300)
        assert waiting.exitcode == 0
    finally:
        waiting.kill()
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _names(file: Path, name: Path) -> bool:
    with suppress(OSError):
        return file.readlink() == name
    return False


def _hold(name: Path) -> None:
    with file_lock(name):
        pass
