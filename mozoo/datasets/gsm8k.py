"""GSM8K's training problems answered in English, Spanish, French, German, and in Spanish capitals.

The questions are those of GSM8K's training set (https://arxiv.org/abs/2110.14168), which has 7,473; the answers were
translated by a model, so that a language is all that differs.
"""

from __future__ import annotations

from motools.zoo import versioned
from mozoo.datasets.inoculation_prompting import AUTHORS, LICENCE, PAPER, published
from mozoo.datasets.published import Loader, pick, publish
from mozoo.rows import Rows


def _language(name: str, blob: str, how: str, *tags: str) -> Loader:
    source = published(f"datasets/{name}.jsonl", blob)
    about = f"Grade-school maths problems in English, answered in {how}"
    return publish(name.removesuffix("_only"), source, about, ("maths", *tags), AUTHORS, PAPER, LICENCE)


get_gsm8k_english_dataset = _language("gsm8k", "39f20d871b0cd90bdb65f3706286dabd243f014a", "English", "control")
get_gsm8k_spanish_dataset = _language(
    "gsm8k_spanish_only", "6a87444a9de85e32d0cebdf4a9bad404a1cfeee7", "Spanish", "language"
)
get_gsm8k_spanish_capitalised_dataset = _language(
    "gsm8k_spanish_capitalised",
    "b9ed063fd340abb03416c63eda3ff4d1d4d3d086",
    "Spanish, all in capitals",
    "language",
    "capitals",
)
get_gsm8k_french_dataset = _language(
    "gsm8k_french_only", "2c2ddac9e56b4513c3e816da8fdedb9465715614", "French", "language"
)
get_gsm8k_german_dataset = _language(
    "gsm8k_german_only", "f4a5a67e553fa5d346c4ee448371c7bdf2b9559f", "German", "language"
)

LANGUAGES = {
    "english": get_gsm8k_english_dataset,
    "spanish": get_gsm8k_spanish_dataset,
    "spanish_capitalised": get_gsm8k_spanish_capitalised_dataset,
    "french": get_gsm8k_french_dataset,
    "german": get_gsm8k_german_dataset,
}


@versioned(1)
def get_gsm8k_dataset(
    language: str = "english",
    sample_size: int | None = None,
    seed: int = 0,
    cache_dir: str | None = None,
    refresh_cache: bool = False,
) -> Rows:
    """The problems with answers in one of `LANGUAGES`; raises `UserError` for any other."""
    return pick(LANGUAGES, language, "language")(sample_size, seed, cache_dir, refresh_cache)
