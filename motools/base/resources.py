"""What a step needs of the machine that it runs on; changes no result and is in no key."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields

from motools.base.configs import StepConfig
from motools.errors import ConfigError

__all__ = ["Resources"]

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
_SECONDS = {"s": 1, "min": 60, "m": 60, "h": 3600, "d": 86400}


@dataclass
class Resources(StepConfig):
    """What a step needs; None: it does not say so."""

    cores: float | None = None
    gpu: int | None = None
    """How many GPUs."""
    memory: str | None = None
    """`16 GB`, `500 MB` or `8 GiB`."""
    time: str | None = None
    """How long it may take: `30 min`, `12 h`, `2 d` or `1:30:00`."""

    def __post_init__(self) -> None:
        for name, least in (("cores", 0.0), ("gpu", -1)):
            value = getattr(self, name)
            if isinstance(value, int | float) and value <= least:
                raise ConfigError(
                    f"resources: {name} must be {'above 0' if least == 0 else '0 or more'}, not {value!r}."
                )
        _ = self.memory_bytes, self.time_seconds

    @property
    def memory_bytes(self) -> int | None:
        """Raises `ConfigError` where nobody can tell what it means."""
        if not isinstance(self.memory, str):
            return None
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?i?)b?\s*", self.memory, re.I)
        if match is None or match[2].lower() not in _UNITS:
            raise ConfigError(f"resources: memory {self.memory!r} is no size. Write it as 16 GB, 500 MB or 8 GiB.")
        return round(float(match[1]) * _UNITS[match[2].lower()])

    @property
    def time_seconds(self) -> int | None:
        """Raises `ConfigError` where nobody can tell what it means."""
        if not isinstance(self.time, str):
            return None
        if clock := re.fullmatch(r"(\d+):([0-5]\d):([0-5]\d)", self.time.strip()):
            return int(clock[1]) * 3600 + int(clock[2]) * 60 + int(clock[3])
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|min|m|h|d)\s*", self.time)
        if match is None:
            raise ConfigError(f"resources: time {self.time!r} is no time. Write it as 30 min, 12 h, 2 d or 1:30:00.")
        return round(float(match[1]) * _SECONDS[match[2]])

    def over(self, other: Resources) -> Resources:
        """These, and the other's where these do not say."""
        mine = {each.name: getattr(self, each.name) for each in fields(self)}
        return Resources(**{n: getattr(other, n) if value is None else value for n, value in mine.items()})
