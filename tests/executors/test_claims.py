"""Claims at a remote: one machine at a time, whatever becomes of the one that has it."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest

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
