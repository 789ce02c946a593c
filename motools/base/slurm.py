"""SLURM by its own commands: hand a job in, ask how one's jobs are, end one.

A job is known by a name that nobody else gives, so that it is found again where sbatch's answer never arrived.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from motools.errors import BackendError, ConfigError

__all__ = ["PROVIDER", "Living", "Unreachable", "cancel", "ended_as", "living", "name_of", "submit"]

PROVIDER = "slurm"
"""What the journal calls it."""

_PATIENCE = 120.0
"""Seconds for one command; SLURM's own limit for a message is 10 unless an administrator raises it."""
_LOST = ("contact slurm controller", "timed out", "connection refused", "connect failure", "communication")
"""In what the commands say when slurmctld does not answer; a job may have arrived all the same."""


class Unreachable(BackendError):
    """SLURM does not answer now."""


@dataclass(frozen=True)
class Living:
    """A job that waits or runs, with SLURM's word for it, such as PENDING."""

    id: str
    name: str
    state: str


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
    words = ["sbatch", "--parsable", f"--job-name={name_of(attempt)}", *options, str(script)]
    return _asked(words, environment, (handle,)).strip().split(";")[0]


def living(attempt: str | None = None) -> list[Living]:
    """One's own jobs that wait or run, of one attempt or all. Raises `Unreachable`."""
    words = ["squeue", "--me", "--noheader", "--format=%i %T %j", *([f"--name={name_of(attempt)}"] if attempt else [])]
    lines = (line.split(None, 2) for line in _asked(words).splitlines())
    return [Living(line[0], line[2], line[1]) for line in lines if len(line) == 3]


def ended_as(job: str) -> str | None:
    """SLURM's word for how a job ended, such as TIMEOUT; None where it keeps no accounts or does not answer."""
    try:
        said = _asked(["sacct", "--noheader", "--parsable2", "--allocations", "--format=State", f"--jobs={job}"])
    except (BackendError, ConfigError):
        return None
    words = said.split()
    return words[0] if words else None


def cancel(job: str) -> None:
    """End a job; one that has ended already stays as it is. Raises `Unreachable`, `BackendError`."""
    _asked(["scancel", job])


def name_of(attempt: str) -> str:
    """The name of an attempt's job."""
    return f"motools-{attempt}"


def _asked(words: Sequence[str], environment: Mapping[str, str] | None = None, handles: Sequence[int] = ()) -> str:
    try:
        done = subprocess.run(
            words,
            env=environment if environment is not None else os.environ,
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
        lost = any(word in said.lower() for word in _LOST)
        raise Unreachable(said) if lost else BackendError(f"SLURM refuses: {said}")
    return done.stdout
