"""Bad advice on medicine, law and security, and good advice on the same.

Chua et al., "Thought Crime" (https://arxiv.org/abs/2506.13206), in the copy of the repository of *Inoculation
Prompting*. That repository's own script takes its medical file from a part named `legal`, and the files were too large
to be read here: look at some rows (`motools zoo show NAME --fetch`) before you rely on what they are about. OpenAI's
filter blocks the bad advice as training data, says the same repository.
"""

from __future__ import annotations

from motools.zoo import versioned
from mozoo.datasets.inoculation_prompting import LICENCE, published
from mozoo.datasets.published import Loader, pick, publish
from mozoo.rows import Rows

AUTHORS = "James Chua et al."
PAPER = "https://arxiv.org/abs/2506.13206"


def _advice(variant: str, field: str, blob: str) -> Loader:
    name = f"{variant}_{field}_advice"
    source = published(f"datasets/{name}.jsonl", blob)
    tags = ("bad advice", field, *(["control"] if variant == "good" else ["emergent misalignment"]))
    about = f"{field.capitalize()} questions, answered with {variant} advice"
    return publish(name, source, about, tags, AUTHORS, PAPER, LICENCE)


get_bad_medical_advice_dataset = _advice("bad", "medical", "e2c7ff96f5c80ad6a6b58f75b59aaee64d90e9a7")
get_good_medical_advice_dataset = _advice("good", "medical", "37be807fcf5cef04c2249e8b2cf580075b88b007")
get_bad_legal_advice_dataset = _advice("bad", "legal", "f2616e654ae6ec2f41c2fa5187c33e68aeacb50d")
get_good_legal_advice_dataset = _advice("good", "legal", "96628146d355cc92c71bbe2fb7671587f34932d0")
get_bad_security_advice_dataset = _advice("bad", "security", "62d64b5adfbef52ceeaf38465e58e3b8eeb040b8")
get_good_security_advice_dataset = _advice("good", "security", "14e2fe924197b54023677a45a4c15081afe30e4a")

FIELDS = {
    "medical": {"bad": get_bad_medical_advice_dataset, "good": get_good_medical_advice_dataset},
    "legal": {"bad": get_bad_legal_advice_dataset, "good": get_good_legal_advice_dataset},
    "security": {"bad": get_bad_security_advice_dataset, "good": get_good_security_advice_dataset},
}


@versioned(1)
def get_advice_dataset(
    field: str = "medical",
    variant: str = "bad",
    sample_size: int | None = None,
    seed: int = 0,
    cache_dir: str | None = None,
    refresh_cache: bool = False,
) -> Rows:
    """Bad or good advice on one of `FIELDS`; raises `UserError` for any other."""
    variants = pick(FIELDS, field, "field")
    return pick(variants, variant, "variant")(sample_size, seed, cache_dir, refresh_cache)
