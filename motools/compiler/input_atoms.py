"""The atoms that a workflow is given: checked, and put into the folder of its pipeline."""

from __future__ import annotations

import os
from collections.abc import Mapping

from motools.atom.atom import Atom
from motools.base import yaml12
from motools.base.files import replace_file, set_aside
from motools.code.search_path import PipelineFolder
from motools.definition.workflow import Workflow
from motools.errors import AtomError, ConfigError, WorkflowError, a_kind, did_you_mean, listed
from motools.repo import pipeline
from motools.repo.hashing import hash_folder
from motools.repo.ignore import ignore_made

__all__ = ["checked_inputs", "put_in_place"]


def checked_inputs(workflow: Workflow, place: PipelineFolder, ids: Mapping[str, str]) -> dict[str, Atom]:
    """The input atoms to put in place; those that lie in the folder already need not be given again."""
    kinds = workflow.inputs
    for name in ids:
        if name not in kinds:
            raise WorkflowError(
                f"The workflow {workflow.name!r} takes no input {name!r}.{did_you_mean(name, kinds)} "
                f"Inputs: {listed(kinds)}."
            )
    atoms = {}
    for name, kind in kinds.items():
        if name in ids:
            atom = Atom.load(ids[name], project=place.project)
        elif (place.folder / f"{pipeline.atom_path(name)}.dvc").exists():
            atom = _placed(name, place)
        else:
            raise WorkflowError(f"The workflow {workflow.name!r} needs an input atom {name!r} (a {kind}): give its id.")
        if atom.kind != kind:
            raise AtomError(f"The input {name!r} must be {a_kind(kind)}, but {atom.id} is {a_kind(atom.kind)}.")
        atoms[name] = atom
    return atoms


def _placed(name: str, place: PipelineFolder) -> Atom:
    path = place.folder / f"{pipeline.atom_path(name)}.dvc"
    content = yaml12.load(path)
    try:
        md5 = str(content["outs"][0]["md5"]).removesuffix(".dir")
    except (TypeError, KeyError, IndexError):
        raise ConfigError(f"{path}: not a .dvc file of an atom. Delete it and give the input's id again.") from None
    return Atom.load(md5, project=place.project)


def put_in_place(atom: Atom, name: str, place: PipelineFolder) -> list[str]:
    """Put an input atom into the folder with a `.dvc` file, which git keeps; nothing where it lies already.

    Returns:
        A sentence for what lay in its place and is nowhere else: where it is now.
    """
    target = place.folder / pipeline.atom_path(name)
    store = place.project.store
    out = store.describe(atom.md5 + ".dir")
    path = target.parent / f"{name}.dvc"
    kept = []
    here = hash_folder(target, store.large)[0].md5 if target.is_dir() else None
    if here != out.md5:
        if os.path.lexists(target) and (here is None or not store.has(here)):
            aside = set_aside(target, place.project.private / "replaced")
            kept.append(f"{target} was not the atom that the workflow is given, and is kept as {aside}.")
        store.check_out(out.md5, target)
    before = yaml12.load(path) or {}
    entry = {"md5": out.md5, "size": out.size, "nfiles": out.nfiles, "hash": "md5", "path": name}
    try:
        wanted = {**before, "outs": [{**before["outs"][0], **entry}]}  # what a person added to it stays
    except (TypeError, KeyError, IndexError):
        wanted = {"outs": [entry]}
    if before != wanted:
        replace_file(path, yaml12.dumps(wanted))
    ignore_made(place.project, place.folder, ["atoms"])
    return kept
