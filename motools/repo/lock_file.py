"""dvc.lock: read once, written in batches and at once, in DVC's own format.

DVC parses and writes the whole file for every stage, in place. Here the text of each stage is kept, so
that writing costs little more than the stages that changed, and a reader sees the old file or the new one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from motools.base import yaml12
from motools.base.files import replace_file
from motools.repo import pipeline
from motools.repo.hashing import hash_file


class LockFile:
    """The dvc.lock of one folder. `flush` only with DVC's lock held."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / pipeline.LOCK
        self._stamp: tuple[int, int, int] | None = (0, 0, 0)
        self._rest: dict[str, Any] = {}
        self._stages: dict[str, Any] = {}
        self._texts: dict[str, str] = {}
        self._new: dict[str, Any] = {}

    def entry(self, stage: str) -> Mapping[str, Any]:
        """What is locked for a stage, empty where nothing is; another process's writes are seen."""
        self._read()
        entry = self._new.get(stage) or self._stages.get(stage)
        return entry if isinstance(entry, dict) else {}

    @property
    def stages(self) -> list[str]:
        """The stages that have an entry, also those that dvc.yaml has no more."""
        self._read()
        return list({**self._stages, **self._new})

    def put(self, stage: str, entry: dict[str, Any]) -> None:
        """Enter a stage; written by the next `flush`."""
        self._new[stage] = entry

    def verified(self) -> str | None:
        """The MD5 of the file, if it is still what was read or written here."""
        if not self.path.exists():
            return None
        md5 = hash_file(self.path)
        return md5 if self._now() == self._stamp else None

    @property
    def pending(self) -> bool:
        return bool(self._new)

    def flush(self) -> None:
        """Write what was put, over what any other process wrote meanwhile; what cannot be written stays to be."""
        self._read()
        put = [s for s, e in self._new.items() if self._stages.get(s) != e or _text(self._stages[s]) != _text(e)]
        if put:
            stages = {**self._stages, **{stage: self._new[stage] for stage in put}}
            texts = {**self._texts, **{stage: _lines(stage, stages[stage]) for stage in put}}
            if list(texts) != list(stages):  # another process has written
                texts = {stage: texts.get(stage) or _lines(stage, entry) for stage, entry in stages.items()}
            rest = yaml12.dumps_lock(self._rest)
            replace_file(self.path, f"{rest}stages:\n{''.join(texts.values())}")
            self._stages, self._texts, self._stamp = stages, texts, self._now()
        self._new.clear()

    def _now(self) -> tuple[int, int, int] | None:
        try:
            stat = os.stat(self.path)
        except FileNotFoundError:
            return None
        return stat.st_mtime_ns, stat.st_size, stat.st_ino

    def _read(self) -> None:
        stamp = self._now()
        if stamp == self._stamp:
            return
        content = pipeline.load_lock(self.path)
        stages = content.pop("stages")
        kept = {s: t for s, t in self._texts.items() if s in stages and _text(stages[s]) == _text(self._stages[s])}
        self._rest, self._stages, self._texts, self._stamp = content, stages, kept, stamp


def _lines(stage: str, entry: Any) -> str:
    """A stage's part of the file."""
    return yaml12.dumps_lock({"stages": {stage: entry}}).partition("\n")[2]


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
