"""A hub on loopback that speaks what huggingface_hub does when it publishes: repositories, large files, commits.

Large files go to a second server, a storage on another port, as the real hub's do.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from motools.base import yaml12

TOKEN = "hf_" + "A1b2C3d4" * 4
COMMIT = "0" * 40
LARGE = (".safetensors", ".parquet")
"""What the hub's own .gitattributes names."""


@dataclass
class Repository:
    """One repository: every commit's files, the newest last."""

    private: bool
    commits: list[tuple[str, str, dict[str, bytes]]]

    @property
    def files(self) -> dict[str, bytes]:
        return self.commits[-1][2]

    @property
    def id(self) -> str:
        return self.commits[-1][0]


@dataclass
class HubServer:
    """What the hub has, and what was asked of it.

    Attributes:
        repositories: by `models/OWNER/NAME` and `datasets/OWNER/NAME`.
        requests: method, path and authorization, in their order.
        stored: at the storage, by SHA-256.
        uploads: method, path and authorization at the storage.
        refused: how often commits are refused, with which status.
    """

    repositories: dict[str, Repository] = field(default_factory=dict)
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    stored: dict[str, bytes] = field(default_factory=dict)
    uploads: list[tuple[str, str, str]] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    token: str = TOKEN
    address: str = ""
    storage: str = ""

    def add(self, name: str, private: bool, **files: bytes) -> Repository:
        contents = {name.replace("_", "."): content for name, content in files.items()}
        self.repositories[name] = Repository(private, [(COMMIT, "initial commit", {".gitattributes": b"", **contents})])
        return self.repositories[name]

    def sent(self, part: str) -> int:
        """How many requests had a part in their path."""
        return sum(part in path for _, path, _ in self.requests)

    def answer(self, method: str, path: str, content: bytes) -> tuple[int, Any]:
        """What the hub says: a status, and what becomes JSON."""
        if path == "/api/repos/create":
            return self._create(json.loads(content))
        if path == "/api/validate-yaml":
            head = json.loads(content)["content"].split("---\n")[1]
            sound = isinstance(yaml12.loads(head), dict)
            return (200 if sound else 400), {"errors": [], "warnings": []}
        name, is_large, what = path.strip("/").partition(".git/info/lfs/objects/")
        if is_large:
            assert (name if name.startswith("datasets/") else f"models/{name}") in self.repositories, path
            return self._large(name, what, json.loads(content))
        kind, owner, name, *rest = path.removeprefix("/api").strip("/").split("/")
        repository = self.repositories.get(f"{kind}/{owner}/{name}")
        if repository is None:
            return 404, {"error": "Repository not found"}
        if not rest and method == "GET":
            return 200, self._about(f"{owner}/{name}", repository)
        if rest[0] == "preupload":
            return 200, {"files": [self._mode(repository, file) for file in json.loads(content)["files"]]}
        assert rest[0] == "commit", path
        return self._commit(f"{owner}/{name}", repository, [json.loads(line) for line in content.splitlines()])

    def _create(self, asked: dict[str, Any]) -> tuple[int, Any]:
        kind = f"{asked.get('type', 'model')}s"
        name = f"{asked['organization']}/{asked['name']}"
        if f"{kind}/{name}" in self.repositories:
            return 409, {"error": "You already created this repo"}
        self.add(f"{kind}/{name}", asked["visibility"] == "private")
        return 200, {"url": f"{self.address}/{'datasets/' if kind == 'datasets' else ''}{name}"}

    def _about(self, name: str, repository: Repository) -> dict[str, Any]:
        siblings = []
        for path, content in repository.files.items():
            about: dict[str, Any] = {"rfilename": path, "size": len(content), "blobId": _blob(content)}
            if path.endswith(LARGE):
                about["lfs"] = {"sha256": _sha256(content), "size": len(content), "pointerSize": 130}
            siblings.append(about)
        told = {"id": name, "private": repository.private, "sha": repository.id, "siblings": siblings}
        return {**told, "tags": [], "downloads": 0, "likes": 0, "disabled": False, "gated": False}

    def _mode(self, repository: Repository, file: dict[str, Any]) -> dict[str, Any]:
        large = file["path"].endswith(LARGE) or b"\0" in base64.b64decode(file["sample"])
        had = repository.files.get(file["path"])
        oid = None if had is None else _sha256(had) if large else _blob(had)
        mode = "lfs" if large else "regular"
        return {"path": file["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid}

    def _large(self, name: str, what: str, asked: dict[str, Any]) -> tuple[int, Any]:
        if what == "verify":
            sound = len(self.stored.get(asked["oid"], b"")) == asked["size"]
            return (200 if sound else 404), {}
        objects = []
        for each in asked["objects"]:
            actions = {
                "upload": {"href": f"{self.storage}/{each['oid']}"},
                "verify": {"href": f"{self.address}/{name}.git/info/lfs/objects/verify"},
            }
            objects.append(each if each["oid"] in self.stored else {**each, "actions": actions})
        return 200, {"transfer": "basic", "objects": objects}

    def _commit(self, name: str, repository: Repository, lines: list[dict[str, Any]]) -> tuple[int, Any]:
        if self.refused:
            return self.refused.pop(0), {"error": "no"}
        header = lines[0]["value"]
        if header.get("parentCommit") not in (None, repository.id):
            return 412, {"error": "A commit has happened since."}
        files = dict(repository.files)
        for line in lines[1:]:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.stored[value["oid"]]
            else:
                assert line["key"] == "deletedFile", line
                del files[value["path"]]
        commit = hashlib.sha1(f"{repository.id}{len(repository.commits)}".encode()).hexdigest()
        repository.commits.append((commit, header["summary"], files))
        return 200, {"commitUrl": f"{self.address}/{name}/commit/{commit}", "commitOid": commit, "success": True}

    @contextmanager
    def running(self) -> Iterator[HubServer]:
        """Both servers, until the end of a block."""
        servers = [ThreadingHTTPServer(("127.0.0.1", 0), _handler(self, at)) for at in ("hub", "storage")]
        self.address, self.storage = (f"http://127.0.0.1:{server.server_port}" for server in servers)
        threads = [Thread(target=each.serve_forever, kwargs={"poll_interval": 0.01}) for each in servers]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            for server, thread in zip(servers, threads, strict=True):
                server.shutdown()
                server.server_close()
                thread.join()


def _handler(hub: HubServer, at: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path, authorization = self.path.partition("?")[0], self.headers.get("Authorization", "")
            log = hub.uploads if at == "storage" else hub.requests
            log.append((self.command, path, authorization))
            if at == "storage":
                hub.stored[path.strip("/")] = content
                return self._say(200, {})
            if authorization != f"Bearer {hub.token}":
                return self._say(401, {"error": "Invalid username or password."})
            self._say(*hub.answer(self.command, path, content))

        do_GET = do_POST = do_PUT = _serve

        def _say(self, status: int, value: Any) -> None:
            text = json.dumps(value).encode()
            self.send_response(status)
            if status == 404:
                self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *args: Any) -> None:
            pass

    return Handler


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _blob(content: bytes) -> str:
    return hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()
