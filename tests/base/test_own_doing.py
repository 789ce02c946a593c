"""What MOTools does for itself is not seen by whoever looks at what this process does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from motools.base import own_doing
from motools.observe import observer


def test_who_looks_looks_away_as_long_as_it_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []

    @contextmanager
    def aside() -> Iterator[None]:
        said.append("away")
        yield
        said.append("back")

    monkeypatch.setattr(own_doing, "_sparing", [])
    own_doing.spare(aside)
    with own_doing.own_doing():
        assert said == ["away"]
    assert said == ["away", "back"]


def test_the_observer_is_one_who_looks_away() -> None:
    seen = observer()
    before = getattr(seen.local, "busy", False)
    with own_doing.own_doing():
        assert seen.local.busy
    assert seen.local.busy == before
