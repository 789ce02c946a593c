"""SLURM by its own commands: hand a job in, ask how one's jobs are, end one.

A job is known by a name that nobody else gives, so that it is found again where sbatch's answer never arrived.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from motools.errors import BackendError, ConfigError

__all__ = ["ENDED", "PROVIDER", "Living", "Unreachable", "cancel", "living", "state_of", "submit"]

PROVIDER = "slurm"
"""What the journal calls it."""

_PATIENCE = 120.0
"""Seconds for one command; SLURM's own limit for a message is 10 unless an administrator raises it."""
_LOST = ("contact slurm controller", "timed out", "connection refused", "connect failure", "communication")
"""In what the commands say when slurmctld does not answer; a job may have arrived all the same."""
_FINAL = ("invalid job id", "unrecognized option", "invalid option")
"""In what a question is refused with that would be refused again; all else passes."""
ENDED = (
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "DEADLINE",
    "FAILED",
    "LAUNCH_FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PREEMPTED",
    "RECONFIG_FAIL",
    "REVOKED",
    "TIMEOUT",
)
_HABITS = ("SQUEUE_", "SACCT_", "SCANCEL_", "SBATCH_ARRAY_INX", "SBATCH_EXPORT", "SBATCH_WAIT", "SBATCH_CLUSTERS")
"""How variables begin that a person sets for what is typed by hand: a queue of one partition would hide the rest."""
_NAME = "motools-"
_TELLING = len(_NAME) + 12
"""Characters of a name that tell it from all others, where a cluster cuts it."""


class Unreachable(BackendError):
    """SLURM does not answer now."""


@dataclass(frozen=True)
class Living:
    """A job that waits or runs, with SLURM's word for it, such as PENDING."""

    id: str
    name: str
    state: str

    def is_of(self, attempt: str, number: str | None = None) -> bool:
        """Whether it is an attempt's: by its name, also where that was cut, or by its number where it was renamed."""
        whole = f"{_NAME}{attempt}"
        cut = len(self.name) >= _TELLING and whole.startswith(self.name)
        return self.name == whole or cut or (self.id == number and not self.name.startswith(_NAME))


def submit(script: Path, attempt: str, options: Sequence[str], environment: Mapping[str, str], handle: int) -> str:
    """Hand a batch script in; returns the job's id.

    Args:
        attempt: what the job is found by again.
        options: more of sbatch's own.
        environment: what the job is given, too, and what clusters may keep in their accounts: nothing secret.
        handle: an open file that sbatch keeps open as long as it lives.

    Raises:
        Unreachable: no answer; the job may have been made.
        BackendError: SLURM refuses it, in its own words.
    """
    said = _asked(
        ["sbatch", "--parsable", f"--job-name={_NAME}{attempt}", *options, str(script)], environment, (handle,)
    )
    for line in reversed(said.split("\n")):  # some clusters greet first
        if (number := line.strip().split(";")[0]).isdecimal():
            return number
    raise Unreachable(f"sbatch gives no number of a job, but {' '.join(said.split())!r:.100}")


def living(attempt: str | None = None, number: str | None = None) -> list[Living]:
    """One's own jobs that wait or run, the oldest first: all, or those of an attempt, known by its name or a number.

    Raises `Unreachable`.
    """
    lines = (line.split(None, 2) for line in _asked(["squeue", "--me", "--noheader", "--format=%i %T %j"]).splitlines())
    jobs = [Living(line[0], line[2].strip(), line[1]) for line in lines if len(line) == 3]
    return sorted((job for job in jobs if attempt is None or job.is_of(attempt, number)), key=_age)


def _age(job: Living) -> tuple[int, str]:
    digits = "".join(c if c.isdecimal() else " " for c in job.id).split()
    return int(digits[0]) if digits else 0, job.id


def state_of(job: str) -> str | None:
    """SLURM's word for a job, also for one that has ended, such as TIMEOUT; None where it does not know it any more.

    Raises `Unreachable`.
    """
    try:
        said = _asked(["squeue", "--noheader", "--states=all", "--format=%T", f"--jobs={job}"]).split()
    except Unreachable:
        raise
    except BackendError:  # it is gone for longer than the queue remembers
        said = []
    if said:
        return said[0]
    with suppress(BackendError, ConfigError):  # it keeps no accounts, or they do not answer
        words = _asked(
            ["sacct", "--noheader", "--parsable2", "--allocations", "--format=State", f"--jobs={job}"]
        ).split()
        return words[0] if words and words[0] in ENDED else None  # the queue knows better what still runs
    return None


def cancel(job: str) -> None:
    """End a job; one that has ended already stays as it is. Raises `Unreachable`, `BackendError`."""
    try:
        _asked(["scancel", job])
    except BackendError as error:
        if _FINAL[0] not in str(error).lower():
            raise


def _asked(words: Sequence[str], environment: Mapping[str, str] | None = None, handles: Sequence[int] = ()) -> str:
    environment = environment if environment is not None else os.environ
    try:
        done = subprocess.run(
            words,
            env={name: value for name, value in environment.items() if not name.startswith(_HABITS)},
            pass_fds=handles,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE,
            check=False,
            start_new_session=True,  # Ctrl-C is for us
        )
    except FileNotFoundError:
        raise ConfigError(
            f"There is no {words[0]} here: run this where SLURM's commands are, on a login node."
        ) from None
    except subprocess.TimeoutExpired:
        raise Unreachable(f"{words[0]} has not answered for {_PATIENCE:.0f} s") from None
    if done.returncode != 0:
        said = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        is_question = words[0] in ("squeue", "sacct")
        lost = any(word in said.lower() for word in _LOST)
        lost = lost or (is_question and not any(word in said.lower() for word in _FINAL))
        raise Unreachable(said) if lost else BackendError(f"SLURM refuses: {said}")
    return done.stdout
