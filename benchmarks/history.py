"""`motools history` and `lineage` in a project of 1,000 commits and 300 atoms, and in clones with an S3 remote alone.

Each commit has retrained and re-evaluated one of 150 models of a dataset. The peer is a second, which is what we ask.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import resource
import shutil
import subprocess
import tempfile
from argparse import Namespace
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from measure import Figure, in_turns, main, parser, seconds
from projects import environment, run

from motools.atom.records import Record
from motools.base import trusted_hosts
from motools.repo.project import Project

TRAININGS, COMMITS = 150, 1000
ENTRY = """\
  {name}:
    cmd: motools step run many.py:workflow {name}
{deps}    params:
      params.yaml:
        {name}:
          backend_name: tinylm
          hyperparameters:
            batch_size: 8
            learning_rate: 0.001
            n_epochs: 5
            seed: {seed}
          model: tinylm/base
    outs:
    - path: atoms/{output}
      hash: md5
      md5: {md5}
      size: 200
      nfiles: 2
    - path: runs/{name}.json
      hash: md5
      md5: {record}
      size: 300
"""
METRICS = """\
    - path: metrics/{name}.json
      hash: md5
      md5: {md5}
      size: 40
"""
CLONES = "in a clone with S3 alone"


class Scene:
    """A project with a history that nobody has waited for: its results are made, its commits are given to git whole."""

    def __init__(self, folder: Path, trainings: int, commits: int) -> None:
        folder.mkdir(parents=True)
        run(folder, "git", "init", "-q", "-b", "main")
        run(folder, "dvc", "init", "-q")
        self.folder, self.project, self.trainings = folder, Project.find(folder), trainings
        self.entries: dict[str, str] = {}
        self.metrics: dict[str, bytes] = {}  # that no commit has yet
        self._scratch = Path(tempfile.mkdtemp(dir=folder))
        self.dataset = self._made("prepare", "dataset", "dataset", {}, 0)
        for number in range(trainings):
            self._train(number, 0)
        (folder / ".gitignore").write_text(".motools/\n")
        stages = {name: {"cmd": f"motools step run many.py:workflow {name}"} for name in self.entries}
        (folder / "dvc.yaml").write_text(json.dumps({"stages": stages}))
        run(folder, "git", "add", "-A", ":!tmp*")
        run(folder, "git", "-c", "user.name=b", "-c", "user.email=b@example.org", "commit", "-q", "-m", "start")
        self._commit(commits)
        shutil.rmtree(self._scratch)

    def _commit(self, commits: int) -> None:
        """All commits in one stream; each has its lock file whole."""
        git = subprocess.Popen(["git", "fast-import", "--quiet"], cwd=self.folder, stdin=subprocess.PIPE)
        assert git.stdin is not None
        for number in range(commits):
            if number:
                self._train(number % self.trainings, number)
            lock = ("schema: '2.0'\nstages:\n" + "".join(self.entries.values())).encode()
            message = f"run {number}".encode()
            who = f"b <b@example.org> {1_700_000_000 + 3600 * number} +0000"
            parent = "" if number else "from refs/heads/main^0\n"
            head = f"commit refs/heads/main\ncommitter {who}\ndata {len(message)}\n".encode()
            git.stdin.write(head + message + b"\n" + parent.encode())
            for name, content in {"dvc.lock": lock, **self.metrics}.items():
                git.stdin.write(f"M 100644 inline {name}\ndata {len(content)}\n".encode() + content + b"\n")
            self.metrics = {}
        git.stdin.close()
        assert git.wait() == 0
        run(self.folder, "git", "reset", "-q", "--hard")

    def _train(self, number: int, seed: int) -> None:
        model = self._made(f"train_{number}", f"model_{number}", "model", {"dataset": self.dataset}, seed)
        self._made(f"evaluate_{number}", f"results_{number}", "eval", {f"model_{number}": model}, seed)

    def _made(self, stage: str, output: str, kind: str, made_from: dict[str, str], seed: int) -> str:
        """An atom with its record, and what dvc.lock says of both; returns its id."""
        folder = self._scratch / "atom"
        (folder / "data").mkdir(parents=True)
        about = {"kind": kind, "made_from": made_from, "metadata": {"model_id": f"tinylm/{output}"}}
        (folder / "atom.json").write_text(json.dumps(about, indent=2, sort_keys=True) + "\n")
        name = "metrics.json" if kind == "eval" else "weights.txt"
        content = json.dumps({"task": {output: {"mean": seed / 7}}})
        (folder / "data" / name).write_text(content)
        md5 = self.project.store.add(folder).md5
        shutil.rmtree(folder)
        record = Record("Ada <ada@example.org>", f"2026-01-01T00:00:{seed % 60:02}.000Z", 1.5, None, False, step=stage)
        record.write(self._scratch / "record.json")
        of_record = self.project.store.add(self._scratch / "record.json").md5
        deps = "".join(
            f"    - path: atoms/{given}\n      hash: md5\n      md5: {id.rpartition('-')[2]}.dir\n"
            "      size: 200\n      nfiles: 2\n"
            for given, id in made_from.items()
        )
        deps = f"    deps:\n{deps}" if deps else ""
        self.entries[stage] = ENTRY.format(name=stage, output=output, md5=md5, record=of_record, seed=seed, deps=deps)
        if kind == "eval":
            self.metrics[f"metrics/{stage}.json"] = content.encode()
            md5_of_metrics = hashlib.md5(content.encode()).hexdigest()
            self.entries[stage] += METRICS.format(name=stage, md5=md5_of_metrics)
        return f"{kind}-{md5.removesuffix('.dir')}"


@contextmanager
def served(project: Project) -> Iterator[str]:
    """An S3 server on this machine with all that a cache has, in the bucket `results`."""
    import boto3
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line a request
    os.environ |= {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "AWS_DEFAULT_REGION": "us-east-1"}
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        client = boto3.client("s3", endpoint_url=f"http://{host}:{port}")
        client.create_bucket(Bucket="results")
        files = [path for path in project.cache.rglob("*") if path.is_file()]

        def put(path: Path) -> None:
            client.put_object(Bucket="results", Key=path.relative_to(project.cache).as_posix(), Body=path.read_bytes())

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(put, files))
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def processor(folder: Path, *words: str) -> float:
    """The seconds that a command and git, which it asks, keep processors busy: on a busy machine the fairer figure."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds(folder, *words)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(folder: Path, arguments: Namespace) -> Iterator[Figure]:
    n = arguments.repeats or (3 if arguments.small else 5)
    trainings, commits = (10, 60) if arguments.small else (TRAININGS, COMMITS)
    os.environ["XDG_CONFIG_HOME"] = str(folder / "config")  # where the host of the remote is trusted
    scene = Scene(folder / "project", trainings, commits)
    asked = {
        "history of a step": ("history", "train_1", "--json"),
        "history of an output": ("history", "dataset", "--json"),
        "history of a metric": ("history", "results_1.mean", "--json"),
        "lineage of a result": ("lineage", "results_1", "--json"),
    }
    size = f"{commits:,} commits, {2 * trainings + 1} atoms"
    calls = {what: partial(seconds, scene.folder, "motools", *words) for what, words in asked.items()}
    for what, took in in_turns(n, **calls).items():
        yield Figure(f"{what}, {size}", took, "a second", 1.0, 1.0, n)
    busy = {what: partial(processor, scene.folder, "motools", *words) for what, words in asked.items()}
    for what, took in in_turns(n, **busy).items():
        yield Figure(f"{what}, {size}, processor time", took, "a second", 1.0, None, n)
    run(scene.folder, "dvc", "remote", "add", "-q", "-d", "s3", "s3://results")
    with served(scene.project) as address:
        run(scene.folder, "dvc", "remote", "modify", "-q", "s3", "endpointurl", address)
        trusted_hosts.allow(address)
        run(scene.folder, "git", "-c", "user.name=b", "-c", "user.email=b@example.org", "commit", "-qam", "remote")
        for what in ("history of a step", "history of a metric", "lineage of a result"):
            clone = folder / "clone"
            subprocess.run(["git", "clone", "-q", str(scene.folder), str(clone)], check=True, env=environment())
            ask = partial(seconds, clone, "motools", *asked[what])
            first = ask()
            again = in_turns(n, again=ask)["again"]
            shutil.rmtree(clone)
            yield Figure(f"{what}, {CLONES}, {size}", first, "a second", 1.0, None, 1)
            yield Figure(f"{what}, {CLONES}, once it was asked", again, "a second", 1.0, 1.0, n)


if __name__ == "__main__":
    main(parser(__doc__), measure)
