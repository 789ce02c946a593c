"""The door to OpenAI's API, or to a server that speaks it: each call tried as often, and only as often, as is safe."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from motools.base.provider_environment import check_environment, lacking
from motools.errors import BackendError, StepError
from motools.repo.settings import OpenAISettings
from motools.training.journal import ENDED
from motools.training.openai.transport import Answer, Call, Sound, send
from motools.training.tries import Busy, Doubtful, NotThere, Refusal, Tries

__all__ = ["Api", "check_access", "server"]

DEFAULT_URL = "https://api.openai.com/v1"
TRIES = 3
"""How often a call that costs money is sent, where its answers are lost and nothing shows that it arrived."""


def check_access() -> None:
    """Refuse what no request could be sent with: the package or the key is missing, or a variable is odd.

    Imports nothing heavy.

    Raises:
        BackendError: with what to type.
    """
    if importlib.util.find_spec("openai") is None:
        raise BackendError("Training with 'openai' needs a package that is missing: pip install openai.")
    if not os.environ.get("OPENAI_API_KEY", "").strip():
        raise BackendError(f"Training with 'openai' needs {lacking('OPENAI_API_KEY')}")
    check_environment("OPENAI")


def server() -> str:
    """The host that requests go to."""
    return urlsplit(os.environ.get("OPENAI_BASE_URL") or DEFAULT_URL).hostname or "?"


def account() -> str:
    """Twelve digits for where a file that was sent can be found again: the server, organisation and project."""
    names = [os.environ.get(f"OPENAI_{name}", "") for name in ("BASE_URL", "ORG_ID", "PROJECT_ID")]
    names[0] = names[0].rstrip("/") or DEFAULT_URL
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:12]


def sender() -> str:
    """Eight digits for the key that requests are sent with: another one may be that of another account."""
    return hashlib.sha256(os.environ.get("OPENAI_API_KEY", "").strip().encode()).hexdigest()[:8]


def _is_id(value: Any) -> bool:
    """Whether it can be asked for."""
    return isinstance(value, str) and value.strip(".") != "" and value.isprintable()


def _is_job(answer: Answer) -> bool:
    """Whether an answer is a job, whatever it still lacks: with an id and a status."""
    sound = _is_id(answer.get("id")) and isinstance(answer.get("status"), str)
    return sound and all(isinstance(answer.get(name), dict | None) for name in ("metadata", "method"))


def _is_file(answer: Answer) -> bool:
    return _is_id(answer.get("id"))


def _is_page(answer: Answer) -> bool:
    data = answer.get("data")
    return isinstance(data, list) and all(isinstance(item, dict) and isinstance(item.get("id"), str) for item in data)


def _with(id: str, sound: Sound) -> Sound:
    """That, of the id which was asked for: some gates and caches mix answers up."""
    return lambda answer: answer.get("id") == id and sound(answer)


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


class Api:
    """What training needs of the API. Answers are the JSON as it came, so that no new field or word can break a run.

    Attributes:
        outlook: what a sentence about a server that has gone silent ends with.
    """

    def __init__(self, settings: OpenAISettings) -> None:
        check_access()
        from openai import OpenAI  # 1.2 s

        self.settings = settings
        self.server, self.account, self.sender = server(), account(), sender()
        self.outlook = "`motools run` goes on from here."
        # It would send a lost request again without looking whether the first one arrived.
        address = os.environ.get("OPENAI_BASE_URL") or DEFAULT_URL  # an empty one is none
        client = OpenAI(max_retries=0, timeout=settings.timeout, base_url=address)
        self._files = client.files.with_raw_response
        self._jobs = client.fine_tuning.jobs.with_raw_response
        self._checkpoints = client.fine_tuning.jobs.checkpoints.with_raw_response

    # -- what can be asked again and again ----------------------------------------

    def job(self, job_id: str) -> Answer | None:
        """The job, or None where the server does not know it."""
        try:
            return self._ask("asking for the job", partial(self._jobs.retrieve, job_id), _with(job_id, _is_job))
        except NotThere:
            return None

    def jobs(self, marks: Mapping[str, str]) -> list[Answer]:
        """The jobs whose metadata has these marks; looked at here too, since a server may ignore the filter."""
        listing = partial(self._jobs.list, metadata=dict(marks))
        jobs = self._pages("looking for the job", listing)
        ours = [job for job in jobs if marks.items() <= _dict(job.get("metadata")).items()]
        if odd := next((job for job in ours if not _is_job(job)), None):
            raise StepError(
                f"{self.server} tells of a job of this step in a way that nobody can follow, with the id "
                f"{odd.get('id')!r:.60} and the status {odd.get('status')!r:.60}: no other is made. Ask who runs it."
            )
        return ours

    def events(self, job_id: str) -> Iterator[Answer]:
        """The newest first; pages are asked for as they are read."""
        return self._pages("asking for the job's events", partial(self._jobs.list_events, job_id))

    def checkpoints(self, job_id: str) -> list[Answer]:
        return list(self._pages("asking for the job's checkpoints", partial(self._checkpoints.list, job_id)))

    def file(self, file_id: str) -> Answer | None:
        """What is known of a file, or None where the server does not know it."""
        try:
            return self._ask("asking for the file", partial(self._files.retrieve, file_id), _with(file_id, _is_file))
        except NotThere:
            return None

    def files(self, name: str) -> list[Answer]:
        """The training files of this name."""
        listing = partial(self._files.list, purpose="fine-tune")
        files = self._pages("looking for the file", listing, size=1000)
        return [file for file in files if file.get("filename") == name and file.get("purpose") == "fine-tune"]

    def content(self, file_id: str) -> bytes | None:
        """A file's bytes, or None where the server does not have it."""
        try:
            answer = self._ask("fetching the results", partial(self._files.content, file_id), None)
        except NotThere:
            return None
        return bytes(answer["content"])

    def cancel(self, job_id: str) -> Answer | None:
        """End a job, and return what became of it: one that had ended before is as it was. None: there is none."""
        try:
            return self._ask("cancelling the job", partial(self._jobs.cancel, job_id), _with(job_id, _is_job))
        except NotThere:
            return None
        except Refusal:  # as for a job that has ended
            job = self.job(job_id)
            if job is not None and job["status"] in ("succeeded", "failed", "cancelled"):
                return job
            raise

    # -- what costs money, or is there twice if it is sent twice --------------------

    def upload(self, name: str, path: str, look: Callable[[], Answer | None]) -> Answer:
        """Send a training file; `look` finds it where the answer was lost."""

        def post() -> Any:
            with open(path, "rb") as file:
                return self._files.create(file=(name, file), purpose="fine-tune")

        return self._once_only("sending the file", post, _is_file, look)

    def create(self, look: Callable[[], Answer | None], **request: Any) -> Answer:
        """Create a job; `look` finds it where the answer was lost."""
        return self._once_only("creating the job", partial(self._jobs.create, **request), _is_job, look)

    def sought(self, look: Callable[[], Answer | None]) -> Answer | None:
        """What a look finds; several are taken, since a list may be a little behind."""
        for share in (0, 0.5, 1, 2):
            time.sleep(share * self.settings.poll_interval)
            if (answer := look()) is not None:
                return answer
        return None

    def _live_jobs(self) -> int:
        """How many of the account's newest jobs go on: while there are some, a place will come free."""
        page = self._ask("looking for the jobs that go on", partial(self._jobs.list, limit=100), _is_page)
        return sum(_is_job(job) and job["status"] not in ENDED for job in page["data"])

    # -- how ------------------------------------------------------------------------

    def _ask(self, doing: str, call: Call, sound: Sound | None) -> Answer:
        tries = Tries(self.server, self.settings, doing)
        while True:
            try:
                return send(self.server, call, sound)
            except (Busy, Doubtful) as problem:
                tries.wait(problem, self.outlook)

    def _once_only(self, doing: str, call: Call, sound: Sound, look: Callable[[], Answer | None]) -> Answer:
        tries = Tries(self.server, self.settings, doing, most=TRIES)
        while True:
            try:
                return send(self.server, call, sound)
            except Busy as problem:  # it did nothing
                live = self._live_jobs() if sound is _is_job else 0
                tries.wait(problem, self.outlook, f"waiting for a place, {live} jobs go on there" if live else "")
            except Doubtful as problem:
                print(f"{doing}: {problem}; looking whether it arrived", flush=True)
                if (answer := self.sought(look)) is not None:
                    return answer
                tries.wait(problem, self.outlook)
            except NotThere as problem:
                raise Refusal(f"{self.server} refused (404): {problem} Check the model, and OPENAI_BASE_URL.") from None

    def _pages(self, doing: str, call: Callable[..., Any], size: int = 100, most: int = 100) -> Iterator[Answer]:
        more: dict[str, str] = {}
        for _ in range(most):
            try:
                page = self._ask(doing, partial(call, limit=size, **more), _is_page)
            except NotThere:
                return
            yield from page["data"]
            last = page["data"][-1]["id"] if page["data"] else None
            if not page.get("has_more") or last is None or more.get("after") == last:
                return
            more = {"after": last}
