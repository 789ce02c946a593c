"""Digests of what an execution uses: files, folders and variables of the environment."""

from __future__ import annotations

import hashlib
import os
from glob import escape, glob

from motools.base import secrets
from motools.base.files import walk
from motools.observe.origin import INSTALLED

__all__ = ["entry_points_file", "environment_digest", "kind_of", "listing", "path_digest"]

AS_LINK = "-> "
ENTRY_POINTS = "the entry points of "
"""With the name of a distribution, it stands among variables: where that is installed is no matter of the project's."""
DOTENV = ".env"
PRIVATE = frozenset(
    ".git .dvc .motools __pycache__ .venv .ipynb_checkpoints .mypy_cache .ruff_cache .pytest_cache .DS_Store".split()
)
_GENERATED = frozenset(
    "atoms runs logs metrics params.yaml dvc.yaml dvc.lock motools.yaml "
    ".gitignore .dvcignore .gitattributes .env".split()
)
NOISE = frozenset(
    "PATH HOME USER LOGNAME SHELL PWD OLDPWD TERM COLUMNS LINES LANG LANGUAGE TZ TMPDIR TEMP TMP HOSTNAME DISPLAY "
    "EDITOR PAGER NO_COLOR FORCE_COLOR COLORTERM VIRTUAL_ENV CONDA_PREFIX PYTHONPATH PYTHONDONTWRITEBYTECODE "
    "PYTHONUNBUFFERED OMP_NUM_THREADS OPENBLAS_NUM_THREADS MKL_NUM_THREADS CUDA_VISIBLE_DEVICES "
    "TOKENIZERS_PARALLELISM CI".split()
)
"""Variables that say where and how something runs, not what: their values do not count."""


def listing(path: str, sizes: bool = False) -> str:
    """A digest of the names in a folder, of what a step could have found there; with `sizes`, it ends in +."""
    try:
        with os.scandir(path) as entries:
            entries_by_name = {entry.name: entry for entry in entries}
    except OSError:
        return ""
    names = sorted(name for name in entries_by_name if name not in PRIVATE and not name.startswith(".motools-"))
    names = [name for name in names if not (name.startswith(".") and name.endswith((".swp", ".swx")))]  # an editor's
    if {"params.yaml", "dvc.yaml", ".dvc"} & entries_by_name.keys():
        names = [name for name in names if name not in _GENERATED]
    folders = {name for name, entry in entries_by_name.items() if entry.is_dir()}
    if sizes:
        names = [
            f"{name} {entries_by_name[name].stat().st_size if entries_by_name[name].is_file() else ''}"
            for name in names
        ]
    names = [f"{name}{os.sep}" if name in folders else name for name in names]
    return digest_of_text("\0".join(names)) + ("+" if sizes else "")


def path_digest(path: str) -> str | None:
    """What a file or a whole folder holds; None where there is neither."""
    if not os.path.isdir(path):
        try:
            return md5_of(path) if os.path.isfile(path) else None
        except OSError:
            return None
    digest = hashlib.md5(usedforsecurity=False)
    for parent, folders, names in walk(path):
        folders[:] = sorted(name for name in folders if name not in PRIVATE)
        for name in sorted(names):
            file = os.path.join(parent, name)
            if not name.endswith(".pyc") and os.path.isfile(file):
                digest.update(f"{os.path.relpath(file, path)}\0{md5_of(file)}\n".encode())
    return f"{digest.hexdigest()}.dir"


def environment_digest(name: str) -> str | None:
    """What `Events.env` has of a variable; of all whose names begin so, in upper or lower case, with * at its end."""
    if name.startswith(ENTRY_POINTS):
        file = entry_points_file(name)
        return None if file is None else path_digest(file)
    if not name.endswith("*"):
        value = os.environ.get(name)
        return None if value is None else digest_of_text(value)
    first, whole = name.rstrip("*").upper(), name.endswith("**")
    variables = sorted(
        f"{key}={value}"
        for key, value in os.environ.items()
        if (key.upper() == first or (whole and key.upper().startswith(first)))
        and key not in NOISE
        and not secrets.is_secret_name(key)
    )
    return digest_of_text("\0".join(variables)) if variables else None


def entry_points_file(name: str) -> str | None:
    """Where the distribution that a name of `Events.env` is about has its entry points; None of a variable."""
    if not name.startswith(ENTRY_POINTS):
        return None
    within = os.path.join(f"{escape(name.removeprefix(ENTRY_POINTS))}-*.dist-info", "entry_points.txt")
    return next((file for folder in INSTALLED for file in glob(os.path.join(escape(folder), within))), None)


def kind_of(path: str, before: str | None = None) -> str | None:
    """What there is: file, dir or None; where it was read as a link before, where that points now."""
    if before is not None and before.startswith(AS_LINK):
        return AS_LINK + os.readlink(path) if os.path.islink(path) else kind_of(path)
    return "dir" if os.path.isdir(path) else "file" if os.path.exists(path) else None


def md5_of(path: str) -> str:
    """Of what a file holds; of a `.env`, of what is no secret in it."""
    with open(path, "rb") as file:
        if os.path.basename(path) == DOTENV:
            names = ((line.partition(b"=")[0].removeprefix(b"export ").strip(), line) for line in file)
            open_to_all = [line for name, line in names if not secrets.is_secret_name(os.fsdecode(name))]
            return hashlib.md5(b"".join(open_to_all), usedforsecurity=False).hexdigest()
        return hashlib.file_digest(file, "md5").hexdigest()


def digest_of_text(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]
