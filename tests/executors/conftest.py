"""What this process keeps as a worker is not kept for the next test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def no_workers_left() -> Iterator[None]:
    yield
    from motools.execution import one_step

    while one_step._servers:
        one_step._servers.popitem()[1].abandon()
