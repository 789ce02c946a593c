"""A SLURM of this machine; and what this process keeps as a worker is not kept for the next test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_slurm import Slurm


@pytest.fixture(autouse=True)
def no_workers_left() -> Iterator[None]:
    yield
    from motools.execution import one_step

    while one_step._servers:
        one_step._servers.popitem()[1].abandon()


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Slurm]:
    slurm = Slurm(tmp_path / "slurm")
    monkeypatch.setenv("PATH", slurm.environment()["PATH"])
    yield slurm
    slurm.end()
