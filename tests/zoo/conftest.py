"""A loopback stand-in for the server of published files, and a way to run tasks offline."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from mozoo import sources
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
        if mirror.silent:
            mirror.closing.wait(10)
            return
        if mirror.failures:
            mirror.failures -= 1
            self.send_error(mirror.status)
            return
        content = mirror.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) - mirror.withheld])

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
    monkeypatch.setattr(sources, "PAUSE", 0.0)
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
