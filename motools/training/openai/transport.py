"""One request to OpenAI's API, and what its answer means."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from typing import Any

from motools.base.foreign_text import read_json
from motools.base.too_many_requests import curable
from motools.errors import StepError
from motools.training.journal import ENDED
from motools.training.tries import Busy, Doubtful, NotThere, Refusal

__all__ = ["Answer", "Call", "Sound", "send"]

Answer = dict[str, Any]
Call = Callable[[], Any]
Sound = Callable[[Answer], bool]


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
        answer = _read(content)
    except ValueError:
        raise Doubtful("an answer that is no JSON") from None
    if not isinstance(answer, dict) or not sound(answer):
        raise Doubtful(f"an answer that lacks what it should hold: {without_key(str(answer)):.80}")
    if isinstance(listing := answer.get("data"), list):
        return {**answer, "data": [_ended(each) if isinstance(each, dict) else each for each in listing]}
    return _ended(answer)


def _read(content: bytes) -> Any:
    """The value of an answer; a character that was cut in two, in its bytes or by an escape, is told as `?`."""
    text = content.decode("utf-8-sig", errors="replace")
    value = read_json(text)
    if _HALF.search(text):
        value = json.loads(json.dumps(value, ensure_ascii=False).encode(errors="replace"))
    return value


_HALF = re.compile(r"\\u[dD][89a-fA-F]")
_GOING = ("validating_files", "queued", "running", "paused", "pending")
_OTHERS = {
    "canceled": "cancelled",
    "completed": "succeeded",
    "error": "failed",
    "errored": "failed",
    "expired": "failed",
    "user_error": "failed",
}
"""How other servers of the protocol say it."""


def _ended(answer: Answer) -> Answer:
    """A job that has ended, in another way than those known here, has failed: it is not followed for ever. An error
    that is no object, as other servers of this protocol have it, is its message."""
    status, error = answer.get("status"), answer.get("error")
    if not isinstance(status, str) or "purpose" in answer:  # which a file has
        return answer
    if error and not isinstance(error, dict):
        error = {"message": error if isinstance(error, str) else json.dumps(error)}
        answer = {**answer, "error": error}
    plain = status.lower()
    plain = _OTHERS.get(plain, plain)
    if plain in ENDED or plain in _GOING:
        answer = {**answer, "status": plain}
    elif answer.get("finished_at"):
        answer = {**answer, "status": "failed"}
    if answer["status"] != "failed" or plain == status:
        return answer
    return {**answer, "error": error if error and error.get("message") else {"message": f"it ended as {status!r}"}}


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


def _message(error: Any) -> str:
    """The provider's own words, on one line."""
    said = error.body.get("message") if isinstance(error.body, dict) else None
    line = " ".join(str(said or error.message).split())
    return "".join(c for c in line if c.isprintable())[:500]


def without_key(text: str) -> str:
    """A text that may be written down."""
    key = os.environ.get("OPENAI_API_KEY")
    return text.replace(key, "…") if key else text
