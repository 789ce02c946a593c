"""How long ago something was, in a word: `3 min ago`."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["age", "span"]

_UNITS = (("year", 365 * 86400), ("month", 30 * 86400), ("d", 86400), ("h", 3600), ("min", 60))


def age(when: str, now: datetime | None = None) -> str:
    """`3 min ago`, `2 d ago`; `just now` below a minute, and the text itself where it is no time.

    Args:
        when: in ISO 8601, as run records have it; without a zone it is UTC.
    """
    try:
        then = datetime.fromisoformat(when)
    except ValueError:
        return when
    then = then if then.tzinfo else then.replace(tzinfo=UTC)
    seconds = ((now or datetime.now(UTC)) - then).total_seconds()
    for name, size in _UNITS:
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {name}{'s' if count > 1 and name in ('month', 'year') else ''} ago"
    return "just now"


def span(seconds: float) -> str:
    """A time to wait or that has passed, in its two largest units: `45 s`, `3 min`, `2 h 5 min`, `1 d 4 h`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{round(whole / 60)} min"
    if whole < 86400:
        hours, minutes = divmod(round(whole / 60), 60)
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(round(whole / 3600), 24)
    return f"{days} d {hours} h" if hours else f"{days} d"
