"""A job and its answer: one step, as whoever has the repository and the DVC remote can run it, and what came of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from motools.base.resources import Resources
from motools.executors.environment import Environment
from motools.repo.hashing import Out
from motools.repo.step_cache import CachedResult

__all__ = ["Answer", "Job", "Source"]


@dataclass(frozen=True)
class Source:
    """The state of a git repository, and the DVC remote beside it: all that a machine without shared files is told.

    Attributes:
        repository: what `git fetch` takes, without any password.
        commit: must be there.
        patch: what differs from it in the work tree, as `git diff --binary`, compressed and in base64; "" for nothing.
        patch_id: the SHA-256 of the patch, for the record.
        tree: git's id of the tree that commit and patch make, by which it is checked.
        project: the project's folder below the repository's top.
        remote: the name and the address of the DVC remote; what lets one in is the worker's own.
    """

    repository: str
    commit: str
    tree: str
    patch: str = ""
    patch_id: str | None = None
    project: str = "."
    remote: tuple[str, str] | None = None


@dataclass(frozen=True)
class Job:
    """One step. Nothing in it is secret: keys are those that the worker's own environment has.

    Attributes:
        key: the step's key in the step cache; a worker to which the step has another one refuses it.
        state: names the state of the project's files that the job is to be run with, and the run where that is forced;
            two jobs of one key and one state are the same.
        folder: the pipeline's folder below the project's root.
        root: the project's folder where all machines see the same files; else None, and `source` says where from.
        locked: the stage's entry in dvc.lock.
        log: the file that takes what the step prints, where files are shared.
        function, versions: what the key says of the code, for a sentence on what differs.
        environment: what is installed where the job was made.
    """

    key: str
    state: str
    step: str
    workflow: str
    folder: str
    values: Mapping[str, Any]
    takes: Mapping[str, str]
    outputs: Mapping[str, str]
    inputs: Mapping[str, str]
    function: str
    versions: Mapping[str, str]
    user: str
    environment: Environment
    keeps_logs: bool = False
    gathers: tuple[str, ...] = ()
    preload: tuple[str, ...] = ()
    locked: Mapping[str, Any] = field(default_factory=dict)
    commit: str | None = None
    changed: Mapping[str, str | None] = field(default_factory=dict)
    asked: tuple[str, ...] = ()
    force: bool = False
    earlier: bool = True
    resources: Resources = field(default_factory=Resources)
    root: str | None = None
    source: Source | None = None
    log: str | None = None

    def dumps(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def loads(cls, text: str | bytes) -> Job:
        """Raises `ValueError` or `TypeError` where it is none."""
        about = json.loads(text)
        source = about.pop("source")
        if source is not None:
            source = Source(**{**source, "remote": tuple(source["remote"]) if source["remote"] else None})
        return cls(
            **{
                **about,
                **{name: tuple(about[name]) for name in ("gathers", "preload", "asked")},
                "environment": Environment(**about["environment"]),
                "resources": Resources(**about["resources"]),
                "source": source,
            }
        )


@dataclass(frozen=True)
class Answer:
    """What came of a job.

    Attributes:
        executed: False where an equal result was at hand.
        entry: its entry in the step cache, whose objects are in the remote, or in the cache that is shared; else
            `error` says in one sentence what went wrong.
        log: the end of what the step printed, where files are not shared.
        where: the machine.
        notes: sentences for the person who runs it.
        adopted: whether an earlier run has submitted the job, so that it may have run older code.
    """

    executed: bool
    entry: CachedResult | None = None
    error: str | None = None
    log: str = ""
    where: str = ""
    notes: tuple[str, ...] = ()
    adopted: bool = False

    def dumps(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def loads(cls, text: str | bytes) -> Answer:
        """Raises `ValueError` or `TypeError` where it is none."""
        about = json.loads(text)
        if (entry := about["entry"]) is not None:
            outputs = {role: Out(**out) for role, out in entry["outputs"].items()}
            logs = Out(**entry["logs"]) if entry["logs"] else None
            about["entry"] = CachedResult(outputs, Out(**entry["record"]), logs)
        return cls(**{**about, "notes": tuple(about["notes"])})
