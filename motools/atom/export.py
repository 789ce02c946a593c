"""A model atom as a folder that others can use without MOTools: its weights, and a model card made from its lineage."""

from __future__ import annotations

import shutil
from pathlib import Path

from motools.atom.atom import Atom, ModelAtom
from motools.atom.card import card
from motools.atom.lineage import trace
from motools.errors import AtomError, UserError, a_kind

__all__ = ["export", "weights_of"]


def export(atom: Atom, target: Path) -> list[str]:
    """Write a model's files and its card, `README.md`, into a new folder; returns the names of what was written.

    Raises:
        AtomError: it is no model whose weights lie in the atom.
        UserError: the folder has something in it.
    """
    if not isinstance(atom, ModelAtom):
        raise AtomError(
            f"{atom.id} is {a_kind(atom.kind)}: only models are exported. `motools atoms list --kind model`."
        )
    data = weights_of(atom)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UserError(f"{target} is there already: name a new folder, or empty it.")
    shutil.copytree(data, target, copy_function=shutil.copyfile, dirs_exist_ok=True)
    (target / "README.md").write_text(card(trace(atom)), encoding="utf-8")
    return sorted(path.name for path in target.iterdir())


def weights_of(atom: ModelAtom) -> Path:
    """The folder with a model's weights; raises `AtomError` where it has none that others could load."""
    data = atom.get_data_path()
    if not any(data.glob("*.safetensors")):
        own = (data / "tinylm.npz").exists()
        why = "is of a kind that only MOTools reads" if own else "is served by its provider"
        raise AtomError(
            f"The weights of {atom.id} are not in the atom: {atom.get_model_id()} {why}. "
            "Export a model that was trained with backend_name: local."
        )
    return data
