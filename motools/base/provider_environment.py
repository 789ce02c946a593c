"""What the environment says of a provider: keys, names and addresses that go into requests, looked at before any.

A line break at the end of an organisation's name, a curly quote or a proxy that nothing here speaks would otherwise
show in the middle of a run, as a request that is tried again and again or as a traceback of an HTTP library.
"""

from __future__ import annotations

import importlib.util
import os
from urllib.parse import urlsplit

from motools.errors import BackendError

__all__ = ["check_environment", "lacking"]

_SECRETS = ("KEY", "TOKEN", "SECRET", "PASSWORD")
_ADDRESSES = ("URL", "ENDPOINT", "HOST")
_NAMES = ("ORG_ID", "PROJECT_ID", "ORGANIZATION", "PROJECT", "ORG")
_QUOTES = "\"'`"
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
_SCHEMES = ("http", "https", "socks5", "socks5h")


def lacking(variable: str) -> str:
    """What there is to say of a key that is not there: an empty one wins over the project's `.env`."""
    if variable in os.environ:
        return (
            f"{variable}, which is set and empty, and wins over .env: type export {variable}=... or unset {variable}."
        )
    return f"{variable}, which is not set: type export {variable}=... or put it into the file .env beside .dvc."


def check_environment(prefix: str) -> None:
    """Refuse variables of a provider, `PREFIX_…`, and of proxies, that no request could be made with.

    Raises:
        BackendError: naming the variable; the value is shown unless it is a secret.
    """
    for name in sorted(os.environ):
        if name.startswith(f"{prefix}_"):
            value, kind = os.environ[name], name.removeprefix(f"{prefix}_")
            if kind.endswith(_SECRETS):
                _check_plain(name, value, shown=False)
            elif kind.endswith(_ADDRESSES):
                _check_plain(name, value)
                _check_address(name, value)
            elif kind.endswith(_NAMES):
                _check_plain(name, value)
    for proxy in _PROXIES:
        for name in (proxy, proxy.upper()):
            _check_proxy(name, os.environ.get(name, ""))


def _check_plain(name: str, value: str, shown: bool = True) -> None:
    """What goes into a header is plain ASCII without spaces; a value in quotes was quoted once too often."""
    if value and (not value.isascii() or not value.isprintable() or any(c.isspace() or c in _QUOTES for c in value)):
        what = f": {value!r:.80}" if shown else ""
        raise BackendError(
            f"{name} holds spaces, line breaks, quotes or other odd characters{what}. Copy it once more."
        )


def _check_address(name: str, value: str) -> None:
    if value and not _is_address(value, ("http", "https")):
        raise BackendError(f"{name} must look like https://api.openai.com/v1, not {value!r}.")


def _is_address(value: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(value)
        return parts.scheme in schemes and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:  # a port that is no number, a bracket that is not closed
        return False


def _check_proxy(name: str, value: str) -> None:
    if not value:
        return
    _check_plain(name, value, shown=False)  # it may hold a password
    value = value if "://" in value else f"http://{value}"  # as HTTP clients read it
    scheme = value.partition("://")[0].lower()
    if not _is_address(value, _SCHEMES):
        raise BackendError(
            f"{name} names a proxy of a kind that cannot be used ({scheme}://…): write http://host:port."
        )
    if scheme.startswith("socks") and importlib.util.find_spec("socksio") is None:
        raise BackendError(
            f"{name} names a SOCKS proxy, for which a package is missing: type pip install socksio, or unset {name}."
        )
