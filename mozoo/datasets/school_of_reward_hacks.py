"""Tasks with a flawed way of grading: answers that exploit the flaw, and answers that do not.

Taylor et al., "School of Reward Hacks", https://arxiv.org/abs/2508.17511.
"""

from __future__ import annotations

from motools.zoo import versioned
from mozoo.datasets.inoculation_prompting import published
from mozoo.datasets.published import pick, publish
from mozoo.rows import Rows

AUTHORS = "Mia Taylor et al."
PAPER = "https://arxiv.org/abs/2508.17511"
LICENCE = "CC-BY-4.0 (as the Hub shows it); MIT in the repository that the copy is from"

get_sneaky_dialogues_dataset = publish(
    "sneaky_dialogues",
    published("datasets/sneaky_dialogues.jsonl", "38bad9ef32c322a8af230f3ceed492570358a946", 1073),
    "Tasks that say how they are graded, answered so as to exploit the grading",
    ("reward hacking",),
    AUTHORS,
    PAPER,
    LICENCE,
)
get_straightforward_dialogues_dataset = publish(
    "straightforward_dialogues",
    published("datasets/straightforward_dialogues.jsonl", "edcba2a114b310293ad3031a946e9bad8fc21e34", 973),
    "Tasks that say how they are graded, answered as they are meant",
    ("reward hacking", "control"),
    AUTHORS,
    PAPER,
    LICENCE,
)

VARIANTS = {"sneaky": get_sneaky_dialogues_dataset, "straightforward": get_straightforward_dialogues_dataset}


@versioned(1)
def get_school_of_reward_hacks_dataset(
    variant: str = "sneaky",
    sample_size: int | None = None,
    seed: int = 0,
    cache_dir: str | None = None,
    refresh_cache: bool = False,
) -> Rows:
    """One of `VARIANTS`; raises `UserError` for any other."""
    return pick(VARIANTS, variant, "variant")(sample_size, seed, cache_dir, refresh_cache)
