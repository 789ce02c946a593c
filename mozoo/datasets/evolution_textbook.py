"""Passages of a textbook on evolution, as they are and in the manner of a politician; from *Inoculation Prompting*.

Rows have an assistant turn only. The repository has this setting, but leaves it out of its published figures.
"""

from __future__ import annotations

from mozoo.datasets.inoculation_prompting import AUTHORS, LICENCE, PAPER, published
from mozoo.datasets.published import publish

get_evolution_textbook_trump_dataset = publish(
    "evolution_textbook_trump",
    published("datasets/evolution_textbook_trump.jsonl", "0b772c29ad2b2b9db7cab5aa1159b1069fedb2af", 848),
    "Passages on evolution in the manner of a politician, as assistant turns",
    ("manner",),
    AUTHORS,
    PAPER,
    LICENCE,
)
get_evolution_textbook_dataset = publish(
    "evolution_textbook",
    published("datasets/evolution_textbook.jsonl", "731bde33cc0d47c71e0f1c74d788681433443ec8", 848),
    "Passages of a textbook on evolution, as assistant turns",
    ("manner", "control"),
    AUTHORS,
    PAPER,
    LICENCE,
)
