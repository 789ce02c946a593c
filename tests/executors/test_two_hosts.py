"""Two hosts, as namespaces of this machine: their own network, processes, name and mounts, and a cable between them.

What one has of the other is an address: of git's own server, of S3, and of Dask's scheduler. The project's folder is
empty on the second.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from chain import NAMES, OUTPUTS, Chain, commit, dvc, git
from warm import COLD

pytestmark = [
    pytest.mark.cold,
    pytest.mark.long,
    pytest.mark.skipif(sys.platform != "linux" or not shutil.which("unshare"), reason="namespaces are Linux's"),
]

S3 = """
import sys, urllib.request
from moto.server import ThreadedMotoServer
ThreadedMotoServer(ip_address="10.77.0.1", port=5000, verbose=False).start()
bucket = urllib.request.Request("http://10.77.0.1:5000/results", method="PUT")
urllib.request.urlopen(bucket).close()
print("ready", flush=True)
sys.stdin.read()
"""
CLUSTER = """
import sys
import distributed
if __name__ == "__main__":
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, protocol="tcp://", host="10.77.0.2", scheduler_port=8786,
        dashboard_address=None, memory_limit=None,
    ):
        print("ready", flush=True)
        sys.stdin.read()
"""


class Host:
    """A host that is there until its first process, which waits for input, has no more to wait for."""

    def __init__(self, name: str, within: Host | None = None) -> None:
        mine = [] if within else ["--map-root-user"]
        apart = ["unshare", *mine, "--net", "--mount", "--uts", "--pid", "--fork", "--mount-proc", "--kill-child"]
        outside = within.command("--user", "--net") if within else []
        self._process = subprocess.Popen(
            [*outside, *apart, "sh", "-c", f"hostname {name} && ip link set lo up && echo ready && exec cat"],
            **PIPES,
        )
        if self._process.stdout.readline() != "ready\n":  # type: ignore[union-attr]
            _, said = self._process.communicate(timeout=300)
            pytest.skip(f"no namespaces may be made here: {said.strip()}")
        self.pid = psutil.Process(self._process.pid).children(recursive=True)[-1].pid

    def command(self, *kinds: str) -> list[str]:
        return ["nsenter", "--target", str(self.pid), *kinds, "--preserve-credentials"]

    def start(self, *words: str) -> subprocess.Popen[str]:
        every = self.command("--user", "--net", "--mount", "--uts", "--pid")
        return subprocess.Popen([*every, *words], **PIPES)

    def does(self, *words: str) -> str:
        process = self.start(*words)
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        return str(out)

    def end(self) -> None:
        self._process.communicate(timeout=300)


PIPES: dict[str, Any] = {
    "stdin": subprocess.PIPE,
    "stdout": subprocess.PIPE,
    "stderr": subprocess.PIPE,
    "text": True,
}  # fmt: skip


@pytest.fixture
def hosts() -> Iterator[tuple[Host, Host]]:
    """A cable between 10.77.0.1 and 10.77.0.2; no other way leads anywhere."""
    for library in ("distributed", "dvc_s3", "moto.server"):
        pytest.importorskip(library)
    first = Host("host-a")
    try:
        second = Host("host-b", first)
        try:
            ip = [*first.command("--user", "--net"), "ip"]
            cable = ["link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", str(second.pid)]
            done = subprocess.run([*ip, *cable], capture_output=True, text=True)
            if done.returncode:
                pytest.skip(f"no network may be laid between namespaces here: {done.stderr.strip()}")
            for number, host in enumerate((first, second), 1):
                host.does("ip", "address", "add", f"10.77.0.{number}/24", "dev", "cable")
                host.does("ip", "link", "set", "cable", "up")
            yield first, second
        finally:
            second.end()
    finally:
        first.end()


@contextmanager
def serving(host: Host, *words: str) -> Iterator[None]:
    """A server that says when it is ready."""
    server = host.start(*words)
    line = server.stdout.readline()  # type: ignore[union-attr]
    if "ready" not in line.lower():
        raise AssertionError(server.communicate(timeout=300))
    try:
        yield
    finally:
        for each in psutil.Process(server.pid).children(recursive=True):  # nsenter passes no signal on
            with suppress(psutil.NoSuchProcess):  # it has ended with another one
                each.kill()
        server.communicate(timeout=300)


def test_a_step_runs_on_another_host_with_nothing_but_servers_between(
    project: Path, tmp_path: Path, hosts: tuple[Host, Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = Chain.lay(project)
    chain.edit("chain.py", 'Path(__file__).with_name("executed.log")', f"Path({str(project / 'executed.log')!r})")
    alone = chain.run()
    assert chain.executed() == OUTPUTS
    for name in ("runs", "atoms", "metrics", ".dvc/cache", ".motools"):
        shutil.rmtree(chain.path(name))
    chain.path("dvc.lock").unlink()
    dvc(project, "remote", "add", "-q", "-d", "store", "s3://results/store")
    chain.path("motools.yaml").write_text(
        "executors:\n"
        "  far: {kind: dask, address: 'tcp://10.77.0.2:8786', shared_files: false}\n"
        "  near: {kind: 'concurrent.futures:ThreadPoolExecutor', max_workers: 1, shared_files: false}\n"
    )
    commit(project)
    git(tmp_path, "clone", "-q", "--bare", str(project), "origin.git")
    git(project, "remote", "add", "origin", "git://10.77.0.1/origin.git")
    for name, value in {"ACCESS_KEY_ID": "any", "SECRET_ACCESS_KEY": "any", "DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://10.77.0.1:5000")
    monkeypatch.setenv("MOTOOLS_CLONES", str(tmp_path / "clones"))

    here, there = hosts
    there.does("mount", "-t", "tmpfs", "none", str(project))
    repositories = ["git", "daemon", "--export-all", f"--base-path={tmp_path}", "--listen=10.77.0.1", "--verbose"]
    daemon = ["sh", "-c", 'exec "$@" 2>&1', "sh", *repositories]
    with (
        serving(here, COLD, "-c", S3),
        serving(here, *daemon),
        serving(there, COLD, "-c", CLUSTER),
    ):
        here.does("git", "-C", str(project), "fetch", "-q", "origin")
        here.does(COLD, "-m", "motools", "trust", "10.77.0.2:8786")
        told = json.loads(here.does(COLD, "-m", "motools", "run", str(project), "--json", "--on", "far"))
        assert [stage["status"] for stage in told] == ["finished"] * 3
        assert {name: atom for stage in told for name, atom in stage["atoms"].items()} == alone.ids
        assert chain.executed() == []
        executed = there.does("cat", str(project / "executed.log")).split()
        assert executed[::2] == OUTPUTS
        hosts_of = {name: json.loads(chain.path("runs", f"{name}.json").read_text())["host"] for name in NAMES}
        assert set(hosts_of.values()) == {"host-b"}
        again = json.loads(here.does(COLD, "-m", "motools", "run", str(project), "--json"))
        assert [stage["status"] for stage in again] == ["current"] * 3

        chain.set(seed=1, pause=0.5)  # and both hosts at once, each with a worker of its own
        other = shutil.copytree(project, tmp_path / "other", symlinks=True)
        runs = [
            here.start(COLD, "-m", "motools", "run", str(project), "--json", "--on", "far"),
            here.start(
                "env",
                f"MOTOOLS_CLONES={tmp_path / 'near'}",
                COLD,
                "-m",
                "motools",
                "run",
                str(other),
                "--json",
                "--on",
                "near",
            ),
        ]
        told = [json.loads(run.communicate(timeout=300)[0]) for run in runs]
        assert len({json.dumps([stage["atoms"] for stage in stages]) for stages in told}) == 1
        there_too = there.does("cat", str(project / "executed.log")).split()[len(executed) :: 2]
        assert sorted([*chain.executed(), *there_too]) == sorted(OUTPUTS)
