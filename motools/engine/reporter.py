"""Reporters: a run tells what happens through these events; what is shown is theirs to decide."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

INTERRUPTED = "it was interrupted"
"""The error of a stage that was stopped by Ctrl-C: its log ends in what stopped it, and tells nothing."""


class Reporter(Protocol):
    """Hears of a run. `stage` is the stage's name; times are in seconds."""

    def note(self, text: str) -> None:
        """Something worth a line: whom the run waits for, what was put aside."""

    def expects(self, stages: Sequence[str], before: Callable[[str], float | None]) -> None:
        """Which stages are not current, and how long, in seconds, one took when it was last executed, if that is
        known; told once, before the first starts."""

    def started(self, stage: str, reasons: tuple[str, ...], log: Path) -> None: ...

    def answered(self, stage: str, how: str) -> None:
        """The stage did not have to run: `how` is `current` or `restored`."""

    def finished(self, stage: str, seconds: float) -> None: ...

    def failed(self, stage: str, error: str, log: Path | None) -> None:
        """The stage failed; `log` is None where it could not even start."""

    def skipped(self, stage: str, because: str) -> None:
        """The stage did not start, since one that it needs failed."""


class Silent:
    """Shows nothing: for `run_workflow`, whose caller gets the state."""

    def note(self, text: str) -> None:
        pass

    def expects(self, stages: Sequence[str], before: Callable[[str], float | None]) -> None:
        pass

    def started(self, stage: str, reasons: tuple[str, ...], log: Path) -> None:
        pass

    def answered(self, stage: str, how: str) -> None:
        pass

    def finished(self, stage: str, seconds: float) -> None:
        pass

    def failed(self, stage: str, error: str, log: Path | None) -> None:
        pass

    def skipped(self, stage: str, because: str) -> None:
        pass


class InFolder:
    """Tells another reporter of the stages of one folder among several: `experiments/a: train_model`."""

    def __init__(self, other: Reporter, folder: str) -> None:
        self._other = other
        self._folder = folder

    def _named(self, stage: str) -> str:
        return f"{self._folder}: {stage}"

    def note(self, text: str) -> None:
        self._other.note(text)

    def expects(self, stages: Sequence[str], before: Callable[[str], float | None]) -> None:
        self._other.expects(stages, before)

    def started(self, stage: str, reasons: tuple[str, ...], log: Path) -> None:
        self._other.started(self._named(stage), reasons, log)

    def answered(self, stage: str, how: str) -> None:
        self._other.answered(self._named(stage), how)

    def finished(self, stage: str, seconds: float) -> None:
        self._other.finished(self._named(stage), seconds)

    def failed(self, stage: str, error: str, log: Path | None) -> None:
        self._other.failed(self._named(stage), error, log)

    def skipped(self, stage: str, because: str) -> None:
        self._other.skipped(self._named(stage), because)
