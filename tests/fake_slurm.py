"""A SLURM of this machine alone: sbatch, squeue, sacct and scancel that really queue, run, end and requeue jobs.

`Slurm(folder)` writes the commands into `folder/bin`; whoever has that on PATH has the cluster. A job is a process with
a session of its own, which outlives whoever submitted it. What the real commands refuse is refused.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import sys
import time
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

_PYTHON = sys.executable
_COMMANDS = ("sbatch", "squeue", "sacct", "scancel")
_LIVING = ("PENDING", "RUNNING")
_PATIENCE = 120.0
"""Seconds that a job may wait for a node, and may run."""


class Slurm:
    """The cluster as its administrator sees it.

    Args:
        folder: where it keeps its state.
        nodes: so many jobs run at once.
    """

    def __init__(self, folder: Path, nodes: int = 2) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        if not self.bin.exists():
            import shlex

            (folder / "jobs").mkdir(parents=True)
            (folder / "nodes").write_text(str(nodes))
            self.bin.mkdir()
            for name in _COMMANDS:
                command = self.bin / name
                command.write_text(f'#!/bin/sh\nexec {shlex.join(_words(folder, name))} "$@"\n')
                command.chmod(0o755)

    def environment(self) -> dict[str, str]:
        """That of a process of a person who is logged in there."""
        return {**os.environ, "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}"}

    def jobs(self) -> list[dict[str, Any]]:
        """All that were ever submitted, in this order."""
        return sorted((_read(path) for path in (self.folder / "jobs").glob("*.json")), key=lambda job: int(job["id"]))

    def asked(self, command: str) -> int:
        """How often a command was called."""
        calls = self.folder / "calls"
        return calls.read_text().split("\n").count(command) if calls.exists() else 0

    def tell(self, job: str, **about: Any) -> None:
        """Have it say something else of a job: `shown`, the word of squeue for it, `hidden`, that squeue leaves it out
        of a list, or what its record has."""
        with _locked(self.folder):
            _write(self.folder, {**_job(self.folder, job), **about})

    def before(self, command: str, *lines: str) -> None:
        """Have a command do something of the shell first, in which `$0` is its own path."""
        path = self.bin / command
        path.rename(self.bin / f"{command}-then")
        path.write_text("\n".join(["#!/bin/sh", *lines, f'exec {self.bin / command}-then "$@"', ""]))
        path.chmod(0o755)

    def forget(self, job: str) -> None:
        """As SLURM does some minutes after a job has ended, where it keeps no accounts."""
        (self.folder / "jobs" / f"{job}.json").unlink()

    def preempt(self, job: str, politely: bool = False) -> None:
        """Take its node away, with time for a last word or none; it begins again, under its id, where it may."""
        with _locked(self.folder):
            content = _job(self.folder, job)
            _write(self.folder, {**content, "preempted": True})
        _kill(content, signal.SIGTERM if politely else signal.SIGKILL)

    def lose(self, job: str) -> None:
        """Its node dies."""
        with _locked(self.folder):
            content = _job(self.folder, job)
            _write(self.folder, {**content, "state": "NODE_FAIL"})
        _kill(content, signal.SIGKILL)

    def end(self) -> None:
        """End all that runs there, and wait until it has."""
        for job in self.jobs():
            _main(self.folder, "scancel", [job["id"]])
        limit = time.monotonic() + 20
        while any(job["state"] in _LIVING for job in self.jobs()) and time.monotonic() < limit:
            time.sleep(0.02)


def _words(folder: Path, *words: str) -> list[str]:
    """What executes this module, compiled as it is once and importing little: runs ask the queue all the time."""
    code = f"import sys; sys.path.insert(0, {os.path.dirname(__file__)!r}); import fake_slurm; fake_slurm.main()"
    return [_PYTHON, "-IS", "-c", code, str(folder), *words]


def _main(folder: Path, command: str, words: list[str]) -> None:
    with (folder / "calls").open("a") as file:
        file.write(f"{command}\n")
    if (folder / "down").exists():
        sys.exit(f"{command}: error: Unable to contact slurm controller (connect failure)")
    {"sbatch": _sbatch, "squeue": _squeue, "sacct": _sacct, "scancel": _scancel}[command](folder, words)


def _sbatch(folder: Path, words: list[str]) -> None:
    import argparse
    import subprocess

    parser = argparse.ArgumentParser("sbatch", allow_abbrev=False)
    parser.add_argument("--parsable", action="store_true")
    parser.add_argument("--requeue", action="store_true")
    for name in ("job-name", "output", "chdir", "cpus-per-task", "gpus", "mem", "time", "partition", "account", "qos"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--open-mode", choices=["append", "truncate"], default="truncate")
    parser.add_argument("script")
    given = parser.parse_args(words)
    if given.partition not in (None, "gpu", "cpu"):
        sys.exit(
            f"sbatch: error: invalid partition specified: {given.partition}\n"
            "sbatch: error: Batch job submission failed: Invalid partition name specified"
        )
    script = Path(given.script).read_text()
    if not script.startswith("#!"):
        sys.exit("sbatch: error: This does not look like a batch script.")
    if (folder / "longest-name").exists():
        given.job_name = given.job_name[: int((folder / "longest-name").read_text())]
    with _locked(folder):
        number = str(len(list((folder / "jobs").glob("*.sh"))) + 1)
        stored = folder / "jobs" / f"{number}.sh"
        stored.write_text(script)
        stored.chmod(0o755)
        job = {**vars(given), "id": number, "state": "PENDING", "environment": dict(os.environ), "restarts": 0}
        _write(folder, job)
    nothing = subprocess.DEVNULL
    subprocess.Popen(
        _words(folder, "run", number), start_new_session=True, stdin=nothing, stdout=nothing, stderr=nothing
    )
    if (folder / "answers-lost").exists():
        sys.exit("sbatch: error: Batch job submission failed: Socket timed out on send/recv operation")
    if (folder / "greeting").exists():
        print((folder / "greeting").read_text())
    print(number)


def _run(folder: Path, number: str) -> None:
    """What a node does with a job."""
    import subprocess

    limit = time.monotonic() + _PATIENCE
    while True:
        with _node(folder, limit, lambda: _job(folder, number)["state"] == "PENDING"):
            with _locked(folder):
                job = _job(folder, number)
                if job["state"] != "PENDING":
                    return
                output = open(job["output"].replace("%j", number), "ab")  # noqa: SIM115
                process = subprocess.Popen(
                    [folder / "jobs" / f"{number}.sh"],
                    cwd=job["chdir"],
                    env={**job["environment"], "SLURM_JOB_ID": number, "SLURM_RESTART_COUNT": str(job["restarts"])},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
                _write(folder, {**job, "state": "RUNNING", "pid": process.pid})
            try:
                code = process.wait(timeout=max(1.0, limit - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                code = process.wait()
        with _locked(folder):
            job = _job(folder, number)
            job["pid"] = None
            if job.pop("preempted", False) and job["requeue"]:
                _write(folder, {**job, "state": "PENDING", "restarts": job["restarts"] + 1})
                continue
            if job["state"] == "RUNNING":
                job["state"] = "COMPLETED" if code == 0 else "FAILED"
            _write(folder, {**job, "code": code})
            return


def _squeue(folder: Path, words: list[str]) -> None:
    given = _given("squeue", words, ("me", "noheader"), ("format", "name", "jobs", "states"))
    jobs, states = Slurm(folder).jobs(), os.environ.get("SQUEUE_STATES", given.get("states"))
    if "jobs" in given and given["jobs"] not in [job["id"] for job in jobs]:
        sys.exit("slurm_load_jobs error: Invalid job id specified")
    for job in jobs:
        wanted = given.get("jobs") == job["id"] if "jobs" in given else not job.get("hidden")
        wanted = wanted and given.get("name") in (None, job["job_name"])
        wanted = wanted and os.environ.get("SQUEUE_PARTITION") in (None, job["partition"])
        if wanted and (states == "all" or job["state"] in (states.split(",") if states else _LIVING)):
            print(_in_format(given["format"], {**job, "state": job.get("shown") or job["state"]}))


def _given(command: str, words: list[str], flags: tuple[str, ...], names: tuple[str, ...]) -> dict[str, str]:
    """The options, written as `--name=value`; what is none is refused."""
    given: dict[str, str] = {}
    for word in words:
        name, has_value, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or name not in (names if has_value else flags):
            sys.exit(f"{command}: unrecognized option '{word}'")
        given[name] = value
    return given


def _in_format(form: str, job: Mapping[str, Any]) -> str:
    for sign, name in (("%i", "id"), ("%T", "state"), ("%j", "job_name")):
        form = form.replace(sign, str(job[name]))
    return form


def _sacct(folder: Path, words: list[str]) -> None:
    if (folder / "no-accounts").exists():
        sys.exit("Slurm accounting storage is disabled")
    flags = ("noheader", "parsable2", "allocations")
    given = _given("sacct", words, flags, ("format", "name", "jobs", "starttime"))
    names = {"JobID": "id", "State": "state", "JobName": "job_name"}
    for job in Slurm(folder).jobs():
        is_asked_for = "jobs" not in given or job["id"] in given["jobs"].split(",")
        if given.get("name") in (None, job["job_name"]) and is_asked_for:
            print("|".join(str(job[names[field]]) for field in given["format"].split(",")))


def _scancel(folder: Path, words: list[str]) -> None:
    for number in words:
        with _locked(folder):
            try:
                job = _job(folder, number)
            except FileNotFoundError:
                sys.exit(f"scancel: error: Kill job error on job id {number}: Invalid job id specified")
            if job["state"] in _LIVING:
                _write(folder, {**job, "state": "CANCELLED", "shown": None})
        _kill(job, signal.SIGTERM)


def _kill(job: Mapping[str, Any], number: int) -> None:
    if job.get("pid"):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(job["pid"], number)


@contextlib.contextmanager
def _node(folder: Path, limit: float, waits: Callable[[], bool]) -> Iterator[None]:
    """One of the nodes, when one is free; ends the process where the job does not wait any more."""
    count = int((folder / "nodes").read_text())
    while time.monotonic() < limit and waits():
        for number in range(count):
            with (folder / f"node-{number}").open("a") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                os.set_inheritable(file.fileno(), False)
                yield
                return
        time.sleep(0.02)
    sys.exit("no node was free")


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _job(folder: Path, number: str) -> dict[str, Any]:
    return _read(folder / "jobs" / f"{number}.json")


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def _write(folder: Path, job: Mapping[str, Any]) -> None:
    path = folder / "jobs" / f"{job['id']}.json"
    new = path.with_name(f".{job['id']}.{os.getpid()}")
    new.write_text(json.dumps(job))
    new.replace(path)


def main() -> None:
    folder, command, *words = sys.argv[1:]
    if command == "run":
        _run(Path(folder), *words)
    else:
        _main(Path(folder), command, words)
