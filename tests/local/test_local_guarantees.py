"""The trainer of this machine passes the suite of all trainers."""

from __future__ import annotations

from guarantees import OfLocal


class TestLocal(OfLocal): ...
