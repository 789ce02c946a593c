"""What a provider means by "too many requests": how long to wait, or that waiting cures nothing."""

from __future__ import annotations

import email.utils
import math
import re
import time
from collections.abc import Mapping
from typing import Any, Literal

__all__ = ["is_hopeless"]

LONGEST = 1000
"""Characters of a provider's words that are looked at: some send whole pages."""
_MONEY = re.compile(r"billing|quota|credit|payment|balance|budget|spend|insufficient|hard.?limit", re.IGNORECASE)
"""What waiting does not bring back."""
_LONG = re.compile(
    r"daily|weekly|monthly|per.(?:day|week|month)|\b[RT]PD\b|suspend|deactivat|terminat|disabled|not.(?:active|allowed"
    r"|permitted|available|supported)|no longer|closed|deprecat|wind",
    re.IGNORECASE,
)
"""What waiting brings back tomorrow, or never."""
_PLACE = re.compile(
    r"concurren|(?:maximum|limit|too many|already|at most|up to)\b.*\b"
    r"(?:running|active|simultaneous\w*|parallel|pending|queued|in.progress|at once|at (?:a|the same) time)",
    re.IGNORECASE,
)
"""Of jobs: when one ends, there is a place."""
_RATE = re.compile(r"per.(?:min|sec)|\b[RT]PM\b", re.IGNORECASE)
_SOON = re.compile(
    r"try again in (?:(\d+(?:\.\d+)?)\s*m(?:in\w*)?\b\s*|(\d+)m(?=\d))?(?:(\d+(?:\.\d+)?)\s*(m?s))?", re.IGNORECASE
)
_ASIDE = re.compile(r"https?://\S+|You can increase your rate limit.*")


def curable(error: Any, message: str) -> float | Literal[False] | None:
    """Whether waiting may cure a 429: how long the server asks to wait, None where it does not say, False if not."""
    message = message[:LONGEST]
    coded = f"{getattr(error, 'code', '')} {getattr(error, 'type', '')}".replace("_", " ")[:LONGEST]
    said, wait = _ASIDE.sub("", message), _retry_after(error.response.headers)
    if wait is None and (soon := _SOON.search(message)) and any(soon.groups()):
        minutes = float(soon[1] or soon[2] or 0)
        wait = 60 * minutes + float(soon[3] or 0) / (1000 if soon[4] == "ms" else 1)
    if _MONEY.search(coded):
        return False
    if _PLACE.search(said) or _RATE.search(said):
        return wait
    if _MONEY.search(said) or (wait is None and _LONG.search(f"{coded} {said}")):
        return False
    return wait


def is_hopeless(error: BaseException) -> bool:
    """Whether an error of a provider's client says "too many requests" (429) in a way that waiting cannot cure."""
    if getattr(error, "status_code", None) != 429 or not hasattr(error, "response"):
        return False
    return curable(error, str(getattr(error, "message", error))) is False


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds, from a number of them or a date; None where the server says nothing that can be understood."""
    text = headers.get("retry-after", "")
    try:
        seconds = float(text)
    except ValueError:
        try:
            date = email.utils.parsedate_tz(text)
            seconds = email.utils.mktime_tz(date) - time.time() if date else math.nan
        except (ValueError, OverflowError):  # a year that there is not
            return None
    return max(0.0, seconds) if seconds == seconds else None
