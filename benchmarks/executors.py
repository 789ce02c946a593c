"""A sweep on Dask workers in clones of their own, beside one machine: atoms, time, and what lost workers cost.

The remote is a folder, then an S3 server on the loopback interface; then a worker is killed every few seconds. The
steps are trivial, so that what is measured is what it costs to send one away. Stops where an atom is another one than
on one machine, or where a lost worker costs more than the step that it was at.
"""

from __future__ import annotations

import json
import logging
import os
import random
import subprocess
import sys
import threading
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from measure import Figure, main, parser, row, seconds
from projects import environment, executed, make_sweep


def measure(folder: Path, arguments: Namespace) -> Iterator[Figure]:
    steps = arguments.steps or (20 if arguments.small else 200)
    workers = arguments.workers
    asked = (arguments.what or ("folder,killed" if arguments.small else "folder,S3,killed")).split(",")
    here = _project(folder / "here", steps)
    alone = seconds(here, "motools", "run", "-q")
    atoms, count = _atoms(here), len(executed(here))
    for name in (name for name in asked if name in ("folder", "S3")):
        project = _project(folder / name, steps)
        with _remote(name, folder, project), _cluster(folder / f"{name}-machines", workers) as (address, _):
            took = _run(project, address)
            _check(project, atoms, count, name)
        yield Figure(f"{count} steps, {workers} workers, {name} remote", took, "here", alone, None, 1)
        yield Figure(f"a step, {name} remote", took / count, "a step here", alone / count, None, 1)
    if "killed" in asked:
        project = _project(folder / "killed", steps, pause=0.5)
        killed: list[float] = []
        with _remote("folder", folder, project), _cluster(folder / "killed-machines", workers) as (address, every):
            with _killing(every, arguments.every, killed):
                took = _run(project, address)
            lost = _check(project, atoms, count, "killed", at_most=len(killed))
        what, kills = f"a worker killed every {arguments.every:g} s", max(len(killed), 1)
        yield Figure(f"executed twice, {what}", lost, "workers killed", kills, 1.0, 1, "steps")
        yield Figure(f"{count} steps of 0.5 s, {what}", took, "the sleep", count / workers / 2, None, 1)


def told(folder: Path, arguments: Namespace) -> Iterator[Figure]:
    """The figures, each on standard error as it comes: all together take minutes."""
    for figure in measure(folder, arguments):
        print(*row(figure), sep="  ", file=sys.stderr, flush=True)
        yield figure


def _project(folder: Path, steps: int, pause: float = 0.0) -> Path:
    """A sweep with a log of executions that all clones write to, committed."""
    project = make_sweep(folder, steps // 2, pause=pause)
    subprocess.run(["git", "add", "-A"], cwd=project, check=True)
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    subprocess.run(["git", *who, "commit", "-q", "--allow-empty", "-m", "x"], cwd=project, check=True)
    return project


def _atoms(project: Path) -> dict[str, str]:
    from motools.base import yaml12

    stages = yaml12.load(project / "dvc.lock")["stages"]
    return {o["path"]: o["md5"] for s in stages.values() for o in s["outs"] if o["path"].startswith("atoms/")}


def _check(project: Path, atoms: dict[str, str], count: int, name: str, at_most: int = 0) -> int:
    """How many executions were one too many; stops where they are more than may be, or an atom is another one."""
    if _atoms(project) != atoms:
        raise SystemExit(f"{name}: other atoms than on one machine")
    more = len(executed(project)) - count
    if not 0 <= more <= at_most:
        raise SystemExit(f"{name}: {more} executions more than {count}, and only {at_most} workers were killed")
    return more


@contextmanager
def _remote(name: str, folder: Path, project: Path) -> Iterator[None]:
    """A DVC remote: a folder, or a bucket of a server on this machine."""
    if name == "folder":
        _dvc(project, "remote", "add", "-q", "-d", "store", str(folder / f"{project.name}-store"))
        yield
        return
    import boto3
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    for key in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        os.environ[f"AWS_{key}"] = "any"
    os.environ["AWS_DEFAULT_REGION"] = "us-east-1"
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        os.environ["AWS_ENDPOINT_URL"] = f"http://{host}:{port}"
        boto3.client("s3").create_bucket(Bucket="results")
        _dvc(project, "remote", "add", "-q", "-d", "store", "s3://results/store")
        yield
    finally:
        del os.environ["AWS_ENDPOINT_URL"]
        server.stop()


def _dvc(project: Path, *words: str) -> None:
    subprocess.run([sys.executable, "-m", "dvc", *words], cwd=project, check=True)


class Workers:
    """Processes of `dask worker`, each of which is started anew when it has ended, as systemd would do it."""

    def __init__(self, address: str, count: int) -> None:
        words = ["--no-nanny", "--nthreads", "1", "--memory-limit", "0", "--no-dashboard", "--host", "127.0.0.1"]
        self._command = [sys.executable, "-m", "distributed.cli.dask_worker", address, *words]
        self._every = [self._started() for _ in range(count)]

    def _started(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._command, env=environment(), stderr=subprocess.DEVNULL)

    def kill_one(self) -> None:
        number = random.randrange(len(self._every))
        self._every[number].kill()
        self._every[number].wait()
        self._every[number] = self._started()

    def end(self) -> None:
        for each in self._every:
            each.kill()
            each.wait()


@contextmanager
def _cluster(machines: Path, workers: int) -> Iterator[tuple[str, Workers]]:
    """A scheduler's address, and workers with a folder of clones of their own."""
    import distributed
    from dask import config

    os.environ["MOTOOLS_CLONES"] = str(machines)
    config.set({"distributed.scheduler.allowed-failures": 100})
    with distributed.LocalCluster(
        n_workers=0, host="127.0.0.1", dashboard_address="127.0.0.1:0", silence_logs=50
    ) as cluster:
        every = Workers(cluster.scheduler_address, workers)
        try:
            while len(cluster.scheduler.workers) < workers:
                time.sleep(0.1)
            yield cluster.scheduler_address, every
        finally:
            every.end()


def _run(project: Path, address: str) -> float:
    about = {"kind": "dask", "address": address, "shared_files": False}
    (project / "motools.yaml").write_text(json.dumps({"executors": {"far": about}}))
    return seconds(project, "motools", "run", "-q", "--on", "far")


@contextmanager
def _killing(workers: Workers, every: float, killed: list[float]) -> Iterator[None]:
    """Kill one worker after the other."""
    over = threading.Event()

    def kill() -> None:
        while not over.wait(every):
            workers.kill_one()
            killed.append(time.monotonic())

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


if __name__ == "__main__":
    about = parser(__doc__)
    about.add_argument("--steps", type=int, help="how many (default: 200; small: 20)")
    about.add_argument("--workers", type=int, default=4, help="how many (default: 4)")
    about.add_argument("--what", help="folder, S3, killed (default: all; small: folder,killed)")
    about.add_argument("--every", type=float, default=3.0, help="seconds between two workers killed (default: 3)")
    main(about, told)
