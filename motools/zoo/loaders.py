"""What a dataset's loader may return."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from motools.errors import StepError, listed


def refuse_other(returned: Any, loader: str) -> None:
    """Raises `StepError` where what a loader returned is nothing to take rows from, with what to return instead."""
    told = type(returned).__name__
    if isinstance(returned, Mapping) and returned and all(hasattr(part, "column_names") for part in returned.values()):
        raise StepError(
            f"{loader} returned a {told}, not rows: return one of its splits, {listed(returned)}, as with "
            f"split={next(iter(returned))!r}."
        )
    for columns, advice in (
        ("iterrows", 'to_dict("records")'),
        ("iter_rows", "to_dicts()"),
        ("to_pylist", "to_pylist()"),
    ):
        if hasattr(returned, columns):  # a table of pandas, polars or pyarrow, which is iterated by columns
            raise StepError(f"{loader} returned a {told}, which is no rows but columns: return .{advice} of it.")
    if not isinstance(returned, Iterable) or isinstance(returned, (str, bytes, Mapping)):
        raise StepError(f"{loader} returned {told}, not rows.")
