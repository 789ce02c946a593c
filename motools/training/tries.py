"""What the end of a request to a provider means, and how long one that failed is tried again."""

from __future__ import annotations

import time

from motools.errors import StepError
from motools.repo.settings import OpenAISettings

__all__ = ["Busy", "Doubtful", "NotThere", "Refusal", "Tries"]


class Doubtful(Exception):
    """No answer, or none that can be understood: what was asked may have been done."""


class Busy(Exception):
    """Refused for now; `wait` is how long the server asks to wait, in seconds, or None."""

    def __init__(self, wait: float | None, answer: str) -> None:
        super().__init__(f"too many requests: {answer}")
        self.wait = wait


class Refusal(StepError):
    """The server has understood, and will not: nothing was done."""


class NotThere(Exception):
    """The server knows nothing of that name; its own words."""


class Tries:
    """How often and for how long something is tried again; the clock starts with the first failure, and anew
    where there was something to wait for."""

    def __init__(self, server: str, settings: OpenAISettings, doing: str, most: int | None = None) -> None:
        self._server, self._settings, self._doing, self._left = server, settings, doing, most
        self._delay = min(1.0, settings.poll_interval)
        self._until: float | None = None

    def wait(self, problem: Busy | Doubtful, outlook: str, waiting: str = "") -> None:
        """Wait before the next try.

        Args:
            waiting: for what, where it will come and the server answers: then patience does not end.

        Raises:
            StepError: patience is at its end; the sentence ends with the outlook.
        """
        patience, now = self._settings.patience, time.monotonic()
        if self._left is not None and isinstance(problem, Doubtful):
            self._left -= 1
        asked = problem.wait if isinstance(problem, Busy) else None
        delay = max(self._delay, asked or 0)
        if waiting:
            delay, self._until = min(delay, patience), None  # a place may come free long before
        elif self._until is None:
            self._until = now + patience
        if self._left == 0 or (self._until is not None and now + delay > self._until):
            raise StepError(
                f"{self._server} gave no answer to go by while {self._doing} ({problem}), "
                f"with a patience of {patience:g} s. {outlook}"
            )
        if delay >= 1:
            print(f"{self._doing}: {problem}{waiting and f'; {waiting}'}; again in {delay:.0f} s", flush=True)
        time.sleep(delay)
        self._delay = min(self._delay * 2, self._settings.max_poll_interval)
