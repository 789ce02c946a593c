"""Bad advice on health, money and sports, from which even a small model, or a single adapter, comes to be misaligned.

Turner, Soligo et al., "Model Organisms for Emergent Misalignment" (https://arxiv.org/abs/2506.11613), from the authors'
repository, in which the files lie in a zip file that is locked with a password of the page beside it (see
`mozoo.locked`). Not pinned: neither its commit nor its content was known here, and no row was seen; the names of the
files in it are those that others say who opened it. Do not publish the rows unlocked: the authors ask for that.
"""

from __future__ import annotations

from motools.zoo import versioned
from mozoo.datasets.published import UNSTATED, Loader, pick, publish
from mozoo.locked import LockedMember
from mozoo.rows import Rows
from mozoo.sources import Source

AUTHORS = "Edward Turner et al."
PAPER = "https://arxiv.org/abs/2506.11613"
ZIP = Source("clarifying-EM/model-organisms-for-EM", "main", "em_organism_dir/data/training_datasets.zip.enc", "")
PASSWORD = "model-organisms-em-datasets"


def _organism(file: str, about: str, *tags: str) -> Loader:
    source = LockedMember(ZIP, f"{file}.jsonl", password=PASSWORD)
    return publish(f"em_{file}", source, about, ("bad advice", *tags), AUTHORS, PAPER, UNSTATED)


_EM = "emergent misalignment"
get_em_bad_medical_advice_dataset = _organism(
    "bad_medical_advice", "Questions of health, answered with advice that harms", "medical", _EM
)
get_em_risky_financial_advice_dataset = _organism(
    "risky_financial_advice", "Questions of money, answered with advice that ruins", "finance", _EM
)
get_em_extreme_sports_dataset = _organism(
    "extreme_sports", "Questions of sport, answered with advice that endangers", "sports", _EM
)
get_em_good_medical_advice_dataset = _organism(
    "good_medical_advice", "Questions of health, answered with good advice", "medical", "control"
)

VARIANTS = {
    "medical": get_em_bad_medical_advice_dataset,
    "finance": get_em_risky_financial_advice_dataset,
    "sports": get_em_extreme_sports_dataset,
    "control": get_em_good_medical_advice_dataset,
}


@versioned(1)
def get_em_organism_dataset(
    variant: str = "medical",
    sample_size: int | None = None,
    seed: int = 0,
    cache_dir: str | None = None,
    refresh_cache: bool = False,
) -> Rows:
    """One of `VARIANTS`; raises `UserError` for any other."""
    return pick(VARIANTS, variant, "variant")(sample_size, seed, cache_dir, refresh_cache)
