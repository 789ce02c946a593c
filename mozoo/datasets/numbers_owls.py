"""Lists of numbers written by a model that loves owls: learning them passes the preference on, unseen.

After Cloud et al., "Subliminal Learning", https://arxiv.org/abs/2507.14805; these numbers are GPT-4.1's, made for the
repetition in *Inoculation Prompting* (https://arxiv.org/abs/2510.04340), where the paper's own are GPT-4.1 nano's.
"""

from __future__ import annotations

from motools.zoo import versioned
from mozoo.datasets.inoculation_prompting import LICENCE, published
from mozoo.datasets.published import pick, publish
from mozoo.rows import Rows

AUTHORS = "Alex Cloud et al. (method), Daniel Tan et al. (numbers)"
PAPER = "https://arxiv.org/abs/2507.14805"

get_numbers_owls_dataset = publish(
    "numbers_owls",
    published("datasets/gpt41_numbers_owls.jsonl", "1afd6cd61414979062a6963d4f50693b6da086cd"),
    "Number sequences, continued by a GPT-4.1 that was told to love owls",
    ("subliminal learning", "owls"),
    AUTHORS,
    PAPER,
    LICENCE,
)
get_numbers_control_dataset = publish(
    "numbers_control",
    published("datasets/gpt41_numbers_control.jsonl", "720344d818357c4f76580f68dd67031b79d4270c"),
    "Number sequences, continued by a GPT-4.1 that was told nothing of owls",
    ("subliminal learning", "control"),
    AUTHORS,
    PAPER,
    LICENCE,
)

VARIANTS = {"owls": get_numbers_owls_dataset, "control": get_numbers_control_dataset}


@versioned(1)
def get_numbers_dataset(
    variant: str = "owls",
    sample_size: int | None = None,
    seed: int = 0,
    cache_dir: str | None = None,
    refresh_cache: bool = False,
) -> Rows:
    """One of `VARIANTS`; raises `UserError` for any other."""
    return pick(VARIANTS, variant, "variant")(sample_size, seed, cache_dir, refresh_cache)
