"""Secrets: what the environment holds that must never be written, how it is recognised, and how it is kept out."""

from __future__ import annotations

import codecs
import json
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache, lru_cache
from pathlib import Path
from typing import IO
from urllib.parse import quote, quote_plus, unquote

__all__ = ["found_in", "in_environment", "redact", "redacted_into", "screen"]

_NAMES = re.compile(
    r"(?:TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL)S?$|(?:^|_)(?:PWD|PASS|PAT)$"
    r"|(?:^|_|API|ACCESS|PRIVATE|SECRET|AUTH|SSH|DEPLOY|SIGNING|ENCRYPTION|AI)KEYS?$",
    re.IGNORECASE,
)
_OPEN_NAMES = re.compile(r"PUBLIC_?KEYS?$|^(?:OLD)?PWD$", re.IGNORECASE)
_MORE_NAMES = re.compile(r"(?:(?:^|_|API)KEY|TOKEN|SECRET|PASSWORD)_?\d+$|CONN(?:ECTION)?_?STR(?:ING)?$", re.IGNORECASE)
"""Hidden as well; what a step reads of them counts, as they may say where from."""
_IN_ADDRESS = re.compile(r"(?<=://)([^\s/:@]*):([^\s/@]+)(?=@)")
_USER = re.compile(r"(?<=http://)[^\s/:@]+(?=@)|(?<=https://)[^\s/:@]+(?=@)")  # a token, as git servers take it there
_QUERY = re.compile(
    r"(?<=[?&])((?:[\w-]*[_-])?(?:token|sig|signature|secret|password|credential|api[_-]?key|access[_-]?key)=)[^\s&#\"'<>]+",
    re.IGNORECASE,
)
_SURELY = 12  # characters; a shorter password of an address is hidden in addresses alone: many are a common word
_LEAST = 8  # characters; a shorter value is no secret, and would be found in any text
_ENDS = re.compile(r"\r\n|\r|\n|\\r\\n|\\n|\\r")  # of lines, also as a key of several lines is written on one
_ARMOUR = re.compile(r"-----(?:BEGIN|END) [A-Z0-9 ]+-----")  # the same in everybody's key
_SHAPES = re.compile(  # of keys that providers give out
    r"(?<![\w-])(?:sk-[A-Za-z0-9_-]{20,}|tml-[A-Za-z0-9_-]{16,}|hf_[A-Za-z0-9]{20,}|gh[pousr]_[A-Za-z0-9]{20,}"
    r"|github_pat_\w{20,}|AKIA[0-9A-Z]{16}|xox[abprs]-[A-Za-z0-9-]{10,}|AIza[0-9A-Za-z_-]{35})"
    r"|-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----(?:.*?-----END [A-Z0-9 ]*PRIVATE KEY-----)?",
    re.DOTALL,
)
_BLOCK = 1 << 20


def is_secret_name(name: str) -> bool:
    """Whether a variable of this name holds what nobody else may read."""
    return _NAMES.search(name.upper()) is not None


def in_environment() -> dict[str, str]:
    """The secrets of this process's environment: variable -> value, of an address what lets one in. A path of a file
    that there is, is none."""
    values = {}
    for name, value in os.environ.items():
        secret = value if _is_secret(name) else "\n".join(_in_address(value)) if "://" in value else ""
        if len(secret) >= _LEAST and not _is_path(secret):
            values[name] = secret
    return values


def _in_address(value: str) -> Iterator[str]:
    for user, password in _IN_ADDRESS.findall(value):
        yield f"{user}:{password}"
        yield from {each for each in (password, unquote(password)) if len(each) >= _SURELY}
    yield from (user for user in _USER.findall(value) if len(user) >= _SURELY)


@cache
def _is_secret(name: str) -> bool:
    return bool((_NAMES.search(name) or _MORE_NAMES.search(name)) and not _OPEN_NAMES.search(name))


def _is_path(value: str) -> bool:
    return value.startswith(("/", "~/")) and len(value) < 4096 and os.path.exists(os.path.expanduser(value))


def _texts() -> dict[str, str]:
    """What must not be written -> the variable that holds it: each value, each of its lines, and how JSON, addresses,
    Python, HTML and headers spell them; the longest first, so that what is replaced is replaced whole."""
    return dict(_texts_of(tuple(in_environment().items())))


@lru_cache(maxsize=8)
def _texts_of(secrets: tuple[tuple[str, str], ...], with_base64: bool = True) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, value in secrets:
        for part in (value, *_ENDS.split(value)):
            plain = part.strip()
            if len(plain) >= _LEAST and not _ARMOUR.fullmatch(plain):
                for text in (*_spelt(plain), *(_in_base64(plain) if with_base64 else ())):
                    values.setdefault(text, name)
    return dict(sorted(values.items(), key=lambda item: -len(item[0])))


def _spelt(value: str) -> Iterator[str]:
    from html import escape

    yield value
    yield from (json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1])
    raw = value.encode(errors="surrogateescape")
    yield from (quote(raw, ""), quote(raw), quote_plus(raw))
    yield from (repr(value)[1:-1], ascii(value)[1:-1], repr(raw)[2:-1])
    yield from (escape(value), escape(value, quote=False))


def _in_base64(value: str) -> Iterator[str]:
    """What of it any base64 has in which it stands, as `user:value` is sent to a server: from each of three places."""
    from base64 import b64encode

    raw = value.encode(errors="surrogateescape")
    for before in range(3):
        whole = b64encode(bytes(before) + raw)
        sure = whole[-(-before * 4 // 3) : (before + len(raw)) * 4 // 3].decode()  # no letter that also tells of others
        yield from (sure, sure.replace("+", "-").replace("/", "_"))


def _bytes(with_base64: bool = True) -> dict[bytes, str]:
    texts = _texts_of(tuple(in_environment().items()), with_base64)
    return {text.encode(errors="surrogateescape"): name for text, name in texts.items()}


def screen() -> Callable[[str], str | None]:
    """A function that says why a text should not be written where others read it; None where it may.

    What it says continues a sentence. It knows the environment of the moment when it was made.
    """
    texts = _texts()

    def why(text: str) -> str | None:
        for secret, name in texts.items():
            if secret in text:
                return f"holds the value of {name}"
        return "looks like the key of an account" if len(text) >= _LEAST and _SHAPES.search(text) else None

    return why


def redact(text: str) -> str:
    """A text with the environment's secrets, what lets one in of addresses, and all that is shaped like a key,
    replaced."""
    for secret, name in _texts().items():
        text = text.replace(secret, f"[{name}]")
    text = _USER.sub("[a password]", _IN_ADDRESS.sub("[a password]", text))
    return _SHAPES.sub("[a key]", _QUERY.sub(r"\1[a key]", text))


def found_in(paths: Iterable[Path | str] | Mapping[str, str]) -> tuple[str, str] | None:
    """The first of these files that holds the value of a variable, and which; looked for in the names that a mapping
    gives them, in the members of a zip file (an `.eval` log), in what gzip, bzip2, xz or Zstandard has packed, and in
    columns of Parquet and Arrow files, too.

    What cannot be unpacked (it is encrypted, cut short, packed in an unknown way) is told on standard error.
    """
    from motools.base.packed import first_inside

    secrets = _bytes(with_base64=False)  # each more is a pass over all that is kept

    def look(file: IO[bytes]) -> str | None:
        return _in_stream(file, secrets)

    for path, called in paths.items() if isinstance(paths, Mapping) else ():
        for value, variable in secrets.items():
            if value in os.fsencode(called):
                return path, variable
    for path in filter(os.path.isfile, paths if secrets else ()):  # a pipe would be waited for
        with open(path, "rb") as file:
            name = look(file)
        if (name := name or first_inside(Path(path), look)) is not None:
            return str(path), name
    return None


_WIDE = {
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}


def _in_stream(file: IO[bytes], secrets: Mapping[bytes, str]) -> str | None:
    block = file.read(_BLOCK)
    wide = next((codec for mark, codec in _WIDE.items() if block.startswith(mark)), None)
    if wide is not None:
        spelt = {value.decode(errors="surrogateescape"): name for value, name in secrets.items()}
        secrets = {**secrets, **{text.encode(wide, "surrogatepass"): name for text, name in spelt.items()}}
    overlap = max(map(len, secrets)) - 1
    tail = b""
    while block:
        window = tail + block
        for value, name in secrets.items():
            if value in window:
                return name
        tail = window[-overlap:]
        block = file.read(_BLOCK)
    return None


@contextmanager
def redacted_into(path: Path) -> Iterator[int]:
    """A file descriptor to write output to; secrets in it are replaced on the way into the file."""
    secrets = {value: f"[{name}]".encode() for value, name in _bytes().items()}
    if not secrets:
        with path.open("wb", buffering=0) as file:
            yield file.fileno()
        return
    file = path.open("wb", buffering=0)
    read, write = os.pipe()
    # What a step started and left alive may hold the pipe open for long; the thread closes the file when that ends.
    thread = threading.Thread(target=_pass_on, args=(read, file, secrets), daemon=True)
    thread.start()
    try:
        yield write
    finally:
        os.close(write)
        thread.join(2.0)  # seconds


def _pass_on(read: int, target: IO[bytes], secrets: Mapping[bytes, bytes]) -> None:
    """Line by line, so that no secret is cut in two; a line without end is passed on in large parts.

    Where the file takes no more (the disk is full), the rest is read all the same: who writes must not wait for ever.
    """
    overlap = max(map(len, secrets)) - 1
    waiting = b""
    with os.fdopen(read, "rb", buffering=0) as source, target, suppress(OSError):
        try:
            while block := source.read(_BLOCK):
                waiting += block
                end = max(waiting.rfind(b"\n"), waiting.rfind(b"\r")) + 1
                if not end and len(waiting) > _BLOCK:
                    waiting = _replaced(waiting, secrets)
                    end = max(len(waiting) - overlap, 0)
                _write(target, _replaced(waiting[:end], secrets))
                waiting = waiting[end:]
            _write(target, _replaced(waiting, secrets))
        except OSError:
            while source.read(_BLOCK):
                pass


def _write(target: IO[bytes], data: bytes) -> None:
    while data:
        data = data[target.write(data) :]


def _replaced(data: bytes, secrets: Mapping[bytes, bytes]) -> bytes:
    for value, word in secrets.items():
        data = data.replace(value, word)
    return data
