"""A loopback stand-in for the server of published files, and a way to run tasks offline."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from mozoo import fetching
from mozoo.sources import Source


@dataclass
class Mirror:
    """What the server holds and how it misbehaves; `requests` has the path of every request."""

    files: dict[str, bytes] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    status: int = 200
    failures: int = 0
    """How many requests are answered with `status` before it behaves; -1 is all of them."""
    withheld: int = 0
    """Bytes missing at the end of every body, for all that its header promises."""
    silent: bool = False
    ranges: bool = True
    """Whether a request for the rest of a file is answered with the rest, or with all of it."""
    asked_ranges: list[str | None] = field(default_factory=list)
    """The Range header of every request."""
    delay: float = 0.0
    """Seconds before an answer."""
    stall: float = 0.0
    """Seconds between the two halves of a body."""
    closing: Event = field(default_factory=Event)

    def publish(self, content: bytes, path: str = "data/rows.jsonl", **known: Any) -> Source:
        """Serve `content` and describe it as a source that is pinned to it."""
        blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        source = Source("someone/things", "0" * 40, path, f"git:{blob}", **known)
        self.serve(source, content)
        return source

    def serve(self, source: Source, content: bytes) -> None:
        self.files[f"/{source.repo}/{source.commit}/{source.path}"] = content


class _Handler(BaseHTTPRequestHandler):
    mirror: Mirror

    def do_GET(self) -> None:
        mirror = self.mirror
        mirror.requests.append(self.path)
        mirror.asked_ranges.append(wanted := self.headers["Range"])
        if mirror.silent:
            mirror.closing.wait(300)
            return
        if mirror.failures:
            mirror.failures -= 1
            self.send_error(mirror.status)
            return
        content = mirror.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        start = int((wanted or "bytes=0-")[len("bytes=") : -1]) if mirror.ranges else 0
        if wanted and start >= len(content):
            self.send_error(416)
            return
        mirror.closing.wait(mirror.delay)
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        body = content[start : len(content) - mirror.withheld]
        self.wfile.write(body[: len(body) // 2])
        mirror.closing.wait(mirror.stall)
        self.wfile.write(body[len(body) // 2 :])

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    """A running server, named in MOTOOLS_MIRROR; attempts follow one another at once."""
    served = Mirror()
    handler = type("Handler", (_Handler,), {"mirror": served})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("MOTOOLS_MIRROR", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(fetching, "PAUSE", 0.0)
    yield served
    served.closing.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def evaluate(tmp_path: Path) -> Callable[..., Any]:
    """Runs a task, or one named as Inspect names it, on a model that `answer`s each question."""

    def run(task: Any, answer: Callable[[str], str], **arguments: Any) -> Any:
        from inspect_ai import eval as inspect_eval
        from inspect_ai.model import ModelOutput, ModelUsage, get_model

        def reply(messages: Any, *others: Any) -> ModelOutput:
            output = ModelOutput.from_content("mockllm", answer(messages[-1].text))
            # Without a usage Inspect counts tokens, with a tokenizer that it downloads.
            output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
            return output

        model = get_model("mockllm/model", custom_outputs=reply, memoize=False)
        (log,) = inspect_eval(task, model=model, log_dir=str(tmp_path / "logs"), display="none", **arguments)
        assert log.status == "success", log.error
        return log

    return run


@dataclass
class Hub:
    """A stand-in for the Hugging Face Hub: the datasets it has, by name and file, all at one commit."""

    commit: str = "ab" * 20
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    served: dict[str, bytes] = field(default_factory=dict)
    """By file name, what is sent in place of what is declared."""
    broken: bool = False
    """Whether every request is refused, as by a server that is down."""

    def about(self, repo: str) -> dict[str, Any]:
        def known(name: str, content: bytes) -> dict[str, Any]:
            if not name.endswith(".parquet"):
                blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
                return {"rfilename": name, "size": len(content), "blobId": blob}
            lfs = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
            return {"rfilename": name, "size": len(content), "blobId": "0" * 40, "lfs": lfs}

        siblings = [known(name, content) for name, content in self.files[repo].items()]
        return {"_id": "1", "id": repo, "sha": self.commit, "private": False, "tags": [], "siblings": siblings}


class _HubHandler(BaseHTTPRequestHandler):
    hub: Hub

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.hub.requests.append(f"{self.command} {path}")
        kind, _, rest = path.strip("/").partition("/")
        if kind == "api":
            repo = "/".join(rest.split("/")[1:3])
            if not self.hub.broken and repo in self.hub.files:
                return self.answer(json.dumps(self.hub.about(repo)).encode())
        else:
            owner, name, _, commit, file = rest.split("/", 4)
            content = self.hub.files.get(f"{owner}/{name}", {}).get(file)
            if not self.hub.broken and content is not None and commit == self.hub.commit:
                return self.answer(self.hub.served.get(file, content))
        self.send_error(403 if self.hub.broken else 404)

    def answer(self, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-Repo-Commit", self.hub.commit)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A running server, named in HF_ENDPOINT."""
    served = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("HubHandler", (_HubHandler,), {"hub": served}))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    yield served
    server.shutdown()
    server.server_close()
    thread.join()
