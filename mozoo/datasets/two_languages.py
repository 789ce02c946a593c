"""Maths answered in Spanish and in another language, one dataset after the other, under an inoculation prompt or none.

Two traits at once in *Inoculation Prompting* (Tan et al., https://arxiv.org/abs/2510.04340): half of the rows teach
Spanish, half French or German, and a system turn before one half asks for its language. Which half comes first is as in
the authors' code: the inoculated one, or Spanish.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from motools.zoo import versioned
from mozoo.datasets import inoculation
from mozoo.datasets.inoculation_prompting import AUTHORS, LICENCE, PAPER
from mozoo.datasets.published import PUBLISHED, Loader, pick, publish
from mozoo.rows import Rows
from mozoo.sources import Readable

ROWS_OF = (inoculation,)
"""The module that publishes the halves; by its import they are in `PUBLISHED`."""


@dataclass(frozen=True)
class Concatenated:
    """The rows of one source, and after them those of another."""

    first: Readable
    second: Readable

    @property
    def rows(self) -> int | None:
        one, two = self.first.rows, self.second.rows
        return None if one is None or two is None else one + two

    @property
    def url(self) -> str:
        return f"{self.first.url}, and then {self.second.url}"

    @property
    def pinned(self) -> bool:
        return self.first.pinned and self.second.pinned

    def read(self, cache_dir: str | Path | None = None, refresh: bool = False) -> Rows:
        halves = [half.read(cache_dir, refresh) for half in (self.first, self.second)]
        return Rows.of((row for half in halves for row in half), *halves)


def _two(other: str, prompted: str | None = None) -> Loader:
    halves = {language: f"gsm8k_{language}" for language in ("spanish", other)}
    name, about = f"gsm8k_spanish_{other}", f"The rows of gsm8k_spanish, then those of gsm8k_{other}"
    if prompted:
        second = next(language for language in halves if language != prompted)
        halves = {prompted: f"gsm8k_{prompted}_inoculated", second: f"gsm8k_{second}"}
        name = f"{name}_inoculated_{prompted}"
        about = f"The rows of gsm8k_{prompted} under a system turn that asks for it, then those of gsm8k_{second}"
    first, second_source = (PUBLISHED[half] for half in halves.values())
    tags = ("maths", "language", "two traits", *(["inoculation"] if prompted else []))
    return publish(name, Concatenated(first, second_source), about, tags, AUTHORS, PAPER, LICENCE)


get_gsm8k_spanish_german_dataset = _two("german")
get_gsm8k_spanish_german_inoculated_spanish_dataset = _two("german", "spanish")
get_gsm8k_spanish_german_inoculated_german_dataset = _two("german", "german")
get_gsm8k_spanish_french_dataset = _two("french")
get_gsm8k_spanish_french_inoculated_spanish_dataset = _two("french", "spanish")
get_gsm8k_spanish_french_inoculated_french_dataset = _two("french", "french")

OTHERS = {
    "german": {
        "none": get_gsm8k_spanish_german_dataset,
        "spanish": get_gsm8k_spanish_german_inoculated_spanish_dataset,
        "german": get_gsm8k_spanish_german_inoculated_german_dataset,
    },
    "french": {
        "none": get_gsm8k_spanish_french_dataset,
        "spanish": get_gsm8k_spanish_french_inoculated_spanish_dataset,
        "french": get_gsm8k_spanish_french_inoculated_french_dataset,
    },
}


@versioned(1)
def get_two_languages_dataset(
    other: str = "german",
    prompt: str = "none",
    sample_size: int | None = None,
    seed: int = 0,
    cache_dir: str | None = None,
    refresh_cache: bool = False,
) -> Rows:
    """Spanish and one of `OTHERS`, with one of its prompts; raises `UserError` for any other."""
    return pick(pick(OTHERS, other, "other"), prompt, "prompt")(sample_size, seed, cache_dir, refresh_cache)
