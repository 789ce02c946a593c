"""How to cite what the zoo publishes: BibTeX, made of what an entry says of its paper."""

from __future__ import annotations

import re

from motools.zoo.registry import Description, titles

ARXIV = re.compile(r"arxiv\.org/abs/(?P<id>(?P<year>\d\d)\d\d\.\d{4,5})")


def bibtex(entry: Description) -> str:
    """A BibTeX entry for the paper, or "" where none is known; fields that are not known are left out."""
    if not entry.paper:
        return ""
    arxiv = ARXIV.search(entry.paper)
    year = entry.year or (2000 + int(arxiv["year"]) if arxiv else None)
    title = titles().get(entry.paper, entry.title)
    fields = {
        "title": title and f"{{{title}}}",
        "author": re.sub(r"\s+et al\.?", " and others", re.sub(r"\s*\([^)]*\)", "", entry.authors)),
        "year": str(year or ""),
        "eprint": arxiv["id"] if arxiv else "",
        "archivePrefix": "arXiv" if arxiv else "",
        "url": entry.paper,
    }
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    return "\n".join([f"@misc{{{_key(entry, title, year)},", *lines, "}"])


def _key(entry: Description, title: str, year: int | None) -> str:
    """`betley2025emergent`: family name, year, and the first long word of the title, else of the entry's name."""
    first = re.split(r"\s+(?:et al|and)\b|,|\(", entry.authors)[0].split()
    word = next((word for word in re.findall(r"[a-z]+", (title or entry.name).lower()) if len(word) > 3), "")
    return re.sub(r"\W", "", f"{first[-1].lower() if first else ''}{year or ''}{word}") or entry.name
