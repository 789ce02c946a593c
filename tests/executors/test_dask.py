"""Steps on the workers of a Dask cluster, which are processes of their own with clones of their own."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from chain import Chain, commit, dvc, eventually

from motools.base.resources import Resources
from motools.errors import ConfigError, MotoolsError
from motools.executors import environment
from motools.executors.dask import DaskExecutor
from motools.executors.job import Answer, Job

pytestmark = pytest.mark.skipif(find_spec("distributed") is None, reason="dask.distributed is not installed")

KILL_THE_WORKER = """
    import signal
    if not LOG.with_name("once").exists():
        LOG.with_name("once").touch()
        server = os.getppid()
        worker = int(Path(f"/proc/{server}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(worker, signal.SIGKILL)
        signal.pause()
"""
WAIT = """
    import fcntl
    LOG.with_name("waits").touch()
    with open(LOG.with_name("gate")) as gate:
        fcntl.flock(gate, fcntl.LOCK_SH)
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Two workers for all tests of this module, that know nothing of the person who runs the tests."""
    distributed: Any = pytest.importorskip("distributed")
    config: Any = pytest.importorskip("dask.config")

    home = tmp_path_factory.mktemp("worker's home")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("MOTOOLS_", "GIT_", "AWS_"))]:
            patch.delenv(name)
        patch.setenv("HOME", str(home))
        for name in ("SYSTEM_CONFIG", "GLOBAL_CONFIG", "SITE_CACHE"):
            patch.setenv(f"DVC_{name}_DIR", str(home / name))
        patch.setenv("MOTOOLS_CLONES", str(home / "clones"))
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        slow = {"distributed.comm.timeouts.connect": "300s", "distributed.comm.timeouts.tcp": "300s"}
        with (
            config.set(slow),
            distributed.LocalCluster(
                n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0", memory_limit=None
            ) as cluster,
        ):
            yield cluster


@pytest.fixture
def chain(project: Path, tmp_path: Path, cluster: Any) -> Chain:
    chain = Chain.lay(project)
    chain.edit("chain.py", 'Path(__file__).with_name("executed.log")', f"Path({str(project / 'executed.log')!r})")
    with chain.path(".gitignore").open("a") as file:
        file.write("once\nwaits\ngate\n")
    address = cluster.scheduler_address
    chain.path("motools.yaml").write_text(
        f"executors:\n  far: {{kind: dask, address: '{address}', shared_files: false}}\n"
        f"  near: {{kind: dask, address: '{address}'}}\n"
    )
    dvc(project, "remote", "add", "-q", "-d", "store", str(tmp_path / "store"))
    commit(project)
    return chain


@contextmanager
def closed(gate: Path) -> Iterator[None]:
    """Whatever step comes to the gate waits there."""
    with gate.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


@pytest.mark.parametrize("where", ["far", "near"])
def test_workers_make_the_same_atoms_as_this_machine(chain: Chain, where: str) -> None:
    here = chain.run()
    there = chain.run("--on", where, "--force")
    assert there.statuses == ["finished"] * 3
    assert there.ids == here.ids
    assert chain.executed() == ["dataset", "model", "results"] * 2
    assert chain.run().statuses == ["current"] * 3


def test_a_step_whose_worker_is_killed_is_executed_by_another(chain: Chain) -> None:
    chain.edit(
        "chain.py",
        'return make("model"',
        f'made = make("model", "model", config, input_atoms, workspace)\n{KILL_THE_WORKER}    return made\n'
        '    return make("model"',
    )
    there = chain.run("--on", "far")
    assert there.statuses == ["finished"] * 3
    assert chain.executed() == ["dataset", "model", "model", "results"]
    assert chain.run("--on", "here", "--force").ids == there.ids


@pytest.mark.parametrize(("word", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_a_step_goes_on_when_its_run_ends_and_is_not_executed_again(chain: Chain, word: int, code: int) -> None:
    chain.edit("chain.py", 'return make("model"', f'{WAIT.strip()}\n    return make("model"')
    with closed(chain.path("gate")):
        first = chain.start("--on", "far")
        eventually(chain.path("waits").exists)
        first.send_signal(word)
        first.communicate(timeout=300)
        assert first.returncode == code
        second = chain.start("--on", "far", "--json")
    second.communicate(timeout=300)
    assert second.returncode == 0
    assert chain.executed() == ["dataset", "model", "results"]


def test_two_runs_at_once_execute_each_step_once(chain: Chain, tmp_path: Path) -> None:
    chain.edit("chain.py", 'return make("model"', f'{WAIT.strip()}\n    return make("model"')
    other = Chain(Path(shutil.copytree(chain.folder, tmp_path / "other", symlinks=True)))
    with closed(chain.path("gate")):
        runs = [each.start("--on", "far", "--json") for each in (chain, other)]
        eventually(chain.path("waits").exists)
    for run in runs:
        run.communicate(timeout=300)
    assert [run.returncode for run in runs] == [0, 0]
    assert chain.executed() == ["dataset", "model", "results"]


def test_a_scheduler_that_goes_is_told_in_a_sentence_and_another_one_goes_on(chain: Chain, cluster: Any) -> None:
    distributed: Any = pytest.importorskip("distributed")
    text = chain.path("motools.yaml").read_text()
    with distributed.LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address="127.0.0.1:0") as empty:
        chain.path("motools.yaml").write_text(text.replace(cluster.scheduler_address, empty.scheduler_address))
        run = chain.start("--on", "far", "--json")
        eventually(lambda: empty.scheduler.tasks)
    _, err = run.communicate(timeout=300)
    assert run.returncode == 1
    assert "has let go of the step, or has gone" in " ".join(err.split())
    chain.path("motools.yaml").write_text(text)
    assert chain.run("--on", "far").statuses == ["finished"] * 3


def test_a_scheduler_that_does_not_answer_is_told_in_a_sentence(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    from motools.executors import dask

    monkeypatch.setattr(dask, "_PATIENCE", 1)
    chain.path("motools.yaml").write_text("executors: {far: {kind: dask, address: 'tcp://127.0.0.1:1'}}")
    done = chain.run("--on", "far")
    assert done.code == 2
    assert "The Dask scheduler tcp://127.0.0.1:1 does not answer" in done.sentence
    assert "`dask scheduler`" in done.sentence


def test_a_gpu_that_no_worker_has_is_told_with_what_to_type(chain: Chain) -> None:
    with chain.path("motools.yaml").open("a") as file:
        file.write("resources: {model: {gpu: 1}}\n")
    done = chain.run("--on", "far")
    assert done.statuses == ["finished", "failed", "skipped"]
    assert "The step 'train' needs GPU=1, and no worker of tcp://" in done.stages[1]["error"]
    assert '--resources "GPU=1"' in done.stages[1]["error"]


running: list[str] = []
most: list[int] = []
both = threading.Barrier(2)


def alone(job: Job) -> Answer:
    running.append(job.step)
    most.append(len(running))
    time.sleep(0.05)
    running.remove(job.step)
    return Answer(True, where=job.step)


def together(job: Job) -> Answer:
    both.wait(300)
    return Answer(True, where=job.step)


def job_of(step: str, **needs: Any) -> Job:
    needed = Resources(**needs)
    return Job(step, "", step, "", "", {}, {}, {}, {}, "", {}, "ada", environment.here(), resources=needed)


def test_memory_and_cores_are_shared_out_as_workers_declare_them() -> None:
    distributed: Any = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1,
        threads_per_worker=2,
        processes=False,
        dashboard_address=None,
        resources={"MEMORY": 4e9, "CORES": 4},
    ) as cluster:
        executor = DaskExecutor(cluster.scheduler_address, 1)
        try:
            small = [executor.submit(together, job_of(name, memory="2 GB", cores=2)) for name in "ab"]
            assert [each.result(300).where for each in small] == ["a", "b"]
            for needs in ({"memory": "3 GB"}, {"cores": 2.5}):
                large = [executor.submit(alone, job_of(f"{name} {needs}", **needs)) for name in "cd"]
                assert [each.result(300).error for each in large] == [None, None]
            assert most == [1, 1, 1, 1]
            with pytest.raises(ConfigError) as told:
                executor.submit(alone, job_of("g", memory="4 GB", cores=5))
        finally:
            executor.shutdown()
    assert "The step 'g' needs MEMORY=4000000000 CORES=5, and no worker of inproc://" in str(told.value)
    assert "(they say CORES=4 MEMORY=4000000000)" in str(told.value)
    assert '--resources "MEMORY=4000000000 CORES=5"' in str(told.value)


def test_a_worker_that_has_gone_for_a_moment_may_come_back_with_what_it_had() -> None:
    distributed: Any = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None, resources={"GPU": 1, "MEMORY": 4e9}
    ) as cluster:
        executor = DaskExecutor(cluster.scheduler_address, 1)
        try:
            executor.submit(alone, job_of("before", gpu=1)).result(300)
            cluster.worker_spec["plain"] = {**cluster.new_worker_spec()[1], "options": {"nthreads": 1}}
            del cluster.worker_spec[0]
            cluster.sync(cluster._correct_state)
            eventually(lambda: [w.get("resources") for w in _workers(executor)] == [{}])
            waiting = executor.submit(alone, job_of("meanwhile", gpu=1, memory="2 GB"))
            cluster.worker_spec["back"] = {
                **cluster.worker_spec["plain"],
                "options": {"nthreads": 1, "resources": {"GPU": 1, "MEMORY": 4e9}},
            }
            cluster.sync(cluster._correct_state)
            assert waiting.result(300).where == "meanwhile"
        finally:
            executor.shutdown()


def _workers(executor: DaskExecutor) -> list[dict[str, Any]]:
    return list(executor._client.scheduler_info(n_workers=-1)["workers"].values())


def test_a_worker_that_is_lost_while_it_is_asked_what_it_has_ends_nothing(cluster: Any) -> None:
    executor = DaskExecutor(cluster.scheduler_address, 1)
    try:
        executor._client.wait_for_workers(2, timeout=300)
        lost = next(iter(executor._client.scheduler_info(n_workers=-1)["workers"]))

        def die_when_asked(dask_worker: Any) -> None:
            dask_worker.handlers["run"] = lambda **_: os._exit(1)

        executor._client.run(die_when_asked, workers=[lost])
        told = executor.environments()
        assert [each.motools for each in told] == [environment.here().motools]
    finally:
        executor.shutdown()


def test_a_cluster_of_this_machine_that_has_no_workers_any_more_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    executor = DaskExecutor(None, 1)
    try:
        executor._client.wait_for_workers(1, timeout=300)
        executor._cluster.scale(0)
        waiting = executor.submit(alone, job_of("a"))
        monkeypatch.setattr("motools.executors.dask._ALONE", 1.0)
        with pytest.raises(MotoolsError) as told:
            waiting.result(300)
    finally:
        executor.shutdown()
    assert "The Dask scheduler of this machine has let go of the step, or has gone." in str(told.value)


def answered(job: Job) -> Answer:
    return Answer(True, where=job.step)


def test_a_cluster_at_an_address_that_has_no_workers_any_more_is_told_of_once_and_waited_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    distributed: Any = pytest.importorskip("distributed")
    monkeypatch.setattr("motools.executors.dask._ALONE", 1.0)
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster:
        executor = DaskExecutor(cluster.scheduler_address, 1)
        told: list[str] = []

        def has_told() -> bool:
            told.append(capsys.readouterr().err)
            return "has had no worker for" in "".join(told)

        try:
            assert executor.submit(answered, job_of("first")).result(300).where == "first"
            cluster.scale(0)
            eventually(lambda: not cluster.scheduler.workers)
            waiting = executor.submit(answered, job_of("second"))
            eventually(has_told)
            assert not waiting.done()
            cluster.scale(1)
            assert waiting.result(300).where == "second"
        finally:
            executor.shutdown()
    assert has_told()
    assert "".join(told).count("has had no worker for") == 1
    assert f"`dask worker {executor.address}`" in "".join(told)


def test_nothing_of_dask_is_imported_where_it_is_not_used(chain: Chain) -> None:
    import sys

    script = (
        "import sys; sys.argv[1:] = ['status']\nfrom motools.cli.app import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print([name for name in sys.modules if name.startswith(('dask', 'distributed'))])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=chain.folder, timeout=300)
    assert done.stdout.splitlines()[-1] == "[]"
