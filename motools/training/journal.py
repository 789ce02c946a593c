"""The job journal: what was asked of a provider and what came of it, written down before and after each paid call.

One file a job's key, `.motools/jobs/<key>.json`, and one a file that was sent, `.motools/jobs/files/`. A job's key is
the step's key with what is sent: so a job is found again after an edit that changes neither, and is never taken for
that of another request, although the code that makes the request is in no key. The journal holds no secret. Losing it
loses nothing: the same marks stand in the job's metadata at the provider.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from motools.atom import records
from motools.base.files import make_folder, new_file, sweep
from motools.base.foreign_text import read_json
from motools.base.locks import open_lock
from motools.errors import UserError, listed
from motools.repo.project import Project
from motools.training import TrainingRequest

__all__ = ["DEAD", "ENDED", "JobEntry", "Journal", "counted", "job_key"]

DEAD = ("failed", "cancelled", "refused")
"""Never come back to: the next run submits a new job."""
ENDED = ("succeeded", *DEAD)


@dataclass(frozen=True)
class JobEntry:
    """The job of a request that a step makes.

    Attributes:
        key: the job's key; the step's, where a person gave the job to the step and no request has taken it up yet.
        step_key: the step's key.
        step: the step's name.
        folder: the pipeline's folder, from the project's root.
        model: the base model, as it was asked for; later as the provider spells it.
        server: the host that it was sent to.
        account: stands for the server, organisation and project that it was sent to.
        attempt: the mark that the job carries, made before it is sent.
        forced: whether the attempt was made with `--force`.
        status: `submitting`, `refused`, or what the provider said last.
        collected: whether its result has been fetched.
        created, updated: UTC times in ISO 8601.
        earlier: the ids of older jobs of the key.
        provider: the trainer that made it.
        sender: stands for the key that it was sent with; "" where nobody knows.
    """

    key: str
    step_key: str
    step: str
    folder: str
    model: str
    server: str
    account: str
    attempt: str = field(default_factory=lambda: str(uuid.uuid4()))
    forced: bool = False
    status: str = "submitting"
    job_id: str | None = None
    fine_tuned_model: str | None = None
    trained_tokens: int | None = None
    error: str | None = None
    collected: bool = False
    created: str = field(default_factory=records.now)
    updated: str = field(default_factory=records.now)
    earlier: tuple[str, ...] = ()
    provider: str = "openai"
    sender: str = ""

    @property
    def live(self) -> bool:
        """Whether, as far as is known here, the job goes on, or may have been made and go on."""
        return self.status not in ENDED

    def told(self, job: dict[str, Any]) -> JobEntry:
        """The entry, with what a provider's answer says of the job."""
        error = (job.get("error") or {}).get("message") or None
        return replace(
            self,
            job_id=job["id"],
            status=job["status"],
            model=model if isinstance(model := job.get("model"), str) and model else self.model,
            fine_tuned_model=job.get("fine_tuned_model"),
            trained_tokens=counted(job.get("trained_tokens")),
            error=error,
        )

    def anew(self, forced: bool) -> JobEntry:
        """The entry of a new attempt at the same key."""
        earlier = (*self.earlier, *([self.job_id] if self.job_id else []))
        where = (self.step, self.folder, self.model, self.server, self.account)
        return JobEntry(self.key, self.step_key, *where, forced=forced, earlier=earlier, provider=self.provider)


def counted(value: Any) -> int | None:
    """How many that are: a provider's number, also where it is written as a text; None where it is none."""
    if isinstance(value, str) and value.isdecimal() and len(value) < 19:
        value = int(value)
    whole = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 2**63
    return int(value) if whole else None


def job_key(step_key: str, request: TrainingRequest) -> str:
    """The key of the job that a step asks for: equal for the same step and the same content, wherever that lies."""
    asked = {name: value for name, value in vars(request).items() if name != "checkpoints"}
    for name, value in vars(request).items():
        if isinstance(value, Path):
            with value.open("rb") as file:
                asked[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return hashlib.sha256(json.dumps([step_key, asked], sort_keys=True).encode()).hexdigest()


class Journal:
    """The entries in a folder; each is replaced whole, and is on the disk when a method returns."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of(cls, project: Project) -> Journal:
        return cls(project.private / "jobs")

    def read(self, key: str) -> JobEntry | None:
        """The entry of a whole key, or None; a damaged one counts as absent, since the provider knows as well."""
        content = _read(self.folder / f"{key}.json")
        try:
            fields = {name: content[name] for name in JobEntry.__dataclass_fields__ if name in content}
            entry = JobEntry(**{**fields, "earlier": tuple(fields.get("earlier", ()))})
        except TypeError:  # a field is missing
            return None
        texts = (entry.key, entry.step_key, entry.step, entry.folder, entry.model, entry.status, entry.created)
        return entry if all(isinstance(text, str) for text in texts) else None

    def write(self, entry: JobEntry) -> JobEntry:
        with self._alone():
            return self._written(entry)

    def keep_up(self, entry: JobEntry) -> JobEntry:
        """Write what has become of an attempt, unless another run's has taken its place: that is the step's job now."""
        with self._alone():
            now = self.read(entry.key)
            return entry if now is not None and now.attempt != entry.attempt else self._written(entry)

    def _written(self, entry: JobEntry) -> JobEntry:
        entry = replace(entry, updated=records.now())
        _write(self.folder / f"{entry.key}.json", asdict(entry))
        return entry

    @contextmanager
    def _alone(self) -> Iterator[None]:
        make_folder(self.folder)
        handle = open_lock(self.folder.with_suffix(".lock"))
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def entries(self) -> Iterator[JobEntry]:
        """All, the newest first."""
        entries = [entry for path in self.folder.glob("*.json") if (entry := self.read(path.stem))]
        yield from sorted(entries, key=lambda entry: entry.created, reverse=True)

    def of_step(self, step_key: str) -> list[JobEntry]:
        """The entries of a step's key, the newest first."""
        return [entry for entry in self.entries() if entry.step_key == step_key]

    def take_up(self, entry: JobEntry, key: str) -> JobEntry:
        """Make a job that a person gave to a step that of a request, once and for all."""
        taken = self.write(replace(entry, key=key))
        self.forget(entry)
        return taken

    def forget(self, entry: JobEntry) -> None:
        (self.folder / f"{entry.key}.json").unlink(missing_ok=True)

    def find(self, word: str) -> JobEntry | None:
        """The entry of a key, of a prefix of one, or of a job's id; None where there is none.

        Raises:
            UserError: a prefix that fits several.
        """
        entries = [entry for entry in self.entries() if word in (entry.key, entry.job_id)]
        entries = entries or [entry for entry in self.entries() if entry.key.startswith(word)]
        if len(entries) > 1:
            keys = listed(entry.key[:16] for entry in entries)
            raise UserError(f"{word!r} fits {len(entries)} jobs: {keys}. Write more digits.")
        return entries[0] if entries else None

    # -- files that were sent ---------------------------------------------------

    def file_id(self, digest: str, account: str) -> str | None:
        """The provider's id of a file with this content, where it was sent to this account."""
        file_id = _read(self._file(digest, account)).get("file_id")
        return file_id if isinstance(file_id, str) else None

    def write_file(self, digest: str, account: str, file_id: str | None) -> None:
        """Note that a file is being sent (None), or under which id it arrived."""
        _write(self._file(digest, account), {"sha256": digest, "file_id": file_id, "updated": records.now()})

    def _file(self, digest: str, account: str) -> Path:
        return self.folder / "files" / f"{digest}-{account}.json"


def _read(path: Path) -> dict[str, Any]:
    try:
        content = read_json(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _write(path: Path, content: dict[str, Any]) -> None:
    sweep(path.parent)  # what a killed writer left
    with new_file(path) as file:
        file.write((json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())
        file.flush()
        os.fsync(file.fileno())
        os.fchmod(file.fileno(), 0o644)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # a power cut must not bring back the old name
    finally:
        os.close(folder)
