"""Figures made by hand that say what they are of."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import pytest
from chain import Chain

from motools.atom import Atom, cite, find_atom
from motools.errors import AtomError


@pytest.fixture
def atoms(project: Path) -> list[Atom]:
    assert Chain.lay(project).run().code == 0
    return [find_atom(name, project) for name in ("results", "model")]


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def files(line: str) -> dict[str, bytes]:
    """As common programs write a line of metadata."""
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", bytes(13)) + chunk(b"tEXt", b"Description\0" + line.encode("latin-1"))
    return {
        "a.png": png + chunk(b"IEND", b""),
        "a.svg": f"<svg><metadata><desc>{line}</desc></metadata></svg>".encode(),
        "a.pdf": f"%PDF-1.4\n1 0 obj\n<< /Subject ({line}) >>\nendobj\n".encode(),
        "b.pdf": b"%PDF-1.4\n<< /Subject (\xfe\xff" + line.encode("utf-16-be") + b") >>",
        "a.csv": f"# {line}\nx,y\n".encode(),
    }


@pytest.mark.parametrize("name", ["a.png", "a.svg", "a.pdf", "b.pdf", "a.csv"])
def test_a_file_that_cites_atoms_has_their_lineage(atoms: list[Atom], project: Path, name: str) -> None:
    (project / name).write_bytes(files(cite(*atoms))[name])
    done = Chain(project).command("lineage", name)
    assert done.code == 0, done.err
    assert [line for line in done.out.splitlines() if line.startswith(tuple(atom.id for atom in atoms))]
    told = json.loads(Chain(project).command("lineage", name, "--json").out)
    assert [each["id"] for each in told["cites"]] == [atom.id for atom in atoms]


def test_a_file_that_cites_nothing_is_told_as_before(atoms: list[Atom], project: Path) -> None:
    (project / "plot.svg").write_text("<svg>MOTools is a tool</svg>")
    done = Chain(project).command("lineage", "plot.svg")
    assert (done.code, done.sentence.startswith("plot.svg is no output of a stage")) == (2, True)


def test_a_cited_atom_that_is_nowhere_is_named(atoms: list[Atom], project: Path) -> None:
    (project / "plot.csv").write_text(f"# MOTools eval-{'0' * 32}\n")
    done = Chain(project).command("lineage", "plot.csv")
    assert (done.code, f"eval-{'0' * 32}" in done.sentence) == (2, True)


def test_nothing_is_cited_by_no_line() -> None:
    with pytest.raises(AtomError, match="wants the atoms"):
        cite()
