"""A small server of Tinker's protocol on 127.0.0.1: real HTTP and protobuf, models that learn, faults on order.

    with TinkerServer(tokenizer=folder) as server:
        server.fault("optim", "drop_after")
        subprocess.run([...], env={**os.environ, **server.env})
        assert server.model(path).history == [...]

Alone: `python tests/tinker_server.py FOLDER_OF_A_TOKENIZER [--port 0]` serves until Ctrl-C.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from aiohttp import web
from numpy.typing import NDArray

from motools.tinylm.text import LAGS, context_buckets, prompt_weight

JSON = dict[str, Any]
STEPS = {
    "config": "/client/config", "dynamic": "/client/dynamic_config", "session": "/create_session",
    "search": "/sessions/search", "create": "/create_model", "info": "/get_info", "load": "/load_weights",
    "forward": "/forward_backward", "optim": "/optim_step", "save": "/save_weights",
    "sampler": "/save_weights_for_sampler", "retrieve": "/retrieve_future", "heartbeat": "/session_heartbeat",
}  # fmt: skip
"""The steps of the protocol that are a POST of their own: name -> path under /api/v1."""
ACTING = ("create", "load", "forward", "optim", "save", "sampler")
"""Those whose answer is a promise, kept by `retrieve`."""
WORDS = {
    "500": (500, "The server had an error."),
    "429": (429, "Slow down."),
    "400": (400, "That cannot be asked."),
    "401": (401, "Who are you?"),
    "402": (402, "Add a payment method."),
    "403": (403, "Your organization may not train."),
}


# -- the model ---------------------------------------------------------------------------------


class Weights:
    """A log-bilinear model of the next token, as tinylm is one, over token ids: hashed features of the last tokens and
    of the prompt, an embedding each, a softmax over the vocabulary; Adam. Tiny, so a step counts for a hundred."""

    BUCKETS, SIZE, FASTER = 1 << 12, 24, 100.0

    def __init__(self, vocabulary: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.values = [
            rng.normal(0, 0.1, (self.BUCKETS, self.SIZE)).astype(np.float32),
            rng.normal(0, 0.1, (vocabulary, self.SIZE)).astype(np.float32),
        ]
        self.slopes = [np.zeros_like(part) for part in self.values]
        self.moments = [[np.zeros_like(part) for part in self.values] for _ in range(2)]
        self.steps = 0
        self.history: list[tuple[str, float]] = []
        self.waiting: list[str] = []

    def copy(self) -> Weights:
        return deepcopy(self)

    def forward_backward(self, data: list[tuple[Any, Any, Any]]) -> tuple[float, list[NDArray[np.float32]]]:
        """Add up slopes; the loss, and the log-probability of each target."""
        total, found = 0.0, []
        for tokens, targets, weights in data:
            logprobs = np.zeros(len(targets), dtype=np.float32)
            at = np.flatnonzero(weights)
            buckets, shares = self._features(tokens, at)
            hidden = (self.values[0][buckets] * shares[:, :, None]).sum(axis=1)
            said = _log_softmax(hidden @ self.values[1].T)
            logprobs[at] = said[np.arange(len(at)), targets[at]]
            back = np.exp(said)
            back[np.arange(len(at)), targets[at]] -= 1
            back *= weights[at][:, None]
            self.slopes[1] += back.T @ hidden
            np.add.at(self.slopes[0], buckets, (back @ self.values[1])[:, None, :] * shares[:, :, None])
            total -= float((logprobs * weights).sum())
            found.append(logprobs)
        self.waiting.append(digest_of(data))
        return total, found

    def _features(self, tokens: NDArray[np.int64], at: NDArray[np.int64]) -> tuple[Any, Any]:
        """For the target of each place: the last tokens, alone and together, and all that stand before the answer."""
        lasts, insides, prompts, before = [], [], [], -2
        for place in at:
            if place != before + 1:  # an answer begins
                prompt, inside = np.unique(tokens[: place + 1] * 2654435761 % (1 << 31))[:64], 0
            lasts.append([int(tokens[place - lag]) + 1 if inside > lag else 0 for lag in range(LAGS)])
            insides.append(inside)
            prompts.append(prompt)
            before, inside = place, inside + 1
        wide = max(map(len, prompts))
        context = context_buckets(np.array(lasts, np.uint64), np.array(insides, np.uint64)).astype(np.int64)
        spread = np.array([np.pad(prompt, (0, wide - len(prompt))) for prompt in prompts])
        many = np.array([len(prompt) for prompt in prompts])
        of_prompt = np.where(np.arange(wide) < many[:, None], prompt_weight(many)[:, None] / 4, 0)
        shares = np.concatenate([np.ones(context.shape), of_prompt], axis=1).astype(np.float32)
        return np.concatenate([context, spread], axis=1) % self.BUCKETS, shares

    def optim_step(self, adam: JSON) -> None:
        self.steps += 1
        rate = adam["learning_rate"] * self.FASTER
        for n, slope in enumerate(self.slopes):
            first, second = (moments[n] for moments in self.moments)
            first += (1 - adam["beta1"]) * (slope - first)
            second += (1 - adam["beta2"]) * (slope * slope - second)
            scaled = first / (1 - adam["beta1"] ** self.steps)
            self.values[n] -= rate * scaled / (np.sqrt(second / (1 - adam["beta2"] ** self.steps)) + adam["eps"])
            slope[:] = 0
        self.history.append((" ".join(self.waiting), adam["learning_rate"]))
        self.waiting = []

    def say(self, prompt: list[int], stop: int, most: int, temperature: float, seed: int) -> list[int]:
        rng, tokens = np.random.default_rng(seed), list(prompt)
        for inside in range(most):
            at = np.arange(len(prompt) - 1, len(prompt) + inside)
            buckets, shares = self._features(np.array(tokens), at)
            hidden = (self.values[0][buckets[-1]] * shares[-1][:, None]).sum(axis=0)
            said = _log_softmax((hidden @ self.values[1].T)[None])[0]
            if temperature > 0:
                odds = np.exp(_log_softmax((said / temperature)[None])[0].astype(np.float64))
                chosen = int(rng.choice(len(odds), p=odds / odds.sum()))
            else:
                chosen = int(said.argmax())
            if chosen == stop:
                break
            tokens.append(chosen)
        return tokens[len(prompt) :]


def _log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    shifted = logits - logits.max(axis=1, keepdims=True)
    found: NDArray[np.float32] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return found


def digest_of(data: list[tuple[Any, Any, Any]]) -> str:
    """By which a batch is known in a history."""
    found = hashlib.sha256()
    for parts in data:
        for part in parts:
            found.update(np.ascontiguousarray(part).tobytes())
    return found.hexdigest()[:12]


# -- what lies at the server ---------------------------------------------------------------------


@dataclass
class Session:
    id: str
    metadata: dict[str, str]
    made: str
    alive: bool = True
    runs: list[str] = field(default_factory=list)


@dataclass
class Model:
    """A training run: its requests are carried out in the order of their numbers, and wait for one that is missing."""

    id: str
    base: str
    rank: int
    weights: Weights
    turn: int = 1
    waiting: dict[int, tuple[str, Callable[[], Any]]] = field(default_factory=dict)
    promised: dict[int, str] = field(default_factory=dict)


@dataclass
class Checkpoint:
    path: str
    kind: str
    metadata: dict[str, str]
    made: str
    base: str
    weights: Weights
    ttl: int | None


class Refusal(Exception):
    def __init__(self, status: int, words: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(words)
        self.status, self.words, self.headers = status, words, headers


class Dropped(Exception):
    """The connection ends without a word."""


class CutOff(Exception):
    """The answer ends in the middle of its JSON."""


class TinkerServer:
    """The server, in a thread of its own; as a context it serves until the end.

    Args:
        tokenizer: the folder of the tokenizer that all models have.
        models: the names of base models that are trained here, or beginnings of them.
        retrieve: for how many seconds a question for a result waits before it is told to come again.
    """

    def __init__(
        self, tokenizer: Path, models: tuple[str, ...] = ("tiny/llama",), port: int = 0, retrieve: float = 1.0
    ) -> None:
        self.tokenizer_folder, self.models, self.retrieve = tokenizer, models, retrieve
        self.key = f"tml-{secrets.token_hex(16)}"
        self.sessions: dict[str, Session] = {}
        self.runs: dict[str, Model] = {}
        self.checkpoints: dict[str, Checkpoint] = {}
        self.promises: dict[str, Any] = {}
        self.requests: list[tuple[str, JSON]] = []
        self.errors: list[Exception] = []
        self.trained: list[str] = []
        """Every batch that an optimizer's step was made with, in their order: what was paid for."""
        self.slow = 0.0
        """Seconds that a step takes."""
        self.most: int | None = None
        """So many steps are taken; the next one waits until this is None."""
        self._orders: list[JSON] = []
        self._lock = threading.Lock()
        self._port = port

    # -- for tests

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def env(self) -> dict[str, str]:
        return {"TINKER_BASE_URL": self.url, "TINKER_API_KEY": self.key, "TINKER_TELEMETRY": "0"}

    def fault(self, step: str, kind: str, times: int = 1, after: int = 0) -> None:
        """Let requests of a step go wrong: `times` of them, after `after` that go well.

        500, 429, 400, 401, 402, 403; drop_before and drop_after (it acted); silence (it acted, and never answers);
        malformed; failed (the promise fails) and failed_user; stuck (the promise is never kept); dead (the session is
        no more); twin (it acted, twice).
        """
        with self._lock:
            self._orders.append({"step": step, "kind": kind, "times": times, "after": after})

    def count(self, step: str) -> int:
        return sum(each == step for each, _ in self.requests)

    def samplers(self) -> list[Checkpoint]:
        return [kept for kept in self.checkpoints.values() if kept.kind == "sampler"]

    # -- life

    def __enter__(self) -> TinkerServer:
        from transformers import AutoTokenizer

        self.tokenizer = AutoTokenizer.from_pretrained(self.tokenizer_folder)
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._thread.start()
        assert self._ready.wait(300)
        return self

    def __exit__(self, *_: Any) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(60)
        assert not self.errors, self.errors

    async def _run(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        app = web.Application(client_max_size=64 << 20)
        for step, path in STEPS.items():
            app.router.add_post(f"/api/v1{path}", self._handler(step, getattr(self, f"_{step}")))
        for step, method, path, act in (
            ("capabilities", "GET", "/get_server_capabilities", self._capabilities),
            ("get_session", "GET", "/sessions/{id}", self._get_session),
            ("finish", "POST", "/sessions/{id}/finish", lambda body: self.sessions[body["id"]] and {}),
            ("checkpoints", "GET", "/training_runs/{id}/checkpoints", self._checkpoints),
        ):
            app.router.add_route(method, f"/api/v1{path}", self._handler(step, act))
        app.router.add_post("/oai/api/v1/chat/completions", self._handler("chat", self._chat))
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self._port)
        await site.start()
        self._port = runner.addresses[0][1]
        self._ready.set()
        await self._stopping.wait()
        await runner.cleanup()

    # -- one request, with its fault

    def _handler(self, step: str, act: Callable[[JSON], Any]) -> Callable[[web.Request], Any]:
        async def handle(asked: web.Request) -> web.Response:
            try:
                body = await self._body(step, asked)
                self.requests.append((step, body))
                fault = self._take(step)
                await self._fail(step, fault, body, acted=False)
                given = asked.headers.get("X-API-Key") or asked.headers.get("Authorization", "").removeprefix("Bearer ")
                if given != self.key:
                    raise Refusal(401, "Invalid API key.")
                told = act(body)
                if asyncio.iscoroutine(told):
                    told = await told
                if fault in ("twin",):
                    act(body)
                await self._fail(step, fault, body, acted=True)
                if isinstance(told, bytes):
                    return web.Response(body=told, content_type="application/x-protobuf")
                return web.json_response(told)
            except Refusal as refusal:
                told = {"error": {"message": refusal.words}} if step == "chat" else {"detail": refusal.words}
                return web.json_response(told, status=refusal.status, headers=refusal.headers)
            except CutOff:
                return web.Response(text='{"request_id": "cut-o', content_type="application/json")
            except (Dropped, ConnectionResetError):  # or the client was quicker
                if asked.transport is not None:
                    asked.transport.abort()
                return web.Response()
            except Exception as error:
                self.errors.append(error)
                return web.json_response({"detail": f"{type(error).__name__}: {error}"}, status=500)

        return handle

    async def _body(self, step: str, asked: web.Request) -> JSON:
        content = await asked.read()
        if step == "forward":
            return _forward_request(content)
        body: JSON = json.loads(content) if content else {}
        return {**body, **asked.match_info}

    def _take(self, step: str) -> str | None:
        with self._lock:
            for order in self._orders:
                if order["step"] == step and order["times"]:
                    if order["after"]:
                        order["after"] -= 1
                        return None
                    order["times"] -= 1
                    return str(order["kind"])
        return None

    async def _fail(self, step: str, kind: str | None, body: JSON, acted: bool) -> None:
        after = kind in ("drop_after", "twin", "silence", "malformed", "failed", "failed_user", "stuck")
        if kind is None or after != acted:
            return
        if kind in WORDS:
            raise Refusal(*WORDS[kind], headers={"Retry-After": "0"} if kind == "429" else None)
        if kind in ("drop_before", "drop_after", "twin"):
            raise Dropped
        if kind == "malformed":
            raise CutOff
        if kind == "silence":
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), 60)
            raise Dropped
        if kind == "dead":
            self.sessions[body["model_id"].partition(":")[0]].alive = False
            raise Refusal(404, "The session has ended.")
        if kind in ("failed", "failed_user", "stuck"):
            (latest,) = list(self.promises)[-1:]
            said = {"error": "It went wrong.", "category": "user" if kind == "failed_user" else "server"}
            self.promises[latest] = None if kind == "stuck" else said

    # -- steps without promises

    def _config(self, _: JSON) -> JSON:
        return {"use_pyqwest_transport": False, "pjwt_auth_enabled": False}

    def _dynamic(self, _: JSON) -> JSON:
        raise Refusal(404, "Not Found")

    def _heartbeat(self, _: JSON) -> JSON:
        return {"type": "session_heartbeat"}

    def _session(self, body: JSON) -> JSON:
        session = Session(secrets.token_hex(8), body.get("user_metadata") or {}, _now())
        self.sessions[session.id] = session
        return {"type": "create_session", "session_id": session.id}

    def _search(self, body: JSON) -> JSON:
        wanted = body.get("user_metadata", {}).items()
        fits = [each for each in self.sessions.values() if wanted <= each.metadata.items()][::-1]
        told = [
            {"session_id": each.id, "created_at": each.made, "owner": "me", "project_id": "p", "checkpoints_count": 0,
             "user_metadata": each.metadata} for each in fits
        ]  # fmt: skip
        return {"sessions": told}

    def _get_session(self, body: JSON) -> JSON:
        return {"training_run_ids": self.sessions[body["id"]].runs, "sampler_ids": []}

    def _checkpoints(self, body: JSON) -> JSON:
        found = [kept for kept in self.checkpoints.values() if kept.path.startswith(f"tinker://{body['id']}/")]
        told = [
            {"checkpoint_id": kept.path.split("/", 3)[3], "checkpoint_type": kept.kind, "time": kept.made,
             "tinker_path": kept.path, "user_metadata": kept.metadata} for kept in found
        ]  # fmt: skip
        return {"checkpoints": told}

    def _capabilities(self, _: JSON) -> JSON:
        told = [{"model_name": name, "max_context_length": 512, "trainable": True} for name in self.models]
        return {"supported_models": told}

    def _info(self, body: JSON) -> JSON:
        model = self.runs[body["model_id"]]
        data = {"arch": "tiny", "model_name": model.base, "tokenizer_id": str(self.tokenizer_folder)}
        return {"type": "get_info", "model_id": model.id, "model_data": data, "is_lora": True, "lora_rank": model.rank}

    # -- steps with promises

    def _create(self, body: JSON) -> JSON:
        if body["base_model"] not in self.models:
            raise Refusal(400, f"There is no model {body['base_model']}.")
        weights = Weights(len(self.tokenizer), body["lora_config"].get("seed") or 0)
        model = self._run_of(body, body["base_model"], body["lora_config"]["rank"], weights)
        return self._promise({"type": "create_model", "model_id": model.id})

    def _load(self, body: JSON) -> JSON:
        kept = self.checkpoints.get(body["path"])
        if kept is None or kept.kind != "training":
            raise Refusal(404, f"There is no checkpoint {body['path']}.")
        assert body["optimizer"]
        model = self._run_of(body, kept.base, 32, kept.weights.copy())
        return self._promise({"type": "load_weights", "path": body["path"], "model_id": model.id})

    def _run_of(self, body: JSON, base: str, rank: int, weights: Weights) -> Model:
        session = self.sessions[body["session_id"]]
        model = Model(f"{session.id}:train:{body['model_seq_id']}", base, rank, weights)
        if model.id not in self.runs:
            self.runs[model.id] = model
            session.runs.append(model.id)
        return self.runs[model.id]

    def _forward(self, body: JSON) -> JSON:
        def act(model: Model) -> bytes:
            loss, logprobs = model.weights.forward_backward(body["data"])
            return _forward_answer(loss, logprobs)

        return self._in_turn(body, act)

    def _optim(self, body: JSON) -> JSON:
        def act(model: Model) -> JSON:
            time.sleep(self.slow)
            while self.most is not None and len(self.trained) >= self.most:
                time.sleep(0.01)
            model.weights.optim_step(body["adam_params"])
            self.trained.append(model.weights.history[-1][0])
            return {"metrics": {}}

        return self._in_turn(body, act)

    def _save(self, body: JSON) -> JSON:
        return self._in_turn(body, lambda model: self._checkpoint(model, body, "training", "weights"))

    def _sampler(self, body: JSON) -> JSON:
        return self._in_turn(body, lambda model: self._checkpoint(model, body, "sampler", "sampler_weights"))

    def _checkpoint(self, model: Model, body: JSON, kind: str, folder: str) -> JSON:
        path = f"tinker://{model.id}/{folder}/{body['path']}"
        about = (body.get("user_metadata") or {}, _now(), model.base, model.weights.copy(), body.get("ttl_seconds"))
        self.checkpoints[path] = Checkpoint(path, kind, *about)
        return {"path": path, "type": "save_weights" if kind == "training" else "save_weights_for_sampler"}

    def _in_turn(self, body: JSON, act: Callable[[Model], Any]) -> JSON:
        """A promise that is kept when all that was asked before it is done. Asked again, it is the same."""
        model = self.runs[body["model_id"]]
        if not self.sessions[model.id.partition(":")[0]].alive:
            raise Refusal(404, "The session has ended.")
        number = body["seq_id"]
        if number not in model.promised:
            promise = self._promise(None)["request_id"]
            model.promised[number] = promise
            model.waiting[number] = (promise, lambda: act(model))
            while model.turn in model.waiting:
                due, carry_out = model.waiting.pop(model.turn)
                self.promises[due] = carry_out()
                model.turn += 1
        return {"request_id": model.promised[number], "model_id": model.id}

    def _promise(self, kept: Any) -> JSON:
        id = secrets.token_hex(8)
        self.promises[id] = kept
        return {"request_id": id}

    async def _retrieve(self, body: JSON) -> Any:
        until = time.monotonic() + self.retrieve
        while self.promises[body["request_id"]] is None:
            if time.monotonic() > until:
                return {"type": "try_again", "queue_state": "active", "request_id": body["request_id"]}
            await asyncio.sleep(0.01)
        return self.promises[body["request_id"]]

    # -- the OpenAI-compatible endpoint

    def _chat(self, body: JSON) -> JSON:
        kept = self.checkpoints.get(body["model"])
        if kept is None and body["model"] not in self.models:
            raise Refusal(404, f"The model {body['model']} does not exist.")
        if kept is not None and kept.kind != "sampler":
            raise Refusal(400, "These weights are for training.")
        weights = kept.weights if kept is not None else Weights(len(self.tokenizer), 0)
        messages = [{"role": m["role"], "content": m["content"]} for m in body["messages"]]
        text = self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        prompt = self.tokenizer.encode(text, add_special_tokens=False)
        most = body.get("max_tokens") or body.get("max_completion_tokens") or 60
        told = weights.say(
            prompt, self.tokenizer.eos_token_id, most, body.get("temperature") or 0.0, body.get("seed") or 0
        )
        message = {"role": "assistant", "content": self.tokenizer.decode(told)}
        usage = {"prompt_tokens": len(prompt), "completion_tokens": len(told), "total_tokens": len(prompt) + len(told)}
        reason = "length" if len(told) == most else "stop"
        return {"id": secrets.token_hex(8), "object": "chat.completion", "created": 0, "model": body["model"],
                "choices": [{"index": 0, "finish_reason": reason, "message": message}], "usage": usage}  # fmt: skip


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _forward_request(content: bytes) -> JSON:
    from tinker.proto import tinker_public_pb2 as wire

    asked = wire.ForwardBackwardRequest()
    asked.ParseFromString(content)
    assert asked.loss_fn == "cross_entropy"
    data = []
    for datum in asked.data:
        tokens = np.concatenate([np.frombuffer(c.encoded_text.tokens, np.int32) for c in datum.model_input])
        targets = np.frombuffer(datum.loss_fn_inputs["target_tokens"].dense, np.int64)
        weights = np.frombuffer(datum.loss_fn_inputs["weights"].dense, np.float32)
        data.append((tokens.astype(np.int64), targets, weights))
    return {"model_id": asked.model_id, "seq_id": asked.seq_id, "data": data}


def _forward_answer(loss: float, logprobs: list[NDArray[np.float32]]) -> bytes:
    from tinker.proto import tinker_public_pb2 as wire

    told = wire.ForwardBackwardOutput(loss_fn_output_type="ArrayRecord", metrics={"loss:sum": loss})
    record = told.loss_fn_outputs.add(num_datums=len(logprobs))
    ends = np.cumsum([0, *(each.nbytes for each in logprobs)]).astype(np.int64)
    field = record.fields["logprobs"]
    field.data, field.offsets, field.dtype = b"".join(p.tobytes() for p in logprobs), ends.tobytes(), wire.DTYPE_FLOAT32
    return bytes(told.SerializeToString())


def main() -> None:
    parser = argparse.ArgumentParser(description="A server of Tinker's protocol on 127.0.0.1 for trying things out.")
    parser.add_argument("tokenizer", type=Path)
    parser.add_argument("--model", action="append", default=[])
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    with TinkerServer(options.tokenizer, tuple(options.model) or ("tiny/llama",), options.port) as server:
        for name, value in server.env.items():
            print(f"export {name}={value}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
