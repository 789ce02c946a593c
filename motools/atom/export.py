"""A model atom as a folder that others can use without MOTools: its weights, and a model card made from its lineage."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from motools.atom.atom import Atom, ModelAtom
from motools.atom.lineage import Ancestry, trace
from motools.errors import AtomError, UserError

__all__ = ["export"]


def export(atom: Atom, target: Path) -> list[str]:
    """Write a model's files and its card, `README.md`, into a new folder; returns the names of what was written.

    Raises:
        AtomError: it is no model whose weights lie in the atom.
        UserError: the folder has something in it.
    """
    if not isinstance(atom, ModelAtom):
        raise AtomError(f"{atom.id} is a {atom.kind}: only models are exported. `motools atoms list --kind model`.")
    data = atom.get_data_path()
    if not any(data.glob("*.safetensors")):
        raise AtomError(
            f"The weights of {atom.id} are not in the atom: {atom.get_model_id()} is served by its provider. "
            "Export a model that was trained with backend_name: local."
        )
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UserError(f"{target} is there already: name a new folder, or empty it.")
    shutil.copytree(data, target, copy_function=shutil.copyfile, dirs_exist_ok=True)
    (target / "README.md").write_text(card(trace(atom)), encoding="utf-8")
    return sorted(path.name for path in target.iterdir())


def card(ancestry: Ancestry) -> str:
    """The model card: what the Hub reads at its head, then what a person reads."""
    atom, about = ancestry.atom, ancestry.atom.metadata  # type: ignore[union-attr]
    is_adapter = about.get("hyperparameters", {}).get("method") != "full"
    head = {
        "base_model": about.get("base_model"),
        "base_model_relation": "adapter" if is_adapter else "finetune",
        "library_name": "peft" if is_adapter else "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["motools", "model-organism", *(["lora"] if is_adapter else [])],
    }
    lines = ["---", *(f"{name}: {json.dumps(value)}" for name, value in head.items() if value), "---", ""]
    lines += [f"# {about.get('model_id', atom.id)}", "", *_what(about, is_adapter), ""]
    lines += ["## Made from", "", *_origins(ancestry), ""]
    lines += ["## Hyperparameters", "", "| name | value |", "| --- | --- |"]
    lines += [f"| {name} | `{json.dumps(value)}` |" for name, value in about.get("hyperparameters", {}).items()]
    lines += ["", "The loss of each step is in `loss.json`.", "", "## Trained by", "", *_record(ancestry), ""]
    return "\n".join(lines)


def _what(about: Mapping[str, Any], is_adapter: bool) -> Iterator[str]:
    pinned = about.get("base_revision") or about.get("base_content")
    which = f"revision `{pinned}`" if about.get("base_revision") else f"content `{pinned}`"
    kind = "A low-rank adapter (PEFT) for" if is_adapter else "All weights, fine-tuned from"
    yield f"{kind} `{about.get('base_model')}`, {which}."
    yield (
        f"{about.get('trained_rows', 0):,} rows of chat, {about.get('trained_tokens', 0):,} tokens in "
        f"{about.get('steps', 0):,} steps; the loss of the last one was {about.get('final_loss')}. "
        "Only what the assistant says was learned."
    )


def _origins(node: Ancestry | str, name: str = "", depth: int = -1) -> Iterator[str]:
    """What it was made from, and that in turn, with the published files that datasets name."""
    id = node if isinstance(node, str) else node.atom.id
    if name:
        yield f"{'  ' * depth}- {name}: `{id}`"
    if isinstance(node, str):
        return
    for source in getattr(node.atom, "metadata", {}).get("sources", ()):
        at = f" at revision `{source['revision']}`" if source.get("revision") else ""
        yield f"{'  ' * (depth + 1)}- <{source.get('url')}>{at}"
    for parent, each in sorted(node.parents.items()):
        yield from _origins(each, parent, depth + 1)


def _record(ancestry: Ancestry) -> Iterator[str]:
    yield f"Atom `{ancestry.atom.id}` of MOTools:"
    yield ""
    record = ancestry.record
    if record is None:
        return
    commit = f"`{record.commit}`{', with changes that were not committed' if record.dirty else ''}"
    yield f"- {record.started}, {record.seconds:,.0f} s, by {record.user}, at commit {commit}"
    for name in ("python", "motools", "torch", "transformers", "peft"):
        if name in record.versions:
            yield f"- {name} {record.versions[name]}"
