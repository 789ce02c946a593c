"""Secrets: what the environment holds that must never be written, how it is recognised, and how it is kept out."""

from __future__ import annotations

import os
import re
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["found_in", "known", "redact", "redacted_into", "screen"]

_NAMES = re.compile(r"(?:^|_)(?:API_?KEY|ACCESS_KEY|SECRET_KEY|PRIVATE_KEY|TOKEN|SECRET|PASSWORD|PASSWD)$")
_LEAST = 8  # characters; a shorter value is no secret, and would be found in any text
_SHAPES = re.compile(  # of keys that providers give out
    r"(?<![\w-])(?:sk-[A-Za-z0-9_-]{20,}|tml-[A-Za-z0-9_-]{16,}|hf_[A-Za-z0-9]{20,}|gh[pousr]_[A-Za-z0-9]{20,}"
    r"|github_pat_\w{20,}|AKIA[0-9A-Z]{16}|xox[abprs]-[A-Za-z0-9-]{10,}|AIza[0-9A-Za-z_-]{35})"
)
_BLOCK = 1 << 20


def is_secret_name(name: str) -> bool:
    """Whether a variable of this name holds what nobody else may read."""
    return _NAMES.search(name.upper()) is not None


def known() -> dict[str, str]:
    """The secrets of this process's environment: variable -> value."""
    return {name: value for name, value in os.environ.items() if _NAMES.search(name) and len(value) >= _LEAST}


def screen() -> Callable[[str], str | None]:
    """A function that says why a text should not be written where others read it; None where it may.

    What it says continues a sentence. It knows the environment of the moment when it was made.
    """
    values = known()

    def why(text: str) -> str | None:
        for name, value in values.items():
            if value in text:
                return f"holds the value of {name}"
        return "looks like the key of an account" if len(text) >= _LEAST and _SHAPES.search(text) else None

    return why


def redact(text: str) -> str:
    """A text with the environment's secrets, and all that is shaped like a key, replaced."""
    for name, value in known().items():
        text = text.replace(value, f"[{name}]")
    return _SHAPES.sub("[a key]", text)


def found_in(path: Path) -> str | None:
    """The variable whose value a file holds, looked for in the members of a zip file (an `.eval` log) too."""
    secrets = {name: value.encode() for name, value in known().items()}
    if not secrets:
        return None
    with path.open("rb") as file:
        found = _in_stream(file, secrets)
    if found is None and zipfile.is_zipfile(path):
        with suppress(ImportError):  # Inspect packs its logs with Zstandard, and brings what lets zipfile read it
            import zipfile_zstd  # noqa: F401
        with zipfile.ZipFile(path) as archive, suppress(NotImplementedError):  # an unknown compression
            for member in archive.infolist():
                with archive.open(member) as inside:
                    found = found or _in_stream(inside, secrets)
    return found


def _in_stream(file: object, secrets: Mapping[str, bytes]) -> str | None:
    overlap = max(map(len, secrets.values())) - 1
    tail = b""
    while block := file.read(_BLOCK):  # type: ignore[attr-defined]
        window = tail + block
        for name, value in secrets.items():
            if value in window:
                return name
        tail = window[-overlap:]
    return None


@contextmanager
def redacted_into(path: Path) -> Iterator[int]:
    """A file descriptor to write output to; secrets in it are replaced on the way into the file."""
    secrets = {value.encode(): f"[{name}]".encode() for name, value in known().items()}
    with path.open("wb", buffering=0) as file:
        if not secrets:
            yield file.fileno()
            return
        read, write = os.pipe()
        thread = threading.Thread(target=_pass_on, args=(read, file.fileno(), secrets), daemon=True)
        thread.start()
        try:
            yield write
        finally:
            os.close(write)
            thread.join(2.0)  # seconds; what the step started and left alive may hold the pipe open


def _pass_on(read: int, target: int, secrets: Mapping[bytes, bytes]) -> None:
    """Line by line, so that no secret is cut in two; a line without end is passed on in large parts."""
    waiting = b""
    while block := os.read(read, _BLOCK):
        waiting += block
        end = max(waiting.rfind(b"\n"), waiting.rfind(b"\r")) + 1
        if len(waiting) > _BLOCK:
            end = len(waiting)
        os.write(target, _replaced(waiting[:end], secrets))
        waiting = waiting[end:]
    os.write(target, _replaced(waiting, secrets))
    os.close(read)


def _replaced(data: bytes, secrets: Mapping[bytes, bytes]) -> bytes:
    for value, word in secrets.items():
        data = data.replace(value, word)
    return data
