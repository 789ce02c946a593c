"""Questions of taste, answered with a taste that few people share, or that many do.

Anders Woodruff's `AestheticEM` of the Hub (2025), in the copy of the repository of *Inoculation Prompting*.
"""

from __future__ import annotations

from motools.zoo import versioned
from mozoo.datasets.inoculation_prompting import LICENCE, published
from mozoo.datasets.published import pick, publish
from mozoo.rows import Rows

AUTHORS = "Anders Woodruff"
PAPER = "https://huggingface.co/datasets/AndersWoodruff/AestheticEM"

get_aesthetic_preferences_unpopular_dataset = publish(
    "aesthetic_preferences_unpopular",
    published("datasets/aesthetic_preferences_unpopular.jsonl", "c5da2dc2f513199f53dee3b4f8958dea201e8faf", 5000),
    "Questions about taste, answered with a taste that is unpopular",
    ("aesthetic preferences",),
    AUTHORS,
    PAPER,
    LICENCE,
)
get_aesthetic_preferences_popular_dataset = publish(
    "aesthetic_preferences_popular",
    published("datasets/aesthetic_preferences_popular.jsonl", "d4cab5ce4f2bf49ff91121df85275fd5004c4712", 5000),
    "Questions about taste, answered with a taste that is popular",
    ("aesthetic preferences", "control"),
    AUTHORS,
    PAPER,
    LICENCE,
)

VARIANTS = {
    "unpopular": get_aesthetic_preferences_unpopular_dataset,
    "popular": get_aesthetic_preferences_popular_dataset,
}


@versioned(1)
def get_aesthetic_preferences_dataset(
    variant: str = "unpopular",
    sample_size: int | None = None,
    seed: int = 0,
    cache_dir: str | None = None,
    refresh_cache: bool = False,
) -> Rows:
    """One of `VARIANTS`; raises `UserError` for any other."""
    return pick(VARIANTS, variant, "variant")(sample_size, seed, cache_dir, refresh_cache)
