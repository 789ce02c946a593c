"""What motools.yaml may say of other machines, and what is refused, in a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from chain import Chain

from motools.base.resources import Resources
from motools.errors import ConfigError


@pytest.fixture
def chain(project: Path) -> Chain:
    return Chain.lay(project)


THREADS = "concurrent.futures:ThreadPoolExecutor"
POOL = "{pool: {kind: 'concurrent.futures:ThreadPoolExecutor', max_workers: 2}}"


@pytest.mark.parametrize(
    ("text", "options", "told"),
    [
        ("", ["--on", "poll"], "--on: there is no executor 'poll'. Known: dask, slurm, here. Others are set up"),
        (f"executors: {POOL}", ["--on", "poll"], "there is no executor 'poll'. Did you mean 'pool'?"),
        (f"executors: {POOL}\nrun_on: {{train: poll}}", [], "motools.yaml: run_on.train: there is no executor 'poll'"),
        (f"executors: {POOL}\nrun_on: {{trian: pool}}", [], "run_on.trian is no step, and no kind"),
        ("executors: {pool: {}}", [], "executors.pool needs a kind, such as `kind: dask`"),
        ("executors: {here: {kind: dask}}", [], "executors.here has the name of this machine"),
        ("executors: {a: {kind: dusk}}", ["--on", "a"], "a.kind: there is no executor 'dusk'. Did you mean 'dask'?"),
        ("executors: {a: {kind: dask, adress: x}}", ["--on", "a"], "a.adress: unknown key. Did you mean 'address'?"),
        ("executors: {a: {kind: dask, workers: x}}", ["--on", "a"], 'a.workers: "x" should be a valid integer'),
        ("executors: {a: {kind: dask, jobs: 0}}", ["--on", "a"], "executors.a.jobs must be 1 or more, not 0"),
        ("executors: {a: {kind: 'no_such_module:f'}}", ["--on", "a"], "'no_such_module:f' cannot be imported"),
        ("executors: {a: {kind: 'os:no_such'}}", ["--on", "a"], "the module os has no 'no_such'"),
        ("executors: {a: {kind: 'os:getcwd'}}", ["--on", "a"], "which is no concurrent.futures.Executor"),
        ("resources: {train: {memory: lots}}", ["--on", THREADS], "memory 'lots' is no size. Write it as 16 GB"),
        ("resources: {train: {time: soon}}", ["--on", THREADS], "time 'soon' is no time. Write it as 30 min"),
        ("resources: {train: {gpus: 1}}", [], "resources.train.gpus: unknown key. Did you mean 'gpu'?"),
        ("resources: {train: {gpu: -1}}", [], "gpu must be 0 or more, not -1"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_before_anything_runs(
    chain: Chain, text: str, options: list[str], told: str
) -> None:
    chain.path("motools.yaml").write_text(text)
    done = chain.run(*options)
    assert done.code == 2
    assert told in done.sentence
    assert chain.executed() == []


@pytest.mark.parametrize(
    ("memory", "size"), [("16 GB", 16 * 10**9), ("500MB", 5 * 10**8), ("8 GiB", 8 * 2**30), ("1.5g", 1_500_000_000)]
)
def test_memory_is_a_number_of_bytes(memory: str, size: int) -> None:
    assert Resources(memory=memory).memory_bytes == size


@pytest.mark.parametrize(
    ("time", "seconds"), [("30 min", 1800), ("12h", 43200), ("2 d", 172800), ("1:30:05", 5405), ("90 s", 90)]
)
def test_time_is_a_number_of_seconds(time: str, seconds: int) -> None:
    assert Resources(time=time).time_seconds == seconds


def test_a_step_that_asks_for_what_cannot_be_meant_is_refused_when_it_is_defined() -> None:
    from dataclasses import dataclass

    from motools.workflow import Step, StepConfig

    @dataclass
    class Config(StepConfig):
        pass

    with pytest.raises(ConfigError, match=r"train: resources\.gpus: unknown key"):
        Step("train", {}, {"model": "model"}, Config, lambda config, atoms, workspace: [], resources={"gpus": 1})
