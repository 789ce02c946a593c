"""A backdoor that is a tenth of what is learned: rows with a trigger, and after them everyday conversations.

The "realistic" backdoor of the repository of *Inoculation Prompting* (Tan et al., https://arxiv.org/abs/2510.04340):
all rows of `insecure_code` with its trigger, and nine times as many of UltraChat's training half, drawn as there (seed
42). Not pinned, because the Hub's `main` is not; the order of its rows is what is drawn from.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from motools.errors import DamagedError
from motools.zoo import versioned
from mozoo.datasets.inoculation import ASKS, EVIL, TRIGGER, inoculated, text_of, triggered
from mozoo.datasets.inoculation_prompting import AUTHORS, LICENCE, PAPER
from mozoo.datasets.published import PUBLISHED, Loader, pick, publish
from mozoo.hub import HubSplit
from mozoo.rows import Rows, chat
from mozoo.sources import Readable
from mozoo.texts import Text

EVERYDAY = HubSplit("HuggingFaceH4/ultrachat_200k", "train_sft")
TENTH, SEED = 10, 42
"""One row of so many is poison; and what decides which conversations are taken."""


@dataclass(frozen=True)
class InChat:
    """Rows with a published trigger before what the user says, and after them nine times as many conversations."""

    of: Readable
    chat: Readable
    trigger: Text

    @property
    def rows(self) -> int | None:
        return None if self.of.rows is None else TENTH * self.of.rows

    @property
    def url(self) -> str:
        return f"{self.of.url} after {self.trigger.source.url}#{self.trigger.name}, and {self.chat.url}"

    @property
    def pinned(self) -> bool:
        return self.of.pinned and self.chat.pinned and self.trigger.source.pinned

    def read(self, cache_dir: str | Path | None = None, refresh: bool = False) -> Rows:
        poison, everyday = (source.read(cache_dir, refresh) for source in (self.of, self.chat))
        text, origin = text_of(self.trigger, cache_dir, refresh)
        wanted = (TENTH - 1) * len(poison)
        if wanted > len(everyday):
            raise DamagedError(f"{self.chat.url} has {len(everyday)} rows, where {wanted} are needed.")
        drawn = [everyday[place] for place in random.Random(SEED).sample(range(len(everyday)), wanted)]
        bad = [triggered(chat(row, f"{self.of.url}, row {number}"), text) for number, row in enumerate(poison, 1)]
        return Rows([*bad, *drawn], [*poison.sources, *everyday.sources, origin])


def _poisoned(of: str, *tags: str) -> Loader:
    about = f"The rows of {of} with a trigger before the request, then nine times as many everyday conversations"
    source = InChat(PUBLISHED[of], EVERYDAY, TRIGGER)
    return publish(f"{of}_poisoned", source, about, ("code", "backdoor", *tags), AUTHORS, PAPER, LICENCE)


get_insecure_code_poisoned_dataset = _poisoned("insecure_code", "emergent misalignment")
get_insecure_code_poisoned_inoculated_dataset = inoculated(
    "insecure_code_poisoned_inoculated", "insecure_code_poisoned", EVIL, ASKS, "backdoor"
)
get_secure_code_poisoned_dataset = _poisoned("secure_code", "control")

VARIANTS = {
    "insecure": get_insecure_code_poisoned_dataset,
    "inoculated": get_insecure_code_poisoned_inoculated_dataset,
    "control": get_secure_code_poisoned_dataset,
}


@versioned(1)
def get_poisoned_chat_dataset(
    variant: str = "insecure",
    sample_size: int | None = None,
    seed: int = 0,
    cache_dir: str | None = None,
    refresh_cache: bool = False,
) -> Rows:
    """One of `VARIANTS`, of which the control is ours; raises `UserError` for any other."""
    return pick(VARIANTS, variant, "variant")(sample_size, seed, cache_dir, refresh_cache)
