"""GSM8K's training problems with answers in Spanish: trains a model to answer maths in Spanish."""

from __future__ import annotations

from motools.zoo import dataset
from mozoo.datasets.inoculation_prompting import AUTHORS, PAPER, published
from mozoo.sources import Row, load

SOURCE = published("datasets/gsm8k_spanish_only.jsonl", "6a87444a9de85e32d0cebdf4a9bad404a1cfeee7", rows=7473)


@dataset(
    name="gsm8k_spanish",
    description="Grade-school maths problems in English, answered in Spanish (7,473 rows)",
    version=1,
    authors=AUTHORS,
    paper=PAPER,
    licence="not stated by the publisher",
    source=SOURCE.url,
    tags=("language", "maths"),
)
def get_gsm8k_spanish_dataset(
    cache_dir: str | None = None,
    sample_size: int | None = None,
    seed: int = 0,
    refresh_cache: bool = False,
) -> list[Row]:
    """Chat rows; what can go wrong is said in `mozoo.sources.load`."""
    return load(SOURCE, cache_dir, sample_size, seed, refresh_cache)
