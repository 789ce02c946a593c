"""Claims at a remote: one machine at a time, whatever becomes of the one that has it."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from chain import eventually

from motools.repo import claims


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(tmp_path / "store" / "claims" / "key")


def test_of_many_that_want_a_key_one_has_it_at_a_time(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from dvc.fs import localfs

    pause = random.uniform
    monkeypatch.setattr(claims.random, "uniform", lambda least, most: pause(0.001, 0.05))
    inside, most = [], []

    def work() -> None:
        with claims.claimed(localfs, folder):
            inside.append(1)
            most.append(len(inside))
            threading.Event().wait(0.01)
            inside.pop()

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    assert most == [1] * 5
    assert not list(Path(folder).glob("*"))


@pytest.mark.cold
def test_the_claim_of_a_process_of_this_machine_that_was_killed_does_not_count(folder: str) -> None:
    from dvc.fs import localfs

    script = (
        "import os, sys\nfrom dvc.fs import localfs\nfrom motools.repo.claims import claimed\n"
        "with claimed(localfs, sys.argv[1]):\n    os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script, folder], timeout=300)
    assert len(list(Path(folder).glob("*"))) == 1
    with claims.claimed(localfs, folder):
        assert len(list(Path(folder).glob("*"))) == 1
    assert not list(Path(folder).glob("*"))


def test_the_claim_of_another_machine_counts_until_it_is_no_longer_renewed(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dvc.fs import localfs

    other = Path(folder, "another-machine.1-1.x")
    other.parent.mkdir(parents=True)
    other.write_text("1")
    seen: dict[str, tuple[str, float]] = {}
    now = 1000.0
    monkeypatch.setattr(claims.time, "monotonic", lambda: now)
    assert not claims._is_gone(localfs, str(other), other.name, seen)
    now += claims._DEAD - 1
    assert not claims._is_gone(localfs, str(other), other.name, seen)
    other.write_text("2")
    now += 2
    assert not claims._is_gone(localfs, str(other), other.name, seen)
    now += claims._DEAD + 1
    assert claims._is_gone(localfs, str(other), other.name, seen)


def test_a_claim_is_renewed_while_it_is_held_and_no_longer(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from dvc.fs import localfs

    monkeypatch.setattr(claims, "_RENEW", 0.01)
    with claims.claimed(localfs, folder):
        (claim,) = Path(folder).iterdir()
        assert claim.name.startswith(f"{claims._process()}.")
        for least in (1, 2):
            eventually(lambda least=least: (text := claim.read_text()) and int(text) >= least)  # type: ignore[misc]
    assert not claim.exists()
    assert "_renew" not in str([thread.name for thread in threading.enumerate()])


def test_a_remote_that_cannot_be_reached_ends_no_claim(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from dvc.fs import localfs

    tried: list[int] = []

    def refused(fs: Any, path: str, count: int) -> None:
        tried.append(count)
        if count:
            raise OSError("no route")

    def gone(fs: Any, path: str) -> None:
        raise OSError("no route")

    monkeypatch.setattr(claims, "_RENEW", 0.01)
    monkeypatch.setattr(claims, "_write", refused)
    monkeypatch.setattr(claims, "_remove", gone)
    with claims.claimed(localfs, folder):
        eventually(lambda: len(tried) > 2)
    assert tried[:3] == [0, 1, 2]


def test_only_what_has_the_name_of_a_claim_is_one(folder: str) -> None:
    from dvc.fs import localfs

    assert claims._others(localfs, folder, "mine") == []
    Path(folder).mkdir(parents=True)
    for name in ("machine.1-1.x", "machine.2-2.y", ".machine.1-1.x", ".a.b", "a.b", "a", "a.b.c.d"):
        Path(folder, name).touch()
    assert sorted(claims._others(localfs, folder, "machine.2-2.y")) == ["machine.1-1.x"]


def test_a_claim_of_this_machine_counts_while_its_process_lives(folder: str) -> None:
    from dvc.fs import localfs

    machine, mine = claims._process().split(".")
    assert mine.startswith(f"{os.getpid()}-")
    assert machine.count("-") >= 5

    def is_gone(process: str) -> bool:
        return claims._is_gone(localfs, f"{folder}/x", f"{machine}.{process}.x", {})

    assert not is_gone(mine)
    assert is_gone(f"{os.getpid()}-1"), "another one had the number before"
    assert is_gone("4194304-1")
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as ended:
        started = claims._started(ended.pid)
        assert int(started.partition("-")[2]) > int(mine.partition("-")[2]), "it began later than this process"
        assert not is_gone(started)
        assert ended.stdin is not None
        ended.stdin.close()
        eventually(lambda: claims._started(ended.pid) != started)
        assert is_gone(started), "it has ended, though nobody has asked how"
    assert not claims._is_gone(localfs, f"{folder}/x", "other.1-1.x", {}), "who claimed has taken it back just now"


def test_where_a_machine_tells_nothing_of_itself_its_name_and_address_do(monkeypatch: pytest.MonkeyPatch) -> None:
    read = Path.read_text
    refused = "/proc/sys/kernel/random/boot_id"

    def told(path: Path, *how: Any, **more: Any) -> str:
        if str(path) == refused:
            raise FileNotFoundError(path)
        return read(path, *how, **more)

    monkeypatch.setattr(Path, "read_text", told)
    machine, process = claims._process().split(".")
    assert machine.endswith(os.uname().nodename.replace(".", "-"))
    assert process == claims._started(os.getpid())


def test_where_processes_cannot_be_looked_at_a_number_that_is_in_use_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    is_dir = Path.is_dir

    def refused(path: Path, *how: Any, **more: Any) -> str:
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "read_text", refused)
    monkeypatch.setattr(Path, "is_dir", lambda path: str(path) != "/proc" and is_dir(path))
    assert claims._started(os.getpid()) == f"{os.getpid()}-0"
    assert claims._started(4194304) == "4194304"
