"""The files of an evaluation's atom: metrics and samples, the same bytes for the same evaluation; and sums of usage."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from motools.evals import Evaluation

__all__ = ["add_usage", "write_results"]


def write_results(result: Evaluation, folder: Path) -> None:
    """Write `metrics.json` and `samples.jsonl` into a new folder."""
    folder.mkdir()
    text = json.dumps(result.metrics, indent=2, sort_keys=True, allow_nan=False) + "\n"
    (folder / "metrics.json").write_text(text, encoding="utf-8")
    with (folder / "samples.jsonl").open("w", encoding="utf-8") as file:
        for sample in result.samples:
            file.write(json.dumps(sample, ensure_ascii=False, sort_keys=True, allow_nan=False) + "\n")


def add_usage(total: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Add counts to those of the same names, also to those that lie in mappings."""
    for name, value in more.items():
        if isinstance(value, Mapping):
            add_usage(total.setdefault(name, {}), value)
        else:
            total[name] = total.get(name, 0) + value
