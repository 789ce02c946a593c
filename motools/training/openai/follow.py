"""Following a job to its end: what it says is printed as it says it, and what came of it is collected."""

from __future__ import annotations

import base64
import binascii
import csv
import io
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from motools.errors import StepError
from motools.training.journal import ENDED
from motools.training.openai.api import Api
from motools.training.openai.transport import Answer
from motools.training.tries import Refusal

__all__ = ["Follower", "beside", "loss_curve"]

COLUMNS = (
    "train_loss",
    "train_accuracy",
    "train_mean_token_accuracy",
    "valid_loss",
    "valid_mean_token_accuracy",
    "full_valid_loss",
    "full_valid_mean_token_accuracy",
)
"""What is kept of a step, where the provider tells it."""

MISSES = 3
"""How often in a row a provider must not know a job before that is believed."""


class Follower:
    """Looks at a job again and again, politely.

    Args:
        note: called with every answer of the provider whose status is new.
    """

    def __init__(self, api: Api, job_id: str, note: Callable[[Answer], Any]) -> None:
        self._api, self._job_id, self._note = api, job_id, note
        self._seen: set[str] = set()
        self._status: str | None = None
        self.metrics: dict[int, dict[str, Any]] = {}

    def to_the_end(self) -> Answer | None:
        """The job when it has ended, however it has; None where the provider no longer knows it.

        It takes as long as the job does. Raises `StepError` where the provider stays silent for too long, or says that
        the job has succeeded and names no model.
        """
        settings = self._api.settings
        delay = settings.poll_interval
        missed = 0
        while True:
            job = self._api.job(self._job_id)
            if job is None or (job["status"] == "succeeded" and not _model(job)):
                missed += 1
                if missed == MISSES and job is not None:
                    raise StepError(
                        f"{self._api.server} says that the job {self._job_id} has succeeded, and names no model. "
                        "`motools run` asks again, `motools run --force` starts a new job."
                    )
                if missed == MISSES:
                    return None
                time.sleep(delay)
                continue
            missed = 0
            news = self._tell_status(job) + self._tell_events()
            if job["status"] in ENDED:
                return job
            delay = settings.poll_interval if news else min(delay * 1.5, settings.max_poll_interval)
            time.sleep(delay)

    def _tell_status(self, job: Answer) -> int:
        if job["status"] == self._status:
            return 0
        self._status = job["status"]
        self._note(job)
        print(f"job {self._job_id} {self._status}", flush=True)
        return 1

    def _tell_events(self) -> int:
        """Print what is new, the oldest first; returns how much that is."""
        new: dict[str, Answer] = {}  # a page that is asked for later may begin with what was told already
        with beside("its events"):
            for event in self._api.events(self._job_id):
                if event["id"] in self._seen:
                    break
                new.setdefault(event["id"], event)
        for event in reversed(new.values()):
            self._seen.add(event["id"])
            data = event.get("data")
            data = data if isinstance(data, Mapping) else {}
            row = _row(data)
            if row is not None:
                self.metrics[row["step"]] = row
                print(f"step {row['step']}{_of(data)} loss {row['train_loss']:.4g}", flush=True)
            else:
                print(_plain(str(event.get("message") or event.get("type") or "")), flush=True)
        return len(new)


@contextmanager
def beside(what: str) -> Iterator[None]:
    """Go on without what a server refuses of a job beside the job itself: its model is not lost for that."""
    try:
        yield
    except Refusal as refusal:
        print(f"going on without {what}: {refusal}", flush=True)


def loss_curve(api: Api, job: Answer, by_step: Mapping[int, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What training said of each step, from the job's result file, or where that has none, from its events."""
    files = job.get("result_files")
    for file_id in (each for each in files if isinstance(each, str) and each) if isinstance(files, list) else ():
        for _ in range(3):  # an answer that was cut is not told from another by its form
            content = None
            with beside("its results"):
                content = api.content(file_id)
            if content is None:
                break
            rows = list(_rows(content))
            if rows:
                return rows
        print(f"the result file {file_id} holds no steps; the losses are those of the job's events", flush=True)
    return [dict(by_step[step]) for step in sorted(by_step)]


def _rows(content: bytes) -> Iterator[dict[str, Any]]:
    """The steps of a result file: CSV, which OpenAI serves as base64."""
    with suppress(binascii.Error):  # then it is the CSV itself
        content = base64.b64decode(content, validate=True)
    text = content.decode("utf-8", errors="replace")
    if not text.startswith("step,"):
        return
    with suppress(csv.Error):  # damaged: what comes before it is told
        for line in csv.DictReader(io.StringIO(text)):
            if (row := _row(line)) is not None:
                yield row


def _model(job: Answer) -> str:
    name = job.get("fine_tuned_model")
    return name.strip() if isinstance(name, str) else ""


def _row(values: Mapping[str, Any]) -> dict[str, Any] | None:
    """A step's numbers, or None where it has no number or no loss."""
    step = _number(values.get("step"))
    point = {name: number for name in COLUMNS if (number := _number(values.get(name))) is not None}
    return {"step": int(step), **point} if step is not None and "train_loss" in point else None


def _number(value: Any) -> float | None:
    """A number that JSON can hold, or None."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _of(data: Mapping[str, Any]) -> str:
    total = _number(data.get("total_steps"))
    return f"/{total:.0f}" if total else ""


def _plain(text: str) -> str:
    """A provider's words on one short line, without what a terminal would act on."""
    return "".join(c if c.isprintable() else " " for c in text)[:200]
