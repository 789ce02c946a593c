"""What an evaluation's metrics are, each with its interval: computed once for each atom, and remembered by its hash."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from motools.atom.atom import EvalAtom, at_hand
from motools.atom.columns import dotted, metric_names
from motools.atom.eval_differences import Arm
from motools.base.files import replace_file
from motools.errors import DamagedError
from motools.repo.survey import Survey

__all__ = ["AtomFigures", "Figure", "Figures"]

_VERSION = 2


@dataclass(frozen=True)
class Figure:
    """One metric.

    Attributes:
        low: the lower end of the 95 % interval, over questions or, of a group, over trainings; None where it has none.
        high: the upper end.
        n: how many samples it is the mean of; None of what is no mean of them.
        clusters: how many clusters these are in, where they are in some.
        trainings: how many trainings it is the mean of; None of one evaluation.
    """

    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None
    clusters: int | None = None
    trainings: int | None = None

    def as_dict(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value is not None or name in ("low", "high")}


@dataclass(frozen=True)
class AtomFigures:
    """What a table tells of an atom: its kind, its figures by `task.score.metric`, and the models that it is of."""

    kind: str
    figures: Mapping[str, Figure]
    models: tuple[str, ...] = ()


class Figures:
    """The figures of atoms; an atom never changes, so what was computed of one holds for ever."""

    def __init__(self, survey: Survey) -> None:
        self._survey = survey
        self._path = survey.project.private / "figures.json"
        self._entries: dict[str, Any] = {}
        self._is_new = False
        with suppress(OSError, ValueError, TypeError, KeyError):
            content = json.loads(self._path.read_text(encoding="utf-8"))
            self._entries = dict(content["atoms"]) if content["version"] == _VERSION else {}

    def of(self, md5: str) -> AtomFigures | None:
        """Of the atom with this hash; None where it is not at hand, or damaged."""
        if md5 not in self._entries:
            try:
                atom = at_hand(self._survey, md5)
                if atom is None:
                    return None
                figures = _figures(atom) if isinstance(atom, EvalAtom) else {}
            except DamagedError:
                return None
            models = [id for id in atom.made_from.values() if id.startswith("model-")]
            told = {name: [each.value, each.low, each.high, each.n, each.clusters] for name, each in figures.items()}
            self._entries[md5], self._is_new = {"kind": atom.kind, "figures": told, "models": models}, True
        kept = self._entries[md5]
        figures = {name: Figure(*values) for name, values in kept["figures"].items()}
        return AtomFigures(kept["kind"], figures, tuple(kept["models"]))

    def save(self) -> None:
        """Remember them, where something new was computed; a folder that is somebody else's costs time, that is all."""
        if self._is_new:
            with suppress(OSError):
                replace_file(self._path, json.dumps({"version": _VERSION, "atoms": self._entries}))


def _figures(atom: EvalAtom) -> dict[str, Figure]:
    """Every number among the metrics; of the mean of its samples' scores the interval, as `motools compare` has it."""
    by_name: dict[str, Figure] = {}
    arm = Arm(atom)
    for name, value in metric_names(atom):
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            continue
        if name in arm.means:
            over, n, clusters, _ = arm.estimates(name)
            low, high = over.interval() or (None, None)
            by_name[dotted(name)] = Figure(value, low, high, n, clusters)
        else:
            told = atom.metrics[name[0]][name[1]] if name[0] and name[2] == "difference" else {}  # of a comparison
            by_name[dotted(name)] = Figure(value, told.get("low"), told.get("high"), told.get("samples"))
    return by_name
