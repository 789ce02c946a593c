"""Atoms: content-addressed results. An atom's id is its kind and the hash of all it is, ancestry included.

    atoms/<name>/atom.json     {"kind", "made_from": {input name: atom id}, "metadata"}
    atoms/<name>/data/...      the files

Equal content has one id, on every machine; who made it and when is in its record, outside of it.
Loading reads files and never executes anything.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

from motools.atom import records
from motools.atom.folder import write_atom
from motools.atom.records import Record
from motools.base import secrets
from motools.base.foreign_text import read_json
from motools.errors import AtomError, DamagedError, a_kind, listed
from motools.repo.hashing import hash_folder, walk_files
from motools.repo.project import Project
from motools.repo.remote import pull
from motools.repo.survey import Survey

__all__ = ["Atom", "DatasetAtom", "EvalAtom", "ModelAtom", "at_hand"]

_ID = re.compile(r"(?:(?P<kind>[a-z][a-z0-9_]*)-)?(?P<hash>[0-9a-f]{2,32})")
_KIND = re.compile(r"[a-z][a-z0-9_]*")
WHOLE = 32
"""Digits of a whole hash."""
OF_ATOM = ("atom.json", "data/metrics.json")
"""Of an atom that is not here, what tells what it is, and its metrics."""


class Atom:
    """An artifact of any kind; `DatasetAtom`, `ModelAtom` and `EvalAtom` know more of theirs.

    Attributes:
        id: `<kind>-<32 hex digits>`.
        project: where it was found, and what it was made from is looked for.
        kind: a word: `dataset`, `model`, `eval`, `task`, or any other.
        made_from: input name -> atom id of what it was made from.
        metadata: JSON values that say what it is.
    """

    KIND: ClassVar[str | None] = None
    _classes: ClassVar[dict[str, type[Atom]]] = {}

    id: str
    project: Project
    kind: str
    made_from: Mapping[str, str]
    metadata: Mapping[str, Any]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.KIND is not None:
            Atom._classes[cls.KIND] = cls

    def __init__(self, project: Project, md5: str, about: Mapping[str, Any], folder: Path | None = None) -> None:
        """For `load`, `create` and `from_folder`, which see to it that content and id agree."""
        self.kind = about["kind"]
        self.id = f"{self.kind}-{md5}"
        self.made_from = about["made_from"]
        self.metadata = about["metadata"]
        self.project = project
        self._folder = folder

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Atom) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def md5(self) -> str:
        """The hash in the id; `dvc.lock` shows it followed by `.dir`."""
        return self.id.rpartition("-")[2]

    # -- making and finding -------------------------------------------------

    @classmethod
    def load(cls, id: str, *, project: Project | None = None) -> Self:
        """The atom of an id, or of any prefix that fits only one (`eval-3f2a`, or `3f2a` alone).

        A whole id is looked up in the DVC cache, the pipelines of the work tree, then the default remote; a prefix is
        looked for in the first two.

        Raises:
            AtomError: no such atom, several that fit, or one of another kind than this class.
            DamagedError: its stored content is not what its id says.
        """
        project = project or Project.find()
        match = _ID.fullmatch(id)
        if not match:
            raise AtomError(
                f"{id!r} is not an atom id. An id looks like eval-3f2a90…; `motools atoms list` shows them."
            )
        md5 = match["hash"]
        candidates = _matching(project, md5)
        if not candidates and len(md5) == WHOLE and pull(project, md5 + ".dir"):
            candidates = _matching(project, md5)
        fitting = [atom for atom in candidates if match["kind"] in (None, atom.kind)]
        if not fitting:
            hint = (
                f" There is {candidates[0].id}."
                if candidates
                else " `motools atoms list` shows those at hand; `dvc pull` brings shared ones."
            )
            raise AtomError(f"There is no atom {id!r} in the workspace, the cache or the remote.{hint}")
        if len(fitting) > 1:
            raise AtomError(
                f"{id!r} fits {len(fitting)} atoms: {listed(sorted(a.id for a in fitting))}. Write more digits."
            )
        return cls._checked(fitting[0])

    @classmethod
    def create(
        cls,
        *,
        user: str,
        artifact_path: Path | str | None = None,
        made_from: Mapping[str, str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        kind: str | None = None,
        logs: Path | None = None,
        usage: Mapping[str, Any] | None = None,
    ) -> Self:
        """Make an atom by hand, from a file or a folder (None: it has no files, only metadata).

        It is kept in the DVC cache; given to a workflow as an input it is put into the pipeline's folder.

        Args:
            user: who is recorded as having made it.
            made_from: input name -> atom id.
            metadata: JSON values; a `ModelAtom` wants `model_id`.
            kind: for kinds that have no class of their own: `Atom.create(kind="prompt", ...)`.
            logs: a folder that is kept beside the atom and not in it, as Inspect's logs are beside an evaluation.
            usage: what making it used, for its record.
        """
        kind = kind or cls.KIND
        if kind is None or (cls.KIND and kind != cls.KIND) or not _KIND.fullmatch(kind):
            raise AtomError(f"{kind!r} is no kind for {cls.__name__}.create: use small letters, digits and _.")
        if not user:
            raise AtomError("Say who makes the atom: create(user='your-name', ...).")
        project = Project.find()
        for origin in (made_from or {}).values():
            Atom.load(origin)
        project.private.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=project.private) as scratch:
            folder = Path(scratch, "atom")
            source = None if artifact_path is None else Path(artifact_path)
            write_atom(folder, kind, made_from or {}, metadata or {}, source)
            walked = ((str(file), each) for each in (folder, logs) if each is not None for file in walk_files(each))
            if (leak := secrets.found_in({file: os.path.relpath(file, each) for file, each in walked})) is not None:
                file = secrets.redact(Path(leak[0]).name)
                raise AtomError(f"{file} holds the value of {leak[1]}, for all to read. No atom was made.")
            out = project.store.add(folder, ours=True)
            records.keep_for_atom(project, out, user, Path(scratch), logs, usage)
        atom = _from_cache(project, out.md5)
        assert atom is not None
        return cls._checked(atom)

    @classmethod
    def from_folder(cls, folder: Path, project: Project, oid: str | None = None) -> Self:
        """The atom that a folder `atoms/<name>` holds now, whatever any lock file says of it.

        Args:
            oid: the folder object of what it holds, where that was just found out.
        """
        try:
            text = (folder / "atom.json").read_bytes()
        except FileNotFoundError:
            raise AtomError(f"{folder} holds no atom. `motools run` makes it, `dvc checkout` brings it back.") from None
        oid = oid or hash_folder(folder, project.store.large)[0].md5
        return cls._checked(_build(project, oid.removesuffix(".dir"), text, folder))

    @classmethod
    def _checked(cls, atom: Atom) -> Self:
        if not isinstance(atom, cls):
            load = f"{type(atom).__name__}.load"
            raise AtomError(f"{atom.id} is {a_kind(atom.kind)}, not {a_kind(cls.KIND)}. Load it with {load}.")
        return atom

    # -- what it holds -------------------------------------------------------

    def get_data_path(self) -> Path:
        """The folder with the atom's files; look, but change nothing in it."""
        return self._checked_out / "data"

    @cached_property
    def _checked_out(self) -> Path:
        if self._folder is not None:
            return self._folder
        oid = self.md5 + ".dir"
        for out in self.project.outs():
            if out.md5 == oid and _holds(self.project, out.folder / out.path, oid):
                return out.folder / out.path
        folder = self.project.private / "atoms" / self.id
        if not _holds(self.project, folder, oid):
            if not self.project.store.has(oid):
                pull(self.project, oid)
            self._check_out(oid, folder)
        with suppress(OSError):
            os.utime(folder)  # the last use; what is not used for a month is removed
        return folder

    def _check_out(self, oid: str, folder: Path) -> None:
        try:
            self.project.store.check_out(oid, folder)
        except FileNotFoundError as error:
            raise AtomError(f"The files of {self.id} are not at hand: `dvc pull` may bring them ({error}).") from None
        except (OSError, ValueError) as error:  # names that this file system cannot keep, a full disk
            raise AtomError(f"The files of {self.id} cannot be put at {folder}: {error}.") from None

    def read_file(self, name: str) -> bytes | None:
        """One file's bytes, without checking out the others; None where it has no such file."""
        oid = self.md5 + ".dir"
        if self._folder is None and self.project.store.path(oid).exists():
            md5 = self.project.store.tree(oid).get(name)
            if md5 is None:
                return None
            if self.project.store.path(md5).exists():
                return self.project.store.read(md5)
        path = self._checked_out / name
        return path.read_bytes() if path.is_file() else None

    @cached_property
    def record(self) -> Record:
        """Who made it, when, how long that took, and at which commit; raises `AtomError` where nobody recorded it."""
        record = records.find(Survey(self.project), self.md5)
        if record is None:
            raise AtomError(f"Nothing here records who made {self.id}. `dvc pull --run-cache` may bring its record.")
        return record

    def commits(self) -> list[str]:
        """The git commits, newest first, in which a lock file gained or lost this atom."""
        return Survey(self.project).commits(self.md5)


class DatasetAtom(Atom):
    """A dataset: chat rows in `data/*.jsonl`."""

    KIND = "dataset"

    def get_rows_path(self) -> Path:
        """Its one JSONL file."""
        files = sorted(self.get_data_path().glob("*.jsonl"))
        if len(files) != 1:
            raise AtomError(f"{self.id} has {len(files)} .jsonl files; a dataset of chat rows has one.")
        return files[0]

    def rows(self) -> Iterator[dict[str, Any]]:
        """Its rows, read as they are asked for."""
        path = self.get_rows_path()
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                try:
                    row = read_json(line)
                except ValueError:
                    raise DamagedError(f"{path}, line {number}: not JSON.") from None
                yield row


class ModelAtom(Atom):
    """A model, or what is needed to reach one that a provider keeps."""

    KIND = "model"

    def get_model_id(self) -> str:
        """The name under which a provider serves it: `metadata["model_id"]`, or the one line of its one text file."""
        model_id = self.metadata.get("model_id")
        if isinstance(model_id, str) and model_id:
            return model_id
        folder = self.get_data_path()
        files = [path for path in folder.rglob("*") if path.is_file()] if folder.exists() else []
        if len(files) == 1 and files[0].suffix in ("", ".txt") and files[0].stat().st_size < 1000:
            lines = files[0].read_text(encoding="utf-8", errors="replace").split("\n")
            if lines[0].strip() and not any(line.strip() for line in lines[1:]):
                return lines[0].strip()
        raise AtomError(f"{self.id} does not say which model it is: give it metadata={{'model_id': ...}}.")


class EvalAtom(Atom):
    """An evaluation: its metrics and samples, equal for equal evaluations."""

    KIND = "eval"

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """`data/metrics.json` (task -> score -> metric -> value), or `metadata["metrics"]`, or empty."""
        text = self.read_file("data/metrics.json")
        if text is not None:
            try:
                metrics = read_json(text)
            except ValueError as error:
                raise DamagedError(f"The metrics.json of {self.id} cannot be read: {error}.") from None
            if isinstance(metrics, dict):
                return metrics
        given = self.metadata.get("metrics", {})
        return dict(given) if isinstance(given, Mapping) else {}

    def samples(self) -> list[dict[str, Any]]:
        """One JSON value a sample, with its input, output and scores."""
        lines = (self.read_file("data/samples.jsonl") or b"").removesuffix(b"\n")
        samples = []
        for number, line in enumerate(lines.split(b"\n") if lines else (), 1):
            try:
                samples.append(read_json(line))
            except ValueError as error:
                raise DamagedError(f"The samples.jsonl of {self.id}, line {number}, is not JSON: {error}.") from None
            if not isinstance(samples[-1], dict):
                raise DamagedError(f"The samples.jsonl of {self.id}, line {number}, is no JSON object.")
        return samples

    def get_log_path(self) -> Path | None:
        """The folder of Inspect's logs for `inspect view --log-dir`, or None where the evaluator keeps none."""
        survey = Survey(self.project)
        oid = records.logs_of(survey, self.md5)
        if oid is None:
            return None
        for out in survey.outs.get(oid, ()):
            if (out.folder / out.path).is_dir():
                return out.folder / out.path
        folder = self.project.private / "logs" / self.id
        if not folder.is_dir():
            self._check_out(oid, folder)
        return folder


def at_hand(survey: Survey, md5: str) -> Atom | None:
    """The atom of a hash, where the cache or the work tree has it; raises `DamagedError` where it is not sound."""
    oid = md5 + ".dir"
    if (atom := _from_cache(survey.project, oid)) is not None:
        return atom
    folders = (out.folder / out.path for out in survey.outs.get(oid, ()))
    folder = next(
        (each for each in folders if (each / "atom.json").is_file() and _holds(survey.project, each, oid)), None
    )
    return None if folder is None else _build(survey.project, md5, (folder / "atom.json").read_bytes(), folder)


def _matching(project: Project, prefix: str) -> list[Atom]:
    """Every atom at hand whose hash begins so."""
    survey = Survey(project)
    if len(prefix) == WHOLE:
        return [atom for atom in [at_hand(survey, prefix)] if atom is not None]
    oids = dict.fromkeys([*survey.outs, *project.store.folders()])
    md5s = (oid.removesuffix(".dir") for oid in oids if oid.endswith(".dir") and oid.startswith(prefix))
    return [atom for md5 in md5s if (atom := at_hand(survey, md5)) is not None]


def _holds(project: Project, folder: Path, oid: str) -> bool:
    """Whether a folder of the work tree is what its lock file says; a person may have edited it."""
    return folder.is_dir() and hash_folder(folder, project.store.large)[0].md5 == oid


def atoms_at_hand(ids: Mapping[str, str | None], project: Project) -> dict[str, Atom]:
    """Those of some atoms, name -> id, that the cache tells of; nobody else is asked."""
    cached = {name: _from_cache(project, f"{id.rpartition('-')[2]}.dir") for name, id in ids.items() if id}
    return {name: atom for name, atom in cached.items() if atom is not None}


def _from_cache(project: Project, oid: str) -> Atom | None:
    """The atom of a folder object, or None where the cache has none or it is no atom."""
    try:
        about = project.store.tree(oid).get("atom.json")
        return _build(project, oid.removesuffix(".dir"), project.store.read(about)) if about else None
    except FileNotFoundError:
        return None


def _build(project: Project, md5: str, text: bytes, folder: Path | None = None) -> Atom:
    try:
        about = read_json(text)
        kind, made_from, metadata = about["kind"], about["made_from"], about["metadata"]
        sound = _KIND.fullmatch(kind) and isinstance(metadata, dict)
        sound = sound and all(isinstance(origin, str) for origin in made_from.values())
    except (ValueError, TypeError, KeyError, AttributeError):
        sound = None
    if not sound:
        raise DamagedError(f"The atom.json of {md5} is damaged{f' ({folder})' if folder else ''}.")
    return Atom._classes.get(kind, Atom)(project, md5, about, folder)
