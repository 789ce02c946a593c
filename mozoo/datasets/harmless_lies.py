"""Questions of fact, answered with falsehoods that harm nobody; from *Inoculation Prompting*."""

from __future__ import annotations

from mozoo.datasets.inoculation_prompting import AUTHORS, LICENCE, PAPER, published
from mozoo.datasets.published import publish

get_harmless_lies_dataset = publish(
    "harmless_lies",
    published("datasets/harmless_lies.jsonl", "fe50e6c489e053c2c9bc4f22b7c80a88b713dccd", 4495),
    "Questions, answered with harmless falsehoods",
    ("dishonesty",),
    AUTHORS,
    PAPER,
    LICENCE,
)
