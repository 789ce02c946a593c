"""What motools.yaml may say of other machines, and what is refused, in a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from chain import Chain, dvc, git

from motools.base import trusted_hosts
from motools.base.resources import Resources
from motools.errors import ConfigError
from motools.executors.registry import choose
from motools.repo.project import Project
from motools.repo.settings import read_settings


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


STRANGE = {
    "its scheduler": ("kind: dask, address: 'tcp://10.66.0.1:8786'", "10.66.0.1:8786 (executors.far.address)"),
    "its scheduler, as a name": ("kind: dask, address: gpu1", "gpu1 (executors.far.address)"),
    "an option of any kind": (f"kind: '{THREADS}', broker: 'amqp://u.example.org'", "u.example.org (executors.far.bro"),
    "a list of hosts": (f"kind: '{THREADS}', opts: {{hosts: [evil]}}", "evil (executors.far.opts.hosts)"),
    "code by ssh": ("kind: dask, repository: 'git@evil:x.git'", "evil (executors.far.repository)"),
    "code by http": ("kind: dask, repository: 'https://ada:pw@evil.org/x'", "evil.org (executors.far.repository)"),
    "code by a command": ("kind: dask, repository: 'ext::touch x'", "ext (executors.far.repository)"),
}


@pytest.mark.parametrize("what", STRANGE)
def test_work_goes_to_no_host_that_came_with_a_clone_before_the_person_says_so(chain: Chain, what: str) -> None:
    settings, named = STRANGE[what]
    chain.path("motools.yaml").write_text(f"executors: {{far: {{{settings}}}}}\nrun_on: {{train: far}}\n")
    git(chain.folder, "add", "motools.yaml")
    for words in (("run",), ("run", "--dry-run"), ("status", "--check"), ("run", "--on", "far")):
        done = chain.command(*words)
        assert done.code == 2
        assert f"motools.yaml, which git keeps, would have your code and data sent to {named}" in done.err
    host = named.partition(" (")[0]
    assert f"with your keys, type: motools trust {host}" in done.err
    assert chain.executed() == []
    assert chain.command("status").code == 0  # which sends nothing
    trusted_hosts.allow(host)
    assert "motools trust" not in chain.command("status", "--check").err


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "tcp://localhost:1", "tls://[::1]:1", "tcp://10.66.0.1:1"])
def test_a_scheduler_of_this_machine_or_of_a_file_of_ones_own_needs_no_word(chain: Chain, address: str) -> None:
    chain.path("motools.yaml").write_text(f"executors: {{far: {{kind: dask, address: '{address}'}}}}")
    if "10.66" not in address:
        git(chain.folder, "add", "motools.yaml")
    choose(read_settings(Project(chain.folder)), "far", Project(chain.folder), "--on")


def test_an_executor_that_dvc_brings_is_no_more_trusted(chain: Chain) -> None:
    chain.path("motools.yaml").write_text("executors: {far: {kind: dask, address: 'tcp://10.66.0.1:8786'}}")
    dvc(chain.folder, "add", "-q", "motools.yaml")
    done = chain.run("--on", "far")
    assert done.code == 2
    assert "motools.yaml, which DVC keeps, would have your code and data sent to 10.66.0.1:8786" in done.sentence


def test_status_says_which_module_it_imports_for_an_executor(chain: Chain) -> None:
    chain.path("motools.yaml").write_text(f"executors: {POOL}\nrun_on: {{train: pool, prepare: dask}}")
    done = chain.command("status", "--check")
    assert done.code == 0, done.err
    assert "imports concurrent.futures, which motools.yaml names" in done.err.splitlines()
    assert "concurrent.futures" not in chain.command("status").err


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
