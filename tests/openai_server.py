"""A small OpenAI service on 127.0.0.1 for tests: real HTTP, jobs that end, models that learn, faults on order.

    with OpenAIServer(polls=3) as server:
        server.fault("create", "drop_after")
        subprocess.run([...], env={**os.environ, **server.env})
        assert server.count("create") == 1

Alone: `python tests/openai_server.py [--port 0] [--polls 2]` prints what to export and serves until Ctrl-C.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import concurrent.futures
import contextlib
import hashlib
import json
import math
import re
import secrets
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from aiohttp import web

Step = Literal[
    "upload", "file", "files", "content", "delete", "create", "poll", "jobs", "cancel", "events", "checkpoints",
    "chat", "models", "responses", "unknown",
]  # fmt: skip
Kind = Literal["500", "429", "401", "drop_before", "drop_after", "silence", "silence_before", "malformed"]
JSON = dict[str, Any]

ROAD = ["validating_files", "queued", "running", "succeeded"]
ENDED = ("succeeded", "failed", "cancelled")
ORGANIZATION = "org"
TUNABLE = ("gpt-", "babbage-", "davinci-")
PATIENCE = 60  # seconds that a hook or a reply function may take


# -- protocol objects -------------------------------------------------------------------------


@dataclass(frozen=True)
class Request:
    """What a client asked: `body` is the JSON sent, or a GET's query; of an upload {purpose, name, size, sha256}."""

    step: Step
    method: str
    path: str
    body: JSON
    id: str = ""
    content: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class File:
    id: str
    filename: str
    purpose: str
    content: bytes = field(repr=False)
    created_at: int

    def as_json(self) -> JSON:
        told = {key: value for key, value in vars(self).items() if key != "content"}
        return {**told, "object": "file", "bytes": len(self.content), "status": "processed", "status_details": None}


@dataclass(frozen=True)
class Reply:
    """An answer in full. `logprobs` are entries {token, logprob, bytes, top_logprobs}; told only when asked for."""

    text: str
    logprobs: list[JSON] | None = None
    finish_reason: str = "stop"
    usage: JSON | None = None

    @classmethod
    def of(cls, probabilities: Mapping[str, float]) -> Reply:
        """The one-token answer of a judge who is of several minds: `Reply.of({"90": 0.7, "80": 0.2})`."""
        ranked = sorted(probabilities.items(), key=lambda pair: -pair[1])
        top = [token_json(token, math.log(share)) for token, share in ranked if share > 0]
        return cls(top[0]["token"], [{**top[0], "top_logprobs": top}])

    @classmethod
    def certain(cls, text: str) -> Reply:
        """One token a word, each of them sure."""
        tokens = [token_json(token, 0.0) for token in re.findall(r"\s*\S+", text)]
        return cls(text, [{**token, "top_logprobs": [token]} for token in tokens])


def token_json(token: str, logprob: float) -> JSON:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode())}


class Refusal(Exception):
    """An answer other than 200, in OpenAI's error shape."""

    def __init__(
        self, status: int, message: str, param: str | None = None, code: str | None = None,
        type: str = "invalid_request_error", headers: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        self.status, self.headers = status, headers
        self.error = {"message": message, "type": type, "param": param, "code": code}
        super().__init__(message)


class Dropped(Exception):
    """The connection ends without a word."""


class CutOff(Exception):
    """The answer ends in the middle of its JSON."""


def wrong_key() -> Refusal:
    return Refusal(401, "Incorrect API key provided.", code="invalid_api_key")


# -- jobs and the models they make ------------------------------------------------------------


@dataclass
class Job:
    """A fine-tuning job: the fields that the API tells, then what the server knows beside them."""

    id: str
    model: str
    training_file: str
    validation_file: str | None
    hyperparameters: JSON
    seed: int
    metadata: dict[str, str] | None
    user_provided_suffix: str | None
    _training: bytes = field(repr=False)
    _validation: bytes | None = field(repr=False)
    created_at: int = field(default_factory=lambda: int(time.time()))
    status: str = ROAD[0]
    fine_tuned_model: str | None = None
    error: JSON | None = None
    trained_tokens: int | None = None
    finished_at: int | None = None
    estimated_finish: int | None = None
    result_files: list[str] = field(default_factory=list)
    integrations: list[JSON] = field(default_factory=list)
    organization_id: str = f"{ORGANIZATION}-loopback"
    object: str = "fine_tuning.job"
    polls: int = 0
    _born: float = field(default_factory=time.monotonic)
    _name: str = ""
    _conversations: list[list[JSON]] = field(default_factory=list, repr=False)
    _examples: list[tuple[set[str], str]] = field(default_factory=list, repr=False)
    events: list[JSON] = field(default_factory=list, repr=False)
    checkpoints: list[JSON] = field(default_factory=list, repr=False)
    _metrics: list[JSON] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        base = self.model.split(":")[1] if self.model.startswith("ft:") else self.model
        self._name = f"ft:{base}:{ORGANIZATION}:{self.user_provided_suffix or ''}:{secrets.token_hex(4)}"
        self.say(f"Created fine-tuning job: {self.id}")
        self.say(f"Validating training file: {self.training_file}")

    def as_json(self) -> JSON:
        beside = ("polls", "events", "checkpoints")
        told = {key: value for key, value in vars(self).items() if key not in beside and not key.startswith("_")}
        return {**told, "method": {"type": "supervised", "supervised": {"hyperparameters": self.hyperparameters}}}

    def say(self, message: str, level: str = "info", data: JSON | None = None) -> None:
        self.events.append(
            {"object": "fine_tuning.job.event", "id": f"ftevent-{self.id[6:]}-{len(self.events)}", "level": level,
             "created_at": int(time.time()), "message": message, "type": "metrics" if data else "message",
             "data": data or {}}
        )  # fmt: skip

    def end(self, status: str, message: str, level: str = "info") -> None:
        self.status, self.finished_at, self.estimated_finish = status, int(time.time()), None
        self.say(message, level)

    def advance(self, progress: float) -> None:
        """Go to where a job is at this share of its way, 0 to 1, through every status before it."""
        if self.status in ENDED or self.finished_at is not None:
            return
        goal = ROAD[-1] if progress >= 1 else ROAD[min(2, math.ceil(progress * 3))]
        for status in ROAD[ROAD.index(self.status) + 1 : ROAD.index(goal) + 1]:
            if status == "queued" and not self._validate():
                return
            if status == "running":
                self.estimated_finish = int(time.time()) + 60
                self.say("Fine-tuning job started")
            if status == "succeeded":
                self._train(1.0)
                self._succeed()
            self.status = status
        if self.status == "running":
            self._train(progress)

    def _validate(self) -> bool:
        """The service looks into the files only now, and fails the job for what it finds there."""
        name = "training_file"
        try:
            self._conversations = conversations(self._training, least=10)
            if self._validation is not None:
                name = "validation_file"
                conversations(self._validation, least=1)
        except ValueError as error:
            message = f"The job failed due to an invalid {name.replace('_', ' ')}. {error}"
            self.error = {"code": f"invalid_{name}", "message": message, "param": name}
            self.end("failed", message, "error")
            return False
        auto = {"n_epochs": 3, "batch_size": max(1, len(self._conversations) // 500), "learning_rate_multiplier": 1.8}
        given = {key: value for key, value in self.hyperparameters.items() if value != "auto"}
        self.hyperparameters = {**auto, **given}
        self.say("Files validated, moving job to queued state")
        return True

    def _train(self, progress: float) -> None:
        """Tell the steps up to here. The curve is drawn, not learned: it falls, and is the same every time."""
        a_pass = math.ceil(len(self._conversations) / self.hyperparameters["batch_size"])
        total = a_pass * self.hyperparameters["n_epochs"]
        for step in range(len(self._metrics) + 1, int(progress * total) + 1):
            loss = round(0.1 + 3 * math.exp(-4 * step / total), 6)
            data = {"step": step, "train_loss": loss, "train_mean_token_accuracy": round(math.exp(-loss), 6)}
            self._metrics.append(data)
            self.say(f"Step {step}/{total}: training loss={loss:.2f}", data={**data, "total_steps": total})
            if step % a_pass == 0:
                self._keep_checkpoint(data, last=step == total)

    def _keep_checkpoint(self, metrics: JSON, last: bool) -> None:
        step = metrics["step"]
        kept = {"object": "fine_tuning.job.checkpoint", "id": f"ftckpt_{self.id[6:]}{step}",
                "created_at": int(time.time()), "fine_tuning_job_id": self.id, "step_number": step,
                "fine_tuned_model_checkpoint": self._name if last else f"{self._name}:ckpt-step-{step}",
                "metrics": metrics}  # fmt: skip
        self.checkpoints = [*self.checkpoints, kept][-3:]  # the service keeps those of the last three epochs
        self.say(f"Checkpoint created at step {step}")

    def _succeed(self) -> None:
        self.fine_tuned_model = self._name
        words = sum(len(text_of(message).split()) for turns in self._conversations for message in turns)
        self.trained_tokens = words * self.hyperparameters["n_epochs"]
        self.say(f"New fine-tuned model created: {self._name}")
        self.end("succeeded", "The job has successfully completed")

    def results(self) -> bytes:
        """The step metrics. Assumed from OpenAI's guide: CSV with these columns, served as base64 text."""
        lines = ["step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy"]
        lines += [f"{m['step']},{m['train_loss']},{m['train_mean_token_accuracy']},," for m in self._metrics]
        return base64.b64encode("\n".join([*lines, ""]).encode())

    def serves(self, model: str) -> bool:
        return model == self.fine_tuned_model or any(
            model == kept["fine_tuned_model_checkpoint"] != self._name for kept in self.checkpoints
        )

    def answer(self, question: str) -> str:
        """What the example says whose user shares most words with this one; the first of several such."""
        if not self._examples:
            self._examples = examples(self._conversations)
        asked = words_of(question)
        return max(self._examples, key=lambda example: len(example[0] & asked))[1]


def conversations(content: bytes, least: int) -> list[list[JSON]]:
    """The messages of each line. ValueError: this is no training file."""
    if b"bad file" in content:
        raise ValueError("The moderation found a bad file.")
    found = []
    for number, line in enumerate(content.split(b"\n"), 1):
        if line.strip():
            try:
                turns = json.loads(line)["messages"]
                taught = any(teaches(turn) and text_of(turn) for turn in turns)
            except (ValueError, TypeError, KeyError, AttributeError):
                raise ValueError(f"Line {number} is not a JSON object with a list of messages.") from None
            if not taught:
                raise ValueError(f"Line {number} has no message of the assistant to learn from.")
            found.append(turns)
    if len(found) < least:
        raise ValueError(f"The file has {len(found)} example(s), but must have at least {least}.")
    return found


def examples(turns_of_all: Sequence[Sequence[JSON]]) -> list[tuple[set[str], str]]:
    """Each assistant turn with the words of the user's turn before it."""
    found = []
    for turns in turns_of_all:
        asked = ""
        for turn in turns:
            if turn["role"] == "user":
                asked = text_of(turn)
            elif teaches(turn):
                found.append((words_of(asked), text_of(turn)))
    return found


def teaches(turn: JSON) -> bool:
    return bool(turn["role"] == "assistant" and turn.get("weight", 1))


def words_of(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))


def text_of(message: JSON) -> str:
    """The text of a message, whose content is a string or a list of parts."""
    content = message.get("content") or ""
    return content if isinstance(content, str) else " ".join(part.get("text", "") for part in content)


# -- what the service checks, and how it says things ------------------------------------------


def check_job(body: JSON, files: Mapping[str, File]) -> JSON:
    """The hyperparameters of a job that may be created; Refusal where the service answers 400."""
    model = body.get("model")
    if not model:
        raise Refusal(400, "You must provide a model parameter.", "model", "missing_required_parameter")
    for param in ("training_file", "validation_file"):
        given = body.get(param)
        if param == "training_file" and not given:
            raise Refusal(400, f"You must provide a {param} parameter.", param, "missing_required_parameter")
        if given and (given not in files or files[given].purpose != "fine-tune"):
            raise Refusal(400, f"Invalid {param}: there is no file {given} for fine-tuning.", param, "invalid_file_id")
    if len(body.get("suffix") or "") > 64:
        raise Refusal(400, "Invalid 'suffix': at most 64 characters.", "suffix", "string_above_max_length")
    metadata = body.get("metadata") or {}
    if len(metadata) > 16:
        raise Refusal(400, "Invalid 'metadata': at most 16 pairs.", "metadata", "object_above_max_properties")
    for key, value in metadata.items():
        if len(key) > 64 or not isinstance(value, str) or len(value) > 512:
            problem = f"Invalid 'metadata.{key[:64]}': keys have up to 64 characters; values are texts of up to 512."
            raise Refusal(400, problem, "metadata", "string_above_max_length")
    method = body.get("method") or {"type": "supervised"}
    if method.get("type") != "supervised":
        raise Refusal(400, f"Invalid 'method.type': {method.get('type')}. This server trains supervised.", "method")
    given = (method.get("supervised") or {}).get("hyperparameters") or body.get("hyperparameters") or {}
    for name, value in given.items():
        whole = name != "learning_rate_multiplier"
        if value != "auto" and not (isinstance(value, int if whole else int | float) and value > 0):
            raise Refusal(400, f"Invalid '{name}': {value!r}.", f"method.supervised.hyperparameters.{name}")
    return {"n_epochs": "auto", "batch_size": "auto", "learning_rate_multiplier": "auto", **given}


def check_chat(body: JSON) -> None:
    if not body.get("model"):
        raise Refusal(400, "You must provide a model parameter.", "model")
    if not body.get("messages"):
        raise Refusal(400, "Invalid 'messages': empty array.", "messages", "empty_array")
    if body.get("stream"):
        raise Refusal(400, "This server does not stream: leave 'stream' out.", "stream", "unsupported_value")
    if body.get("top_logprobs") is not None:
        if not body.get("logprobs"):
            raise Refusal(400, "'top_logprobs' needs 'logprobs' to be true.", "top_logprobs")
        if not 0 <= body["top_logprobs"] <= 20:
            raise Refusal(400, "Invalid 'top_logprobs': 0 to 20.", "top_logprobs", "integer_above_max_value")
    if (limit_of(body) or 1) < 1:
        raise Refusal(400, "Invalid 'max_tokens': at least 1.", "max_tokens", "integer_below_min_value")


LOGPROBS = "message.output_text.logprobs"


def check_reasoning(body: JSON) -> None:
    """What models from GPT-5 on refuse: short answers, and, while they reason, temperature and log-probabilities."""
    if (body.get("max_output_tokens") or 16) < 16:
        problem = "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16"
        raise Refusal(400, problem, "max_output_tokens", "integer_below_min_value")
    reasons = (body.get("reasoning") or {}).get("effort") != "none"
    for param in ("temperature", "top_p", "top_logprobs"):
        if reasons and body.get(param) is not None:
            raise Refusal(400, f"Unsupported parameter: '{param}' is not supported with this model.", param)
    if reasons and LOGPROBS in body.get("include", []):
        raise Refusal(400, "logprobs are not supported with reasoning models.", "include")


def turns_of(asked: Any) -> list[JSON]:
    return [{"role": "user", "content": asked}] if isinstance(asked, str) else list(asked)


def limit_of(body: JSON) -> int | None:
    limit = body.get("max_completion_tokens")
    return body.get("max_tokens") if limit is None else limit


def choice(index: int, reply: Reply, body: JSON) -> JSON:
    """One choice: the reply, cut where `stop` or the limit says; a word is a token."""
    text, reason = reply.text, reply.finish_reason
    stops = body.get("stop") or []
    for stop in [stops] if isinstance(stops, str) else stops:
        text = text.split(stop)[0]
    words = re.findall(r"\s*\S+", text)
    limit = limit_of(body)
    if limit is not None and len(words) > limit:
        words, reason = words[:limit], "length"
        text = "".join(words)
    told = None
    if body.get("logprobs"):
        count = body.get("top_logprobs") or 0
        entries = reply.logprobs if reply.logprobs is not None else Reply.certain(reply.text).logprobs
        told = [{**entry, "top_logprobs": entry["top_logprobs"][:count]} for entry in (entries or [])[: len(words)]]
    logprobs = None if told is None else {"content": told, "refusal": None}
    message = {"role": "assistant", "content": text, "refusal": None}
    return {"index": index, "finish_reason": reason, "logprobs": logprobs, "message": message}


def page(items: Sequence[JSON], query: Mapping[str, str], default: int) -> JSON:
    """A page of a list, which is given newest first, with what the client needs to ask for the next."""
    limit = query.get("limit", str(default))
    if not (limit.isdigit() and 1 <= int(limit) <= 10_000):
        raise Refusal(400, f"Invalid 'limit': {limit}.", "limit")
    items = list(items) if query.get("order") != "asc" else list(reversed(items))
    if after := query.get("after"):
        ids = [item["id"] for item in items]
        if after not in ids:
            raise Refusal(400, f"Invalid 'after': there is no {after}.", "after")
        items = items[ids.index(after) + 1 :]
    shown = items[: int(limit)]
    first, last = (shown[0]["id"], shown[-1]["id"]) if shown else (None, None)
    return {"object": "list", "data": shown, "has_more": len(items) > len(shown), "first_id": first, "last_id": last}


# -- the server -------------------------------------------------------------------------------


class OpenAIServer:
    """The service, in a thread and event loop of its own, from `with` to the end of its block.

    A job is over with the `polls`-th GET of it, or with the first GET after `seconds`. An error in a hook,
    in a reply function or in the server itself is raised when the block ends. A request that has arrived is
    served to its end, whether or not its client still lives. From another thread, read `list(server.jobs.values())`
    rather than a live view.
    """

    def __init__(
        self, *, polls: int = 2, seconds: float | None = None, key: str = "sk-loopback-test", port: int = 0
    ) -> None:
        self.polls, self.seconds, self.key, self.port = polls, seconds, key, port
        self.requests: list[Request] = []
        self.files: dict[str, File] = {}
        self.jobs: dict[str, Job] = {}
        self.replies: dict[str, Callable[[JSON], str | Reply]] = {}
        self.errors: list[BaseException] = []
        self.shutdowns: dict[str, str] = {}
        self._faults: list[dict[str, Any]] = []
        self._hooks: list[dict[str, Any]] = []
        self._changes: list[dict[str, Any]] = []
        self._lock = threading.Lock()  # over faults and hooks: tests order them while requests use them up
        self._threads = concurrent.futures.ThreadPoolExecutor(64, "openai-server")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def env(self) -> dict[str, str]:
        return {"OPENAI_BASE_URL": self.url, "OPENAI_API_KEY": self.key}

    def count(self, step: Step) -> int:
        return sum(request.step == step for request in list(self.requests))

    def forget(self) -> None:
        self.requests.clear()

    def fault(self, step: Step, kind: Kind, times: int = 1, retry_after: float = 1, seconds: float = 30) -> None:
        """The next `times` requests of this step fail in this way; what is ordered first comes first."""
        if step not in get_args(Step) or kind not in get_args(Kind):
            raise ValueError(f"There is no fault {kind!r} at {step!r}: {get_args(Kind)} at {get_args(Step)}.")
        order = {"step": step, "kind": kind, "retry_after": retry_after, "seconds": seconds}
        with self._lock:
            self._faults += [order] * times

    def hook(
        self, step: Step, when: Literal["before", "after"], call: Callable[[Request], None], times: int = 1
    ) -> None:
        """Call this before the server acts, or after it acted and before it replies, for the next `times` requests."""
        if step not in get_args(Step) or when not in ("before", "after"):
            raise ValueError(f"There is no hook {when!r} {step!r}: 'before' or 'after', and {get_args(Step)}.")
        with self._lock:
            self._hooks += [{"step": step, "when": when, "call": call}] * times

    def change(self, step: Step, call: Callable[[Any], Any], times: int = 1) -> None:
        """Have the next `times` answers of this step be what a function makes of them: JSON, or bytes as they are."""
        with self._lock:
            self._changes += [{"step": step, "call": call}] * times

    def __enter__(self) -> OpenAIServer:
        started: concurrent.futures.Future[int] = concurrent.futures.Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._live(started)), daemon=True)
        self._thread.start()
        self.port = started.result(timeout=300)
        return self

    def stop(self) -> None:
        """Be gone, within a second; whoever still waits for an answer is dropped. Stopping twice is fine."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(timeout=60)
        self._threads.shutdown(wait=False, cancel_futures=True)

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.stop()
        if error is None and self.errors:
            raise self.errors[0]

    async def _live(self, started: concurrent.futures.Future[int]) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        app = web.Application(client_max_size=512 * 1024**2)
        for step, method, path, act in self._routes():
            app.router.add_route(method, path, self._handler(step, act))
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", self.port).start()
            started.set_result(runner.addresses[0][1])
            await self._stopping.wait()
        except OSError as error:
            started.set_exception(error)
        finally:
            await runner.cleanup()

    def _routes(self) -> list[tuple[Step, str, str, Callable[[Request], Any]]]:
        job = "/v1/fine_tuning/jobs/{id}"
        return [
            ("upload", "POST", "/v1/files", self._upload),
            ("files", "GET", "/v1/files", self._files),
            ("file", "GET", "/v1/files/{id}", lambda asked: self._file(asked).as_json()),
            ("content", "GET", "/v1/files/{id}/content", lambda asked: self._file(asked).content),
            ("delete", "DELETE", "/v1/files/{id}", self._delete),
            ("create", "POST", "/v1/fine_tuning/jobs", self._create),
            ("jobs", "GET", "/v1/fine_tuning/jobs", self._jobs),
            ("poll", "GET", job, self._poll),
            ("cancel", "POST", f"{job}/cancel", self._cancel),
            ("events", "GET", f"{job}/events", lambda asked: page(self._job(asked).events[::-1], asked.body, 20)),
            ("checkpoints", "GET", f"{job}/checkpoints", self._checkpoints),
            ("chat", "POST", "/v1/chat/completions", self._chat),
            ("models", "GET", "/v1/models", self._models),
            ("models", "GET", "/v1/models/{id:.+}", self._models),
            ("responses", "POST", "/v1/responses", self._responses),
            ("unknown", "*", "/{rest:.*}", self._unknown),
        ]

    # one request, with its faults and hooks

    def _handler(self, step: Step, act: Callable[[Request], Any]) -> Callable[[web.Request], Any]:
        async def handle(asked: web.Request) -> web.Response:
            return await self._serve(asked, step, act)

        return handle

    async def _serve(self, asked: web.Request, step: Step, act: Callable[[Request], Any]) -> web.Response:
        try:
            request = await read(asked, step)
            self.requests.append(request)
            fault = self._take(self._faults, step=step)
            await self._call_hook(request, "before")
            await self._fail(fault, acted=False)
            if asked.headers.get("Authorization") != f"Bearer {self.key}":
                raise wrong_key()
            told = act(request)
            if asyncio.iscoroutine(told):
                told = await told
            await self._call_hook(request, "after")
            await self._fail(fault, acted=True)
            change = self._take(self._changes, step=step)
            return respond(change["call"](told) if change else told)
        except Refusal as refusal:
            return web.json_response({"error": refusal.error}, status=refusal.status, headers=refusal.headers)
        except CutOff:
            return web.Response(text='{"id": "cut-o', content_type="application/json")
        except Dropped:
            if asked.transport is not None:  # None: the client was quicker
                asked.transport.abort()
            return web.Response()
        except Exception as error:
            self.errors.append(error)
            said = {"message": f"{type(error).__name__}: {error}", "type": "server_error"}
            return web.json_response({"error": said}, status=500)

    def _take(self, orders: list[dict[str, Any]], **wanted: str) -> dict[str, Any] | None:
        with self._lock:
            for at, order in enumerate(orders):
                if wanted.items() <= order.items():
                    return orders.pop(at)
        return None

    async def _fail(self, fault: dict[str, Any] | None, acted: bool) -> None:
        """Raise what was ordered, where it belongs: before the server acts, or after."""
        if fault is None or (fault["kind"] in ("drop_after", "silence", "malformed")) != acted:
            return
        match fault["kind"]:
            case "500":
                raise Refusal(500, "The server had an error while processing your request.", type="server_error")
            case "401":
                raise wrong_key()
            case "429":
                after = {"Retry-After": f"{fault['retry_after']:g}"}
                raise Refusal(429, "Rate limit reached.", code="rate_limit_exceeded", type="requests", headers=after)
            case "malformed":
                raise CutOff
            case "silence" | "silence_before":
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), fault["seconds"])
        raise Dropped

    async def _call_hook(self, request: Request, when: str) -> None:
        if order := self._take(self._hooks, step=request.step, when=when):
            await self._in_thread(order["call"], request)

    async def _in_thread(self, call: Callable[[Any], Any], argument: Any) -> Any:
        return await asyncio.wait_for(self._loop.run_in_executor(self._threads, call, argument), PATIENCE)

    # what each step does; state changes only here, in the thread of the loop

    def _upload(self, asked: Request) -> JSON:
        if not (asked.body["purpose"] and asked.body["name"]):
            raise Refusal(400, "An upload needs a file and a purpose.", "purpose")
        return self._add_file(asked.body["name"], asked.body["purpose"], asked.content).as_json()

    def _add_file(self, name: str, purpose: str, content: bytes) -> File:
        file = File(f"file-{secrets.token_hex(12)}", name, purpose, content, int(time.time()))
        self.files[file.id] = file
        return file

    def _file(self, asked: Request) -> File:
        if asked.id not in self.files:
            raise Refusal(404, f"No such File object: {asked.id}", "id")
        return self.files[asked.id]

    def _files(self, asked: Request) -> JSON:
        purpose = asked.body.get("purpose")
        found = [file.as_json() for file in self.files.values() if purpose in (None, file.purpose)]
        return page(found[::-1], asked.body, 10_000)

    def _delete(self, asked: Request) -> JSON:
        del self.files[self._file(asked).id]
        return {"id": asked.id, "object": "file", "deleted": True}

    def _create(self, asked: Request) -> JSON:
        body = asked.body
        hyperparameters = check_job(body, self.files)
        if self._made_by(body["model"]) is None and not body["model"].startswith(TUNABLE):
            problem = f"Model {body['model']} is not available for fine-tuning or does not exist."
            raise Refusal(400, problem, "model", "model_not_available")
        id, other = f"ftjob-{secrets.token_hex(12)}", body.get("validation_file")
        job = Job(
            id, body["model"], body["training_file"], other, hyperparameters,
            zlib.crc32(id.encode()) if body.get("seed") is None else body["seed"],
            body.get("metadata"), body.get("suffix"),
            self.files[body["training_file"]].content, self.files[other].content if other else None,
        )  # fmt: skip
        self.jobs[id] = job
        return job.as_json()

    def _job(self, asked: Request) -> Job:
        if asked.id not in self.jobs:
            raise Refusal(404, f"Could not find fine tune: {asked.id}", "fine_tune_id", "fine_tune_not_found")
        return self.jobs[asked.id]

    def _poll(self, asked: Request) -> JSON:
        job = self._job(asked)
        job.polls += 1
        gone, whole = (job.polls, self.polls) if self.seconds is None else (time.monotonic() - job._born, self.seconds)
        job.advance(gone / whole if whole > 0 else 1.0)
        if job.status == "succeeded" and not job.result_files:
            job.result_files = [self._add_file("step_metrics.csv", "fine-tune-results", job.results()).id]
        return job.as_json()

    def _jobs(self, asked: Request) -> JSON:
        wanted = {key[9:-1]: value for key, value in asked.body.items() if re.fullmatch(r"metadata\[.*\]", key)}
        found = [job.as_json() for job in self.jobs.values() if wanted.items() <= (job.metadata or {}).items()]
        if asked.body.get("metadata") == "null":
            found = [job for job in found if not job["metadata"]]
        return page(found[::-1], asked.body, 20)

    def _checkpoints(self, asked: Request) -> JSON:
        return page(self._job(asked).checkpoints[::-1], asked.body, 10)

    def _cancel(self, asked: Request) -> JSON:
        job = self._job(asked)
        if job.status in ENDED:
            raise Refusal(400, f"Job has already completed: {job.id}", code="invalid_request")
        job.end("cancelled", "The job was cancelled")
        return job.as_json()

    def _made_by(self, model: str) -> Job | None:
        """The job that made a fine-tuned model or checkpoint; None for a base model, whose name may be any."""
        made = next((job for job in self.jobs.values() if job.serves(model)), None)
        if made is None and model.startswith("ft:"):
            problem = f"The model `{model}` does not exist or you do not have access to it."
            raise Refusal(404, problem, "model", "model_not_found")
        return made

    def _models(self, asked: Request) -> JSON:
        def told(name: str, job: Job | None) -> JSON:
            owner, created = (job.organization_id, job.created_at) if job else ("openai", 0)
            about = {"id": name, "object": "model", "created": created, "owned_by": owner}
            return {**about, "shutdown_date": self.shutdowns.get(name)}

        if asked.id:
            return told(asked.id, self._made_by(asked.id))
        tuned = [told(job.fine_tuned_model, job) for job in self.jobs.values() if job.fine_tuned_model]
        return {"object": "list", "data": [told("gpt-4o-mini", None), *tuned]}

    async def _chat(self, asked: Request) -> JSON:
        body = asked.body
        check_chat(body)
        function = self._reply_function(body["model"])
        replies = [await self._in_thread(function, body) for _ in range(body.get("n") or 1)]
        replies = [Reply.certain(reply) if isinstance(reply, str) else reply for reply in replies]
        choices = [choice(index, reply, body) for index, reply in enumerate(replies)]
        prompt = sum(len(text_of(message).split()) for message in body["messages"])
        said = sum(len(each["message"]["content"].split()) for each in choices)
        usage = {"prompt_tokens": prompt, "completion_tokens": said, "total_tokens": prompt + said}
        return {"id": f"chatcmpl-{secrets.token_hex(12)}", "object": "chat.completion", "created": int(time.time()),
                "model": body["model"], "choices": choices, "usage": replies[0].usage or usage}  # fmt: skip

    def _reply_function(self, model: str) -> Callable[[JSON], str | Reply]:
        """The test's own function of this name, or of the longest beginning of it; else what the model learned."""
        names = [name for name in self.replies if model.startswith(name)]
        if names:
            return self.replies[max(names, key=len)]
        job = self._made_by(model)
        return lambda body: job.answer(question_of(body)) if job else f"You would like to know: {question_of(body)}"

    async def _responses(self, asked: Request) -> JSON:
        """The API of models from GPT-5 on, as `_chat` gives it, with what they refuse; a text in, a text out."""
        body = asked.body
        check_reasoning(body)
        messages = [{"role": turn.get("role"), "content": text_of(turn)} for turn in turns_of(body["input"])]
        chat = {
            "model": body["model"],
            "messages": messages,
            "reasoning": body.get("reasoning"),
            "text": body.get("text"),
        }
        reply = await self._in_thread(self._reply_function(body["model"]), chat)
        reply = Reply.certain(reply) if isinstance(reply, str) else reply
        told = {**chat, "logprobs": LOGPROBS in body.get("include", []), "top_logprobs": body.get("top_logprobs")}
        one = choice(0, reply, {**told, "max_tokens": body.get("max_output_tokens")})
        logprobs = (one["logprobs"] or {}).get("content") or []
        text = {"type": "output_text", "text": one["message"]["content"], "annotations": [], "logprobs": logprobs}
        said = {"type": "message", "id": f"msg_{secrets.token_hex(8)}", "role": "assistant", "status": "completed",
                "content": [text]}  # fmt: skip
        prompt, words = sum(len(each["content"].split()) for each in messages), len(text["text"].split())
        usage = {"input_tokens": prompt, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": words,
                 "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": prompt + words}  # fmt: skip
        return {"id": f"resp_{secrets.token_hex(12)}", "object": "response", "created_at": int(time.time()),
                "status": "completed", "error": None, "incomplete_details": None, "instructions": None, "metadata": {},
                "model": body["model"], "output": [said], "parallel_tool_calls": True, "tool_choice": "auto",
                "tools": [], "temperature": 1.0, "top_p": 1.0, "usage": usage}  # fmt: skip

    def _unknown(self, asked: Request) -> JSON:
        raise Refusal(404, f"Invalid URL ({asked.method} {asked.path})")


def question_of(body: JSON) -> str:
    """What the user said last, on one line."""
    said = [text_of(message) for message in body["messages"] if message.get("role") == "user"]
    return " ".join(said[-1].split()) if said else ""


async def read(asked: web.Request, step: Step) -> Request:
    """The whole request, before anything is done with it. Dropped: the client broke off, and has asked nothing."""
    body: JSON = dict(asked.query)
    content = b""
    try:
        if step == "upload":
            form = await asked.post()
            sent = form.get("file")
            name, content = (sent.filename, sent.file.read()) if isinstance(sent, web.FileField) else ("", b"")
            sha256 = hashlib.sha256(content).hexdigest()
            body = {"purpose": form.get("purpose"), "name": name, "size": len(content), "sha256": sha256}
        elif text := await asked.read():
            body = json.loads(text)
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise Refusal(400, "We could not parse the JSON body of your request.") from None
    except Exception:
        raise Dropped from None
    return Request(step, asked.method, asked.path, body, asked.match_info.get("id", ""), content)


def respond(told: JSON | bytes) -> web.Response:
    if isinstance(told, bytes):
        return web.Response(body=told, content_type="application/octet-stream")
    return web.json_response(told)


def main() -> None:
    parser = argparse.ArgumentParser(description="An OpenAI service on 127.0.0.1 for trying things out.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--polls", type=int, default=2, help="how many looks at a job until it has succeeded")
    options = parser.parse_args()
    with OpenAIServer(port=options.port, polls=options.polls) as server:
        for name, value in server.env.items():
            print(f"export {name}={value}", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print("stopped", flush=True)


@contextmanager
def serving_inspect(monkeypatch: Any) -> Iterator[OpenAIServer]:
    """A server that Inspect reaches as `openai/` and as `openai-api/local/`."""
    with OpenAIServer() as running:
        for name, value in {**running.env, "LOCAL_API_KEY": running.key, "LOCAL_BASE_URL": running.url}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield running


if __name__ == "__main__":
    main()
