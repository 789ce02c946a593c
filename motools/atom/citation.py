"""Figures of one's own that say which results they are of: `motools lineage FIGURE` tells where these are from."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from motools.errors import AtomError

if TYPE_CHECKING:
    from collections.abc import Callable

    from motools.atom.atom import Atom
    from motools.atom.outputs import Output

__all__ = ["cite", "cited_in", "of_file"]

_CITED = re.compile(rb"MOTools(?:[ ]|&#32;)((?:[a-z][a-z0-9_]*-[0-9a-f]{32}[ ]?)+)")
_MOST = 100_000_000
"""Bytes of a file that are looked into."""


def cite(*atoms: Atom) -> str:
    """A line that names results, for what is made of them by hand: `MOTools eval-3f2a… model-9c01…`.

    Put it into a caption, or where a file has room for words: matplotlib's `savefig("scores.png",
    metadata={"Description": cite(atom)})`, of a PDF `{"Subject": cite(atom)}`; a comment of a CSV or an SVG
    does as well.

    Raises:
        AtomError: no atom is given.
    """
    if not atoms:
        raise AtomError("cite() wants the atoms that a figure is made of, such as cite(EvalAtom.load('eval-3f2a')).")
    return f"MOTools {' '.join(atom.id for atom in atoms)}"


def cited_in(path: Path) -> list[str]:
    """The ids that a file cites, each once, in their order; texts of two bytes a letter, as in some PDFs, too."""
    with path.open("rb") as file:
        content = file.read(_MOST)
    texts = [content, content.replace(b"\0", b"")] if b"\0M\0O\0T" in content else [content]
    citations = (match[1].decode() for text in texts for match in _CITED.finditer(text))
    return list(dict.fromkeys(id for ids in citations for id in ids.split()))


def of_file(path: Path, find: Callable[[str, Path], Atom | Output]) -> dict[str, Atom | Output]:
    """The atoms that a file of one's own cites, by id; none where it is what a stage made, or cites none.

    Raises:
        AtomError: one of them is not to be had.
    """
    ids = cited_in(path) if path.is_file() else []
    if not ids:
        return {}
    try:
        find(str(path), Path.cwd())
    except AtomError:
        return {id: find(id, Path.cwd()) for id in ids}
    return {}
