"""One request by Tinker's SDK: a deadline around it, and what its end means.

Some of the SDK's waits never end: it asks for a result again and again, without a pause where the server has an error,
and waits for an hour for an account to be paid. So each call is made in a thread of its own, which is left behind
where the server is silent, and what the SDK says of its requests on the way is listened to.
"""

from __future__ import annotations

import ast
import json
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, TypeVar

from motools.base.secrets import redact
from motools.base.too_many_requests import is_hopeless
from motools.errors import MotoolsError
from motools.repo.settings import TinkerSettings
from motools.training.tries import Busy, Doubtful, NotThere, Refusal

__all__ = ["Line", "Unable"]

T = TypeVar("T")
_FAILURES = 5
"""After how many errors in a row a result is no longer asked for at once, but after a pause."""
_REFUSALS = (400, 401, 402, 403, 422)
_FAILED = re.compile(r"Request failed: (.*?) for self\.request_id=", re.DOTALL)
_UNPAID = re.compile(r"paused due to billing status\. Error: (.*)", re.DOTALL)


class Unable(Refusal):
    """The server has tried, and finds that it cannot be done as it was asked."""


class Line(logging.Handler):
    """The line to a server: `ask` makes a call, and raises where it will not come to a good end.

    Attributes:
        server: its host, as sentences call it.
    """

    def __init__(self, server: str, settings: TinkerSettings) -> None:
        super().__init__(logging.INFO)
        self.server, self._settings = server, settings
        self._news = threading.Event()
        self._problem: Exception | None = None
        self._heard, self._failures = 0.0, 0

    def ask(self, doing: str, call: Callable[[], T]) -> T:
        """What a call returns.

        Raises:
            Busy, Doubtful, NotThere: it may go better with a new client, after a pause.
            Refusal: it will not; the server's own words.
        """
        box: Future[T] = Future()
        box.add_done_callback(lambda _: self._news.set())
        self._problem, self._failures = None, 0
        self._heard = began = time.monotonic()
        threading.Thread(target=_carry_out, args=(box, call), daemon=True).start()
        while True:
            self._news.clear()
            if box.done():
                break
            if self._problem is not None:
                raise self._problem
            now = time.monotonic()
            if now - self._heard > self._settings.timeout:
                raise Doubtful(f"no answer in {self._settings.timeout:g} s while {doing}")
            if now - began > self._settings.queue:
                raise Doubtful(f"still in the server's queue after {self._settings.queue:g} s while {doing}")
            self._news.wait(min(0.5, self._settings.timeout / 10))
        try:
            return box.result()
        except Exception as error:
            raise self._meaning(error) from None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hear what the SDK and its HTTP client log, which nobody else shall, as long as this lasts."""
        loggers = [logging.getLogger(name) for name in ("httpx", "tinker")]
        before = [(logger.level, logger.propagate) for logger in loggers]
        for logger in loggers:
            logger.addHandler(self)
            logger.propagate = False
            logger.setLevel(logging.INFO if logger.name == "httpx" else logging.WARNING)
        try:
            yield
        finally:
            for logger, (level, propagate) in zip(loggers, before, strict=True):
                logger.removeHandler(self)
                logger.setLevel(level)
                logger.propagate = propagate

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == "httpx":
            if isinstance(record.args, tuple) and len(record.args) >= 4:
                self._answered(str(record.args[1]), record.args[3])
        elif said := _UNPAID.search(record.getMessage()):
            self._trip(Refusal(self._refused(402, _plain(_of_text(said[1])))))
        elif record.name.endswith(".queue_state_logger"):  # every minute, after a quarter of an hour
            print(_plain(record.getMessage()), flush=True)

    def _answered(self, url: str, status: Any) -> None:
        """An answer of the server to the question for a result; that it is not there yet is a sign of life, too."""
        if not url.endswith("/retrieve_future") or not isinstance(status, int):
            return
        if status < 400 or status == 408:
            self._heard, self._failures = time.monotonic(), 0
            return
        self._failures += 1
        if status >= 500 and self._failures >= _FAILURES:
            self._trip(Doubtful(f"{status} for each of {self._failures} requests"))

    def _trip(self, problem: Exception) -> None:
        self._problem = problem
        self._news.set()

    def _meaning(self, error: BaseException) -> BaseException:
        import tinker

        if isinstance(error, (MotoolsError, Busy, Doubtful, NotThere)):
            return error
        if isinstance(error, tinker.RequestFailedError):
            match = _FAILED.search(str(error))
            words = _plain(match[1] if match else str(error))
            if error.category.value == "user":
                return Unable(f"{self.server} could not do what was asked: {_ended(words)}")
            return Doubtful(f"a request failed there: {words}")
        status = _status_error(error)
        if status is None:
            return Doubtful(_plain(f"{type(error).__name__}: {error}")[:200])
        words = _plain(_words(status.body) or str(status.message))
        code: int = status.status_code
        if code == 429 and not is_hopeless(status):
            return Busy(_seconds(status.response.headers.get("retry-after", "")), words)
        if code in (*_REFUSALS, 429):
            return Refusal(self._refused(code, words))
        if code in (404, 410):
            return NotThere(words)
        return Doubtful(f"{code}: {words}")

    def _refused(self, code: int, words: str) -> str:
        advice = " Check TINKER_API_KEY." if code == 401 else ""
        return f"{self.server} refused ({code}): {_ended(words)}{advice}"


def _carry_out(box: Future[T], call: Callable[[], T]) -> None:
    try:
        box.set_result(call())
    except BaseException as error:
        box.set_exception(error)


def _status_error(error: BaseException | None) -> Any:
    """The answer with an error status that lies at the bottom of an error, or None."""
    import tinker

    while error is not None and not isinstance(error, tinker.APIStatusError):
        error = error.__cause__ or error.__context__
    return error


def _words(body: Any) -> str:
    """What a server says in the body of an error, in one of the places where servers say it."""
    if isinstance(body, dict):
        return next((said for name in ("message", "error", "detail") if (said := _words(body.get(name)))), "")
    if isinstance(body, list):
        return "; ".join(filter(None, map(_words, body))) or json.dumps(body)
    return str(body or "")


def _of_text(text: str) -> str:
    """The server's words in the message that the SDK makes of them."""
    _, _, body = text.partition(" - ")
    try:
        return _words(ast.literal_eval(body)) or text
    except (ValueError, SyntaxError):
        return text


def _plain(text: str) -> str:
    """A server's words on one line, without what a terminal would act on and without a key."""
    return redact("".join(c if c.isprintable() else " " for c in " ".join(text.split())))[:500]


def _ended(words: str) -> str:
    return words if words[-1:] in ".!?" else f"{words}."


def _seconds(text: str) -> float | None:
    try:
        return max(0.0, float(text))
    except ValueError:
        return None
