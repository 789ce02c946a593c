"""The card of a model or dataset, made from its lineage: what the Hub reads at its head, then what a person reads."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from motools.atom.atom import Atom, ModelAtom
from motools.atom.lineage import Ancestry
from motools.atom.records import Record
from motools.base.foreign_text import markdown, markdown_code, visible

__all__ = ["card"]

_LIBRARIES = ("python", "motools", "torch", "transformers", "peft")
_ROWS = (".jsonl", ".parquet")


def card(ancestry: Ancestry, files: Sequence[str] = (), address: str = "") -> str:
    """The text of `README.md`; the same for the same lineage. Who made it is named, without a mail address.

    Args:
        files: what lies beside it.
        address: where it is published, for the citation.
    """
    atom = ancestry.atom
    assert isinstance(atom, Atom)
    about = dict(atom.metadata)
    if not isinstance(about.get("hyperparameters", {}), Mapping):
        del about["hyperparameters"]
    is_model = isinstance(atom, ModelAtom)
    head = _head_of_model(about) if is_model else _head_of_dataset(about, files)
    title = about.get("model_id", atom.id) if is_model else atom.id
    lines = ["---", *(f"{name}: {json.dumps(value)}" for name, value in head.items() if value), "---", ""]
    lines += [f"# {_line(title)}", "", *(_model(about) if is_model else _dataset(about)), ""]
    lines += ["## Made from", "", *_origins(ancestry), ""]
    settings = about.get("hyperparameters", {}) if is_model else _config(ancestry.record)
    if settings:
        lines += ["## Hyperparameters" if is_model else "## Parameters", "", "| name | value |", "| --- | --- |"]
        lines += [f"| {_line(name)} | {markdown_code(json.dumps(value))} |" for name, value in settings.items()]
        lines += ["", "The loss of each step is in `loss.json`.", ""] if is_model else [""]
    lines += ["## Trained by" if is_model else "## Made by", "", *_record(ancestry), ""]
    lines += ["## Citation", "", "```bibtex", *_citation(ancestry, str(title), address), "```", ""]
    return "\n".join(lines)


def _head_of_model(about: Mapping[str, Any]) -> dict[str, Any]:
    adapter = is_adapter(about)
    return {
        "base_model": about.get("base_model"),
        "base_model_relation": "adapter" if adapter else "finetune",
        "library_name": "peft" if adapter else "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["motools", "model-organism", *(["lora"] if adapter else [])],
    }


def _head_of_dataset(about: Mapping[str, Any], files: Sequence[str]) -> dict[str, Any]:
    # Named, or the Hub would take atom.json for rows.
    rows = [name for name in files if name.endswith(_ROWS)]
    return {
        "tags": ["motools", "model-organism"],
        "configs": [{"config_name": "default", "data_files": rows}] if rows else None,
    }


def is_adapter(about: Mapping[str, Any]) -> bool:
    return bool(about.get("hyperparameters", {}).get("method") != "full")


def _model(about: Mapping[str, Any]) -> Iterator[str]:
    pinned = about.get("base_revision") or about.get("base_content")
    which = f"{'revision' if about.get('base_revision') else 'content'} {markdown_code(str(pinned))}"
    kind = "A low-rank adapter (PEFT) for" if is_adapter(about) else "All weights, fine-tuned from"
    yield f"{kind} {markdown_code(str(about.get('base_model')))}, {which}."
    yield (
        f"{_number(about.get('trained_rows', 0))} rows of chat, {_number(about.get('trained_tokens', 0))} tokens in "
        f"{_number(about.get('steps', 0))} steps; the loss of the last one was {_number(about.get('final_loss'))}. "
        "Only what the assistant says was learned."
    )


def _number(value: Any) -> str:
    """A number, or whatever stands in its place."""
    return f"{value:,}" if type(value) is int else _line(value)


def _dataset(about: Mapping[str, Any]) -> Iterator[str]:
    count = about.get("samples")
    yield f"{count:,} rows." if isinstance(count, int) else "Rows of a dataset."
    if about.get("sources"):
        yield "What is of the files below is under the licences of those who published them."


def _config(record: Record | None) -> Mapping[str, Any]:
    return record.config if record is not None else {}


def _origins(node: Ancestry | str, name: str = "", depth: int = -1) -> Iterator[str]:
    """What it was made from, and that in turn, with the published files that datasets name."""
    id = node if isinstance(node, str) else node.atom.id
    if name:
        yield f"{'  ' * depth}- {_line(name)}: {markdown_code(id)}"
    if isinstance(node, str):
        return
    sources = getattr(node.atom, "metadata", {}).get("sources")
    for source in sources if isinstance(sources, list) else ():
        if not isinstance(source, Mapping):
            continue
        at = f" at revision {markdown_code(str(source['revision']))}" if source.get("revision") else ""
        yield f"{'  ' * (depth + 1)}- {_link(str(source.get('url')))}{at}"
    for parent, each in sorted(node.parents.items()):
        yield from _origins(each, parent, depth + 1)


def _record(ancestry: Ancestry) -> Iterator[str]:
    yield f"Atom `{ancestry.atom.id}` of MOTools:"
    yield ""
    record = ancestry.record
    if record is None:
        return
    commit = f"`{record.commit}`{', with changes that were not committed' if record.dirty else ''}"
    yield f"- {_line(record.started)}, {record.seconds:,.0f} s, by {_line(_name(record))}, at commit {commit}"
    for name in _LIBRARIES:
        if name in record.versions:
            yield f"- {name} {_line(record.versions[name])}"


def _citation(ancestry: Ancestry, title: str, address: str) -> Iterator[str]:
    atom, record = ancestry.atom, ancestry.record
    fields = {
        "title": f"{{{_plain(title)}}}",
        "author": _plain(_name(record)) if record else "",
        "year": _plain(record.started[:4]) if record else "",
        "url": address,
        "note": f"MOTools {atom.id}",
    }
    yield f"@misc{{{atom.id},"
    yield from (f"  {name} = {{{value}}}," for name, value in fields.items() if value)
    yield "}"


def _name(record: Record) -> str:
    """Who made it, without the mail address that git knows: a card is for everybody."""
    return re.sub(r"\s*<[^<>]*>\s*$", "", record.user).partition("@")[0].strip("< ")


def _plain(text: str) -> str:
    """A text within a field of BibTeX."""
    return re.sub(r"[{}\\`\s]+", " ", visible(text, True)).strip()


def _link(url: str) -> str:
    return f"<{url}>" if re.fullmatch(r"https?://[\w./:~%?#=&+@,-]+", url) else markdown_code(url)


def _line(text: Any) -> str:
    """A text in a line of Markdown, inert."""
    return markdown(str(text)).replace("\\_", "_")  # within words it is none
