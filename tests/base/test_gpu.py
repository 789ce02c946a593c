"""A GPU is held by one process at a time, whoever holds it and however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from chain import eventually

from motools.base import gpu
from motools.base.gpu import gpus, held_gpu

HOLD = """
import sys, time
from motools.base.gpu import held_gpu
with held_gpu() as name:
    print("held", name, flush=True)
    time.sleep(float(sys.argv[1]))
"""


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """GPUs that no machine has, so that nobody waits for what is tested here."""
    found = [f"GPU-test-{os.getpid()}-{number}" for number in range(2)]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", ",".join(found))
    yield found
    for name in found:
        Path(f"/tmp/motools-gpu-{name}.lock").unlink(missing_ok=True)


def start(seconds: float) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", HOLD, str(seconds)], stdout=subprocess.PIPE, text=True)


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_each_process_takes_one_and_who_comes_late_waits_and_says_so(names: list[str]) -> None:
    first, second = start(900), start(900)
    try:
        assert {said(first), said(second)} == {f"held {name}" for name in names}
        third = start(0)
        assert said(third) == f"waiting for a GPU: {', '.join(names)} is at other work"
        first.send_signal(signal.SIGKILL)  # the kernel lets go
        assert said(third).startswith("held GPU-test")
        assert third.wait(300) == 0
    finally:
        for process in (first, second):
            process.kill()
            process.wait()


def test_who_holds_one_sees_no_other_and_does_not_wait_for_itself(names: list[str]) -> None:
    with held_gpu() as name:
        assert name == os.environ["CUDA_VISIBLE_DEVICES"] == names[0]
        with held_gpu() as again:
            assert again is None
    assert gpus() == names
    eventually(lambda: start(0).wait(300) == 0)


@pytest.mark.parametrize("visible", ["", "-1"])
def test_where_there_is_none_nothing_is_held(visible: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpus() == []
    with held_gpu() as name:
        assert name is None
        assert os.environ["CUDA_VISIBLE_DEVICES"] == visible


def test_the_gpus_are_counted_by_what_a_container_has_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(gpu, "_SIGNS", (f"{tmp_path}/gpus/*", f"{tmp_path}/nvidia[0-9]*", f"{tmp_path}/libcuda.so.1"))
    assert gpus() == []
    (tmp_path / "libcuda.so.1").touch()
    assert gpus() == ["0"]
    for name in ("nvidia0", "nvidia1", "nvidia2", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    assert gpus() == ["0", "1", "2"]
    (tmp_path / "gpus" / "0000:01:00.0").mkdir(parents=True)
    assert gpus() == ["0"]


def test_nothing_that_may_have_asked_cuda_is_imported_before_a_step_is_forked(monkeypatch: pytest.MonkeyPatch) -> None:
    from motools.training.local.trainer import LocalTrainer

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert LocalTrainer().preload == ()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert LocalTrainer().preload == ("torch", "transformers")
