"""One request to OpenAI's API: what its answer means, and how long one that failed is tried again."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from typing import Any

from motools.base.too_many_requests import curable
from motools.errors import StepError
from motools.repo.settings import OpenAISettings

__all__ = ["Answer", "Busy", "Call", "Doubtful", "NotThere", "Refusal", "Sound", "Tries", "send"]

Answer = dict[str, Any]
Call = Callable[[], Any]
Sound = Callable[[Answer], bool]


class Doubtful(Exception):
    """No answer, or none that can be understood: what was asked may have been done."""


class Busy(Exception):
    """Refused for now; `wait` is how long the server asks to wait, in seconds, or None."""

    def __init__(self, wait: float | None, said: str) -> None:
        super().__init__(f"too many requests: {said}")
        self.wait = wait


class Refusal(StepError):
    """The server has understood, and will not: nothing was done."""


class NotThere(Exception):
    """The server knows nothing of that name; its own words."""


def send(server: str, call: Call, sound: Sound | None) -> Answer:
    """One request, and what its answer says; with no `sound`, the bytes of the answer under `content`.

    Raises:
        Doubtful, Busy, NotThere: see there.
        StepError: the server refuses, or the request cannot be made.
    """
    import openai

    try:
        content = call().http_response.content
    except openai.NotFoundError as error:
        raise NotThere(without_key(_message(error))) from None
    except openai.APIStatusError as error:
        raise _problem(server, error) from None
    except openai.APIConnectionError as error:
        raise Doubtful(str(error.__cause__ or error).strip() or type(error.__cause__).__name__) from None
    except openai.OpenAIError as error:
        raise StepError(f"The request to {server} could not be made: {without_key(str(error))}") from None
    if sound is None:
        return {"content": content}
    try:
        answer = json.loads(content)
    except ValueError:
        raise Doubtful("an answer that is no JSON") from None
    if not isinstance(answer, dict) or not sound(answer):
        raise Doubtful(f"an answer that lacks what it should hold: {without_key(str(answer)):.80}")
    return answer


def _problem(server: str, error: Any) -> Exception:
    """What an answer with an error status means: try again, ask whether it arrived, or give up."""
    message = without_key(_message(error))
    if error.status_code == 429 and (wait := curable(error, message)) is not False:
        return Busy(wait, message)
    if error.status_code in (408, 409) or error.status_code >= 500:
        return Doubtful(f"{error.status_code}: {message}")
    advice = ""
    if error.status_code == 401 and error.code in (None, "invalid_api_key", "invalid_organization"):
        advice = " Check OPENAI_API_KEY, and OPENAI_ORG_ID and OPENAI_PROJECT_ID where they are set."
    return Refusal(f"{server} refused ({error.status_code}): {message}{'' if message[-1:] in '.!?' else '.'}{advice}")


class Tries:
    """How often and for how long something is tried again; the clock starts with the first failure."""

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
        patience = self._settings.patience
        if self._until is None:
            self._until = time.monotonic() + patience
        if self._left is not None and isinstance(problem, Doubtful):
            self._left -= 1
        asked = problem.wait if isinstance(problem, Busy) else None
        delay = max(self._delay, asked or 0)
        if waiting:
            self._until = time.monotonic() + delay + patience
        if self._left == 0 or time.monotonic() + delay > self._until:
            raise StepError(
                f"{self._server} gave no answer to go by while {self._doing} ({problem}), "
                f"with a patience of {patience:g} s. {outlook}"
            )
        if delay >= 1:
            print(f"{self._doing}: {problem}{waiting and f'; {waiting}'}; again in {delay:.0f} s", flush=True)
        time.sleep(delay)
        self._delay = min(self._delay * 2, self._settings.max_poll_interval)


def _message(error: Any) -> str:
    """The provider's own words, on one line."""
    said = error.body.get("message") if isinstance(error.body, dict) else None
    line = " ".join(str(said or error.message).split())
    return "".join(c for c in line if c.isprintable())[:500]


def without_key(text: str) -> str:
    """A text that may be written down."""
    key = os.environ.get("OPENAI_API_KEY")
    return text.replace(key, "…") if key else text
