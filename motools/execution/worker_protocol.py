"""What a run and the server of its workers say to each other, over a socket."""

from __future__ import annotations

import os
import pickle
import socket
import struct
from contextlib import suppress
from typing import Any

_HEADER = struct.Struct("!Q")


def kill_process(pid: int, number: int) -> None:
    """Send a signal to a task's process and what it started."""
    with suppress(ProcessLookupError):
        try:
            os.killpg(pid, number)
        except ProcessLookupError:  # it leads no group yet
            os.kill(pid, number)


def send(stream: socket.socket, value: Any) -> None:
    data = pickle.dumps(value)
    stream.sendall(_HEADER.pack(len(data)) + data)


def receive(stream: socket.socket) -> Any:
    """The next value, or None where the other side is gone."""
    header = _exactly(stream, _HEADER.size)
    data = _exactly(stream, _HEADER.unpack(header)[0]) if header else b""
    return pickle.loads(data) if data else None


def _exactly(stream: socket.socket, size: int) -> bytes:
    parts = []
    while size:
        try:
            part = stream.recv(min(size, 1 << 20))
        except OSError:
            return b""
        if not part:
            return b""
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
