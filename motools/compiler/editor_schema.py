"""The schema by which editors complete and check params.yaml: a comment of the file names it, `motools run` keeps it.

It lies in `.motools/schemas/`, which git ignores: losing it loses nothing, and the next run writes it again.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from motools.base.files import replace_file
from motools.compiler.compiled import Compiled
from motools.compiler.params_yaml import config_schema
from motools.repo import pipeline

__all__ = ["modeline", "write_schema"]

_MARK = "# yaml-language-server: $schema="


def modeline(reference: str, folder: Path, private: Path) -> str:
    """The comment that names the schema of a workflow's config, as the folder's params.yaml sees it."""
    file, colon, name = reference.partition(":")
    if colon and file.endswith(".py"):  # which file that is depends on the folder
        reference = f"{os.path.relpath(folder / file, private.parent)}:{name}"
    path = private / "schemas" / f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', reference)}.json"
    return _MARK + Path(os.path.relpath(path, folder)).as_posix()


def write_schema(compiled: Compiled, folder: Path, private: Path) -> None:
    """Have the file that a comment of params.yaml names say what the workflow's config is now."""
    text = (folder / pipeline.PARAMS).read_text(encoding="utf-8")
    named = re.search(rf"^{re.escape(_MARK)}(\S+)\s*$", text, re.MULTILINE)
    path = Path(os.path.normpath(folder / named[1])) if named else None
    if path is None or path.parent != private / "schemas":  # none, or a person's own
        return
    told = json.dumps(config_schema(compiled.workflow)) + "\n"
    if not path.is_file() or path.read_text(encoding="utf-8") != told:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, told)
