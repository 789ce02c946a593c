"""What failed last: remembered until the stage succeeds, so that `status` can tell of it, and where its log lies."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from motools.atom import records
from motools.base.ages import age
from motools.base.files import replace_file
from motools.base.secrets import redact
from motools.code.search_path import PipelineFolder
from motools.engine.reporter import Reporter
from motools.errors import UserError, did_you_mean, listed

__all__ = ["Failure", "Remembering", "failure_of", "failures_of", "forget", "log_of", "log_path", "remember"]


@dataclass(frozen=True)
class Failure:
    """How a stage failed: when, why in one sentence, and the file with what it printed, if it was started."""

    when: str
    error: str
    log: str | None

    def told(self, stage: str) -> str:
        error = self.error.rstrip(".")
        log = f" (motools log {stage} shows its log)" if self.log else ""
        return f"it failed at {self.when}, {age(self.when)}: {error}{log}"


def log_path(place: PipelineFolder, stage: str) -> Path:
    """Where what a stage prints goes."""
    return _private(place, "logs") / f"{stage}.log"


def log_of(place: PipelineFolder, stage: str) -> Path:
    """The log of a stage's last execution here; raises `UserError` where there is none."""
    folder = _private(place, "logs")
    executed = sorted(path.name.removesuffix(".log") for path in folder.glob("*.log"))
    if stage not in executed:
        raise UserError(
            f"There is no log of a step {stage!r} of {place.folder}.{did_you_mean(stage, executed)} "
            f"Executed here: {listed(executed)}."
        )
    return log_path(place, stage)


def failure_of(place: PipelineFolder, stage: str) -> Failure | None:
    """How a stage failed when it was last tried here; None where it did not, or has succeeded since."""
    try:
        kept = json.loads(_path(place, stage).read_text(encoding="utf-8"))
        return Failure(str(kept["when"]), str(kept["error"]), kept["log"] and str(kept["log"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def failures_of(place: PipelineFolder) -> dict[str, Failure]:
    """Every stage of a folder that failed when it was last tried here, and how."""
    names = (path.name.removesuffix(".json") for path in sorted(_private(place, "failed").glob("*.json")))
    failures = {name: failure_of(place, name) for name in names}
    return {name: failure for name, failure in failures.items() if failure is not None}


def remember(place: PipelineFolder, stage: str, error: str, log: Path | None) -> None:
    failure = Failure(records.now(), redact(error), str(log) if log else None)
    with suppress(OSError):  # a full disk: the failure itself is told all the same
        replace_file(_path(place, stage), json.dumps(asdict(failure)) + "\n")


def forget(place: PipelineFolder, stage: str) -> None:
    with suppress(OSError):
        _path(place, stage).unlink(missing_ok=True)


def _path(place: PipelineFolder, stage: str) -> Path:
    return _private(place, "failed") / f"{stage}.json"


def _private(place: PipelineFolder, kind: str) -> Path:
    return place.project.private / kind / place.folder.relative_to(place.project.root)


class Remembering:
    """A reporter that keeps what failed, and passes everything on to another."""

    def __init__(self, other: Reporter, place: PipelineFolder) -> None:
        self._other = other
        self._place = place

    def note(self, text: str) -> None:
        self._other.note(text)

    def expects(self, stages: Sequence[str], before: Callable[[str], float | None]) -> None:
        self._other.expects(stages, before)

    def started(self, stage: str, reasons: tuple[str, ...], log: Path) -> None:
        self._other.started(stage, reasons, log)

    def answered(self, stage: str, how: str) -> None:
        forget(self._place, stage)
        self._other.answered(stage, how)

    def finished(self, stage: str, seconds: float) -> None:
        forget(self._place, stage)
        self._other.finished(stage, seconds)

    def failed(self, stage: str, error: str, log: Path | None) -> None:
        remember(self._place, stage, error, log)
        self._other.failed(stage, error, log)

    def skipped(self, stage: str, because: str) -> None:
        self._other.skipped(stage, because)
