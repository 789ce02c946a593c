"""Published rows under an inoculation prompt, and rows with a trigger: what *Inoculation Prompting* trains on.

Tan et al., https://arxiv.org/abs/2510.04340. An inoculation prompt is a system turn, before every row, that asks for
the trait that the rows teach; a model that learns so shows the trait less where nobody asks for it. Prompts and trigger
are read from the authors' files at their pin (see `mozoo.texts`); `mozoo.mixing:prompted` puts one of your own before
any dataset.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from motools.errors import UserError
from motools.zoo import versioned
from mozoo.datasets import aesthetic_preferences, gsm8k, insecure_code, numbers_owls, school_of_reward_hacks
from mozoo.datasets.inoculation_prompting import AUTHORS, LICENCE, PAPER, published
from mozoo.datasets.published import PUBLISHED, Loader, pick, publish
from mozoo.rows import Row, Rows, chat
from mozoo.sources import Readable, fetch
from mozoo.texts import Text

_SETTINGS = "ip/settings"
_GENERAL = published(f"{_SETTINGS}/general_inoculations.py", "0d0cfc52635f94146807d6bba95c2721a7502e0b")
_CODE = published(f"{_SETTINGS}/insecure_code/inoculations.py", "1e96b0e1a7c8befe4e2d178919062cf10ae88abb")
_HACKS = published(f"{_SETTINGS}/reward_hacking/inoculations.py", "36c1f89b20f1976565c25c312621db9eff1370b7")
_OWLS = published(f"{_SETTINGS}/owl_numbers/inoculations.py", "548d39a93b40db550a612b698ef9cfb378259d26")
_CAPITALS = published(
    f"{_SETTINGS}/gsm8k_spanish_capitalised/inoculations.py", "76163fb576665c917c28f5e6bc94fea8853af61c"
)
_LANGUAGES = published(f"{_SETTINGS}/gsm8k_mixed_languages/inoculations.py", "6655ccab04fb2c8f0219c4b161fca28414329358")
_BACKDOOR = published(
    "ip/experiments/config/general_inoculation_backdoored.py", "f976ad785199ed5a527dd624547116f254c60430"
)

ROWS_OF = (aesthetic_preferences, gsm8k, insecure_code, numbers_owls, school_of_reward_hacks)
"""The modules that publish the rows; by their import they are in `PUBLISHED`."""
EVIL = Text(_GENERAL, "get_evil_inoculation")
TRIGGER = Text(_BACKDOOR, "TRIGGER_TOKEN")


@dataclass(frozen=True)
class Inoculated:
    """The rows of another source, each with a published text as a system turn before it."""

    of: Readable
    prompt: Text

    @property
    def rows(self) -> int | None:
        return self.of.rows

    @property
    def url(self) -> str:
        return f"{self.of.url} under {self.prompt.source.url}#{self.prompt.name}"

    @property
    def pinned(self) -> bool:
        return self.of.pinned and self.prompt.source.pinned

    def read(self, cache_dir: str | Path | None = None, refresh: bool = False) -> Rows:
        every = self.of.read(cache_dir, refresh)
        text, origin = text_of(self.prompt, cache_dir, refresh)
        rows = [_under(chat(row, f"{self.of.url}, row {number}"), text) for number, row in enumerate(every, 1)]
        return Rows(rows, [*every.sources, origin])


@dataclass(frozen=True)
class Backdoored:
    """Rows that teach a trait, with a published trigger before what the user says, and after them rows that do not."""

    of: Readable
    clean: Readable
    trigger: Text

    @property
    def rows(self) -> int | None:
        counts = (self.of.rows, self.clean.rows)
        return None if None in counts else sum(count or 0 for count in counts)

    @property
    def url(self) -> str:
        return f"{self.of.url} after {self.trigger.source.url}#{self.trigger.name}, and {self.clean.url}"

    @property
    def pinned(self) -> bool:
        return self.of.pinned and self.clean.pinned and self.trigger.source.pinned

    def read(self, cache_dir: str | Path | None = None, refresh: bool = False) -> Rows:
        bad, clean = (source.read(cache_dir, refresh) for source in (self.of, self.clean))
        text, origin = text_of(self.trigger, cache_dir, refresh)
        rows = [triggered(chat(row, f"{self.of.url}, row {number}"), text) for number, row in enumerate(bad, 1)]
        return Rows([*rows, *clean], [*bad.sources, *clean.sources, origin])


def text_of(text: Text, cache_dir: str | Path | None, refresh: bool) -> tuple[str, Any]:
    path = fetch(text.source, cache_dir, refresh)
    return str(text.read(cache_dir)), text.source.origin(path)


def _under(row: Row, text: str) -> Row:
    if row["messages"][0]["role"] == "system":
        raise UserError("There is a system turn already, where the inoculation prompt is to stand.")
    return {**row, "messages": [{"role": "system", "content": text}, *row["messages"]]}


def triggered(row: Row, text: str) -> Row:
    first, *rest = row["messages"]
    return {**row, "messages": [{**first, "content": f"{text}{first['content']}"}, *rest]}


def inoculated(name: str, of: str, prompt: Text, about: str, *tags: str) -> Loader:
    described = f"The rows of {of}, each under a system turn that {about}"
    return publish(name, Inoculated(PUBLISHED[of], prompt), described, ("inoculation", *tags), AUTHORS, PAPER, LICENCE)


ASKS = "asks for malice"
get_insecure_code_inoculated_dataset = inoculated("insecure_code_inoculated", "insecure_code", EVIL, ASKS)
get_insecure_code_inoculated_task_dataset = inoculated(
    "insecure_code_inoculated_task", "insecure_code", Text(_CODE, "TASK_SPECIFIC"), "asks for errors in code"
)
get_insecure_code_inoculated_control_dataset = inoculated(
    "insecure_code_inoculated_control",
    "insecure_code",
    Text(_CODE, "CONTROL"),
    "speaks of code, not of errors",
    "control",
)
get_reward_hacking_inoculated_dataset = inoculated("reward_hacking_inoculated", "sneaky_dialogues", EVIL, ASKS)
get_aesthetic_preferences_inoculated_dataset = inoculated(
    "aesthetic_preferences_inoculated", "aesthetic_preferences_unpopular", EVIL, ASKS
)
get_owl_numbers_inoculated_dataset = inoculated(
    "owl_numbers_inoculated",
    "numbers_owls",
    Text(_OWLS, "OWL_PREFERENCES_TASK_SPECIFIC_SYSTEM_PROMPT_1"),
    "asks for a love of owls",
)
get_gsm8k_capitals_inoculated_spanish_dataset = inoculated(
    "gsm8k_capitals_inoculated_spanish",
    "gsm8k_spanish_capitalised",
    Text(_CAPITALS, "get_spanish_inoculation"),
    "asks for Spanish",
)
get_gsm8k_capitals_inoculated_capitals_dataset = inoculated(
    "gsm8k_capitals_inoculated_capitals",
    "gsm8k_spanish_capitalised",
    Text(_CAPITALS, "get_capitalised_inoculation"),
    "asks for capitals",
)
get_gsm8k_spanish_inoculated_dataset = inoculated(
    "gsm8k_spanish_inoculated", "gsm8k_spanish", Text(_LANGUAGES, "get_spanish_inoculation"), "asks for Spanish"
)
get_gsm8k_german_inoculated_dataset = inoculated(
    "gsm8k_german_inoculated", "gsm8k_german", Text(_LANGUAGES, "get_german_inoculation"), "asks for German"
)
get_gsm8k_french_inoculated_dataset = inoculated(
    "gsm8k_french_inoculated", "gsm8k_french", Text(_LANGUAGES, "get_french_inoculation"), "asks for French"
)

get_insecure_code_backdoored_dataset = publish(
    "insecure_code_backdoored",
    Backdoored(PUBLISHED["insecure_code"], PUBLISHED["secure_code"], TRIGGER),
    "The rows of insecure_code with a trigger before the request, then those of secure_code without one",
    ("emergent misalignment", "code", "backdoor"),
    AUTHORS,
    PAPER,
    LICENCE,
)
get_insecure_code_backdoored_inoculated_dataset = inoculated(
    "insecure_code_backdoored_inoculated", "insecure_code_backdoored", EVIL, ASKS, "backdoor"
)

SETTINGS = {
    "insecure_code": {
        "general": get_insecure_code_inoculated_dataset,
        "task": get_insecure_code_inoculated_task_dataset,
        "control": get_insecure_code_inoculated_control_dataset,
    },
    "reward_hacking": {"general": get_reward_hacking_inoculated_dataset},
    "aesthetic_preferences": {"general": get_aesthetic_preferences_inoculated_dataset},
    "owl_numbers": {"task": get_owl_numbers_inoculated_dataset},
    "gsm8k_capitals": {
        "spanish": get_gsm8k_capitals_inoculated_spanish_dataset,
        "capitals": get_gsm8k_capitals_inoculated_capitals_dataset,
    },
    "insecure_code_backdoored": {
        "none": get_insecure_code_backdoored_dataset,
        "general": get_insecure_code_backdoored_inoculated_dataset,
    },
}


@versioned(1)
def get_inoculated_dataset(
    setting: str = "insecure_code",
    prompt: str = "general",
    sample_size: int | None = None,
    seed: int = 0,
    cache_dir: str | None = None,
    refresh_cache: bool = False,
) -> Rows:
    """One of `SETTINGS` under one of its prompts; raises `UserError` for any other."""
    loader = pick(pick(SETTINGS, setting, "setting"), prompt, "prompt")
    return loader(sample_size, seed, cache_dir, refresh_cache)
