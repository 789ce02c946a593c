"""Which hosts may be sent a person's keys and work: those their own environment names, and those they have allowed.

What comes with a repository or an atom (a committed `.env` or motools.yaml, params.yaml, a model's metadata) may name
none but these.
The allowed ones stand in the person's own configuration, one a line, outside of every repository.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from motools.base.files import replace_file
from motools.errors import UserError

__all__ = ["MOVING", "allow", "allowed", "forget", "moves", "named_in_environment", "refusal", "refusal_of_work"]

SHIPPED = ("api.openai.com", "tinker.thinkingmachines.dev")
"""Hosts that the backends go to by themselves."""
MOVING = (
    "HOME", "USERPROFILE", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "DVC_GLOBAL_CONFIG_DIR", "DVC_SYSTEM_CONFIG_DIR",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE", "NETRC",
    "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AZURE_CONFIG_DIR", "TINKER_CREDENTIAL_CMD", "SSH_ASKPASS",
    "SSLKEYLOGFILE", "GCONV_PATH", "HOSTALIASES", "LOCALDOMAIN", "RESOLV_HOST_CONF", "RES_OPTIONS",
)  # fmt: skip
"""Variables that name no host, and decide which ones are allowed, whether a host is who it says it is, or what is
executed to get a key."""
_OF_PROGRAMS = ("GIT_", "LD_", "DYLD_", "OPENSSL_")


def moves(name: str) -> bool:
    """Whether a variable is one of `MOVING`, or of those that have git, the linker or OpenSSL execute something."""
    return name in MOVING or name.startswith(_OF_PROGRAMS)


_WHERE = re.compile(
    r"(?:url|uri|host|hostname|endpoint|proxy|proxies|server|address|domain|gateway|mirror)s?$|(?:^|_)base$", re.I
)
_HOST = re.compile(r"(?:[\w-]+[.\u3002\uff0e\uff61])+[^\W\d_]{2,}\.?|\d{1,3}(?:\.\d{1,3}){3}|\[.*|localhost", re.I)
_SERVERS = re.compile(r"_(?:URL|URI|HOST|ENDPOINT|BASE|MIRROR)$", re.I)
_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


def refusal(values: Any, where: str) -> str | None:
    """Why what a repository or an atom says must not be used, as the start of a sentence and what to type; or None.

    Args:
        values: JSON values; texts in them that are addresses, or stand under a name such as `base_url`, are hosts.
        where: what names the first of them, for the sentence.
    """
    return _refusal(values, where, "requests, and your key with them,", "your keys", lambda host: False)


def refusal_of_work(values: Any, where: str) -> str | None:
    """The same of addresses that code and data are sent to, and no key; for these, this machine itself will do."""
    return _refusal(values, where, "your code and data", "them and with your keys", _is_here)


def _refusal(values: Any, where: str, what: str, trusting: str, is_fine: Callable[[str], bool]) -> str | None:
    trusted = {*allowed(), *named_in_environment()}
    for name, host, text in _hosts(values, ""):
        if host is None:
            return (
                f"{where} names an address whose host cannot be told for sure ({name}: {text!r:.80}). Write it plainly."
            )
        if host not in trusted and host.rpartition(":")[0] not in trusted and not is_fine(host.rpartition(":")[0]):
            shown = host.removesuffix(":443").removesuffix(":80")
            return (
                f"{where} would have {what} sent to {shown} ({name}). "
                f"If you trust that host with {trusting}, type: motools trust {shown}"
            )
    return None


def _is_here(host: str) -> bool:
    from ipaddress import ip_address

    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def allowed() -> list[str]:
    """The hosts that need no question: `host` (at every port) or `host:port`."""
    try:
        lines = _file().read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        lines = []
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{_file()} cannot be read: {error}.") from None
    return [*SHIPPED, *(line.strip() for line in lines if line.strip() and not line.startswith("#"))]


def named_in_environment() -> dict[str, str]:
    """Every `host:port` that a variable of this process names as a server's -> the variable."""
    hosts: dict[str, str] = {}
    for name, value in os.environ.items():
        if not name.upper().endswith("PROXY") and ("://" in value or _SERVERS.search(name)):
            for _, host, _ in _hosts(value, name):
                if host is not None:
                    hosts.setdefault(host, name)
    return hosts


def allow(text: str) -> str:
    """Allow a host, or `host:port`, from now on, given alone or in an address; returns it as it is kept."""
    host = _typed(text)
    if host not in allowed():
        _write([*allowed()[len(SHIPPED) :], host])
    return host


def forget(text: str) -> str:
    """Allow a host no longer; raises `UserError` where it was not allowed."""
    host = _typed(text)
    if host not in (mine := allowed()[len(SHIPPED) :]):
        raise UserError(f"{host} is not among the hosts that you have allowed. `motools trust --list` shows them.")
    _write([each for each in mine if each != host])
    return host


def _write(hosts: list[str]) -> None:
    try:
        replace_file(_file(), "".join(f"{host}\n" for host in hosts))
    except OSError as error:
        raise UserError(f"{_file()} cannot be written: {error}.") from None


def _file() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "motools" / "trusted_hosts"


def _typed(text: str) -> str:
    """What a person typed: without a port it holds for all of them; an address has that of its scheme."""
    host = _address(text)
    if host is None or "@" in text or not re.fullmatch(r"[\w.:\[\]-]+", host):
        raise UserError(f"{text!r} is no host. Write it as api.example.org, or with its port: 127.0.0.1:8000.")
    given = "://" in text or urlsplit(f"//{text}").port
    return host if given else host.rpartition(":")[0]


def _hosts(value: Any, name: str, sure: bool = False) -> Iterator[tuple[str, str | None, str]]:
    """Where in a value, by dotted names, which `host:port` (None: it cannot be told) is named, and the text.

    Args:
        sure: it stands under a name that says so.
    """
    sure = sure or bool(_WHERE.search(name.rpartition(".")[2]))
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _hosts(item, f"{name}.{key}" if name else str(key), sure)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _hosts(item, name, sure)
    elif isinstance(value, str) and value.strip() and (sure or _is_address(value)):
        yield name, _address(value), value


def _is_address(text: str) -> bool:
    """Whether a text is an address, or could lead one elsewhere that it is put into, as a region is: `x@host/`."""
    if "://" in text:
        return not text.startswith("file:///")
    parts = [part for part in re.split(r"[/?#:\\\s]+", text) if part]
    return bool(parts) and text != parts[0] and bool(_HOST.fullmatch(parts[0].rpartition("@")[2]))


def _address(text: str) -> str | None:
    """`host:port` of an address or of what could become one; None where readers of addresses may differ."""
    text = text.strip()
    if not text.isascii() or not text.isprintable() or any(odd in text for odd in "\\ "):
        return None
    try:
        parts = urlsplit(text if "://" in text else f"//{text.lstrip('/')}")
        host, port = parts.hostname, parts.port or _PORTS.get(parts.scheme.lower(), 443)
    except ValueError:
        return None
    if not host or (parts.username is not None and "://" in text):
        return None
    return f"[{host}]:{port}" if ":" in host else f"{host.rstrip('.')}:{port}"
