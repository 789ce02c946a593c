"""Results: atoms, the records of how they were made, lineage, comparisons and costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from motools.atom.atom import Atom, DatasetAtom, EvalAtom, ModelAtom
    from motools.atom.citation import cite
    from motools.atom.comparison import Comparison, compare
    from motools.atom.eval_differences import MEANS, Arm, Difference, differences, holm_adjusted
    from motools.atom.lineage import Ancestry, trace
    from motools.atom.listing import find_atom

__all__ = [
    "MEANS",
    "Ancestry",
    "Arm",
    "Atom",
    "Comparison",
    "DatasetAtom",
    "Difference",
    "EvalAtom",
    "ModelAtom",
    "cite",
    "compare",
    "differences",
    "find_atom",
    "holm_adjusted",
    "trace",
]

_LATER = {
    **dict.fromkeys(("Atom", "DatasetAtom", "EvalAtom", "ModelAtom"), "motools.atom.atom"),
    **dict.fromkeys(("Comparison", "compare"), "motools.atom.comparison"),
    **dict.fromkeys(("MEANS", "Arm", "Difference", "differences", "holm_adjusted"), "motools.atom.eval_differences"),
    "cite": "motools.atom.citation",
    "find_atom": "motools.atom.listing",
    "Ancestry": "motools.atom.lineage",
    "trace": "motools.atom.lineage",
}
"""Imported when they are asked for: who wants one of them should not wait for the others."""


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name in _LATER:
            from importlib import import_module

            return getattr(import_module(_LATER[name]), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
