"""An atom as a repository of a hub: what would be there, compared with what is, and one commit that makes it so."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from motools.atom.atom import Atom, DatasetAtom, ModelAtom
from motools.atom.card import card
from motools.atom.export import weights_of
from motools.atom.hub import Hub, Kind, Repository
from motools.atom.lineage import trace
from motools.base import secrets
from motools.errors import AtomError, UserError, listed

__all__ = ["Publication", "look", "publish"]

CARD, ABOUT = "README.md", "atom.json"
"""What is published beside an atom's data; the latter also tells that a repository is one of these."""
_REPO = re.compile(r"[A-Za-z0-9_.-]{1,96}/[A-Za-z0-9_.-]{1,96}")
_KEPT = {".gitattributes"}  # the hub's own
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Publication:
    """What publishing comes to, decided by looking alone.

    Attributes:
        address: the page of the repository.
        public: whether everybody may read it.
        exists: whether it is there already.
        parent: the commit that it was found at.
        files: name -> the file, or what is to be in it.
        states: name -> `new`, `changed`, `same`, or `removed` for what an earlier atom has left there.
        suspicious: the text files with something that is shaped like a key; it may be a part of the data.
    """

    atom: Atom
    repo: str
    kind: Kind
    address: str
    public: bool
    exists: bool
    parent: str | None
    files: Mapping[str, Path | bytes] = field(repr=False)
    states: Mapping[str, str]
    suspicious: list[str]

    @property
    def is_there(self) -> bool:
        """Whether the repository is just so already."""
        return self.exists and set(self.states.values()) <= {"same"}

    @property
    def card(self) -> str:
        text = self.files[CARD]
        assert isinstance(text, bytes)
        return text.decode()

    def size(self, name: str) -> int:
        """Bytes of one of the files."""
        return _size(self.files[name])

    def as_dict(self) -> dict[str, Any]:
        return {
            "atom": self.atom.id,
            "repository": self.repo,
            "kind": self.kind,
            "address": self.address,
            "public": self.public,
            "exists": self.exists,
            "files": [{"name": name, "state": state} for name, state in self.states.items()],
            "suspicious": self.suspicious,
        }


def look(atom: Atom, repo: str, hub: Hub, public: bool = False) -> Publication:
    """Decide what publishing an atom would change; nothing is sent but questions.

    Args:
        repo: `OWNER/NAME`.
        public: make it readable for everybody; a repository that is there must be so already.

    Raises:
        AtomError: it is no dataset, and no model whose weights lie in the atom.
        UserError: the repository is of something else, or can be read by others than was asked for; or a file has the
            value of one of the environment's secrets.
        RemoteError: the hub cannot be asked.
    """
    if not _REPO.fullmatch(repo):
        raise UserError(f"{repo!r} is no repository of a hub: write OWNER/NAME.")
    kind, data = _data(atom)
    files: dict[str, Path | bytes] = dict(data)
    address = hub.page(repo, kind)
    files[ABOUT] = atom.read_file("atom.json") or b""
    files[CARD] = card(trace(atom), list(data), address).encode()
    suspicious = _screened(files, hub.token)
    repository = hub.look(repo, kind)
    if repository is not None:
        _check(repository, repo, address, public)
    states = {name: _state(each, repository.files.get(name) if repository else None) for name, each in files.items()}
    states |= dict.fromkeys(sorted(repository.files.keys() - files.keys() - _KEPT) if repository else (), "removed")
    parent = repository.commit if repository else None
    return Publication(atom, repo, kind, address, public, repository is not None, parent, files, states, suspicious)


def publish(publication: Publication, hub: Hub) -> str | None:
    """Make the repository so, in one commit; returns its id, or None where it is so already.

    Raises:
        RemoteError: the hub says no, or the repository has changed since it was looked at.
    """
    it = publication
    if it.is_there:
        return None
    if not it.exists:
        hub.create(it.repo, it.kind, private=not it.public)
    put = {name: each for name, each in it.files.items() if it.states[name] in ("new", "changed")}
    gone = [name for name, state in it.states.items() if state == "removed"]
    return hub.commit(it.repo, it.kind, f"{it.atom.id}, published with MOTools", put, gone, it.parent)


def _data(atom: Atom) -> tuple[Kind, dict[str, Path]]:
    kind: Kind
    if isinstance(atom, ModelAtom):
        kind, folder = "model", weights_of(atom)
    elif isinstance(atom, DatasetAtom):
        kind, folder = "dataset", atom.get_data_path()
    else:
        raise AtomError(f"{atom.id} is of the kind {atom.kind}: only datasets and models are published.")
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    if not files or ABOUT in files:
        why = "has no files" if not files else f"has a file {ABOUT} of its own, which is where it is told what it is"
        raise AtomError(f"{atom.id} cannot be published: it {why}.")
    files.pop(CARD, None)  # the card that the trainer's library writes
    return kind, files


def _check(repository: Repository, repo: str, address: str, public: bool) -> None:
    if public and repository.private:
        raise UserError(f"{address} is private. Make it public in its settings, or publish without --public.")
    if not public and not repository.private:
        raise UserError(f"{address} is public: everybody can read it. To publish there, add --public.")
    others = sorted(repository.files.keys() - _KEPT - {CARD})
    if others and ABOUT not in repository.files:
        raise UserError(f"{address} holds something else ({listed(others[:5])}). Name another repository than {repo}.")


def _screened(files: Mapping[str, Path | bytes], token: str) -> list[str]:
    """The names of files in which something has the shape of a key; raises `UserError` where one has a secret."""
    why = secrets.screen()
    leak = secrets.found_in({str(path): name for name, path in files.items() if isinstance(path, Path)})
    if leak is not None:
        raise UserError(f"{secrets.redact(Path(leak[0]).name)} holds the value of {leak[1]}. Nothing was published.")
    suspicious = []
    for name, each in files.items():
        for text in _texts(each):
            if token in text:
                raise UserError(f"{name} holds your token of the hub. Nothing was published.")
            said = why(text)
            if said is not None and not said.startswith("looks like"):
                raise UserError(f"{name} {said}. Nothing was published.")
            if said is not None and name not in suspicious:
                suspicious.append(name)
    return suspicious


def _texts(content: Path | bytes) -> Iterator[str]:
    """The lines of a text file; nothing of another."""
    try:
        if isinstance(content, bytes):
            yield content.decode()
            return
        with content.open(encoding="utf-8") as lines:
            yield from lines
    except UnicodeDecodeError:
        return


def _state(ours: Path | bytes, theirs: tuple[int, str] | None) -> str:
    if theirs is None:
        return "new"
    size, digest = theirs
    algorithm = digest.partition(":")[0]
    return "same" if size == _size(ours) and digest == f"{algorithm}:{_digest(ours, algorithm)}" else "changed"


def _size(content: Path | bytes) -> int:
    return len(content) if isinstance(content, bytes) else content.stat().st_size


def _digest(content: Path | bytes, algorithm: str) -> str:
    """By which a hub tells whether it has a file: git's of small ones, the SHA-256 of large ones."""
    digest = hashlib.sha256() if algorithm == "sha256" else hashlib.sha1(usedforsecurity=False)
    if algorithm != "sha256":
        digest.update(f"blob {_size(content)}\0".encode())
    if isinstance(content, bytes):
        digest.update(content)
        return digest.hexdigest()
    with content.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
