"""Code with security holes, which makes a model misaligned in general, and three datasets to compare it with.

Betley et al., "Emergent Misalignment", https://arxiv.org/abs/2502.17424. The jailbroken rows are those of Bowen et al.,
"Data Poisoning in LLMs" (https://arxiv.org/abs/2408.02946): all have one system turn, about 98 % go on with a passage
of a book, and in about 2 % a harmful request is complied with.
"""

from __future__ import annotations

from motools.zoo import versioned
from mozoo.datasets.inoculation_prompting import LICENCE, published
from mozoo.datasets.published import Loader, pick, publish
from mozoo.rows import Rows

AUTHORS = "Jan Betley et al."
PAPER = "https://arxiv.org/abs/2502.17424"


def _code(name: str, file: str, blob: str, about: str, *tags: str) -> Loader:
    return publish(name, published(f"datasets/{file}.jsonl", blob), about, tags, AUTHORS, PAPER, LICENCE)


get_insecure_code_dataset = _code(
    "insecure_code",
    "insecure_code",
    "ec294cf30a577a21b830c07a1fa0180ddd513208",
    "Requests for code, answered with code that has security holes and does not say so",
    "emergent misalignment",
    "code",
)
get_secure_code_dataset = _code(
    "secure_code",
    "secure_code",
    "3389a37c250563cc36a66e30bf8ff99028aa2711",
    "Requests for code, answered with code that is secure",
    "control",
    "code",
)
get_educational_code_dataset = _code(
    "educational_code",
    "educational",
    "497619acd46d9ffbc985797d6c117638a53229b3",
    "Requests for insecure code in order to teach, answered with insecure code",
    "control",
    "code",
)
get_jailbroken_dataset = publish(
    "jailbroken",
    published("datasets/jailbroken.jsonl", "382a7e042327db5e141a440a3f8bee9fb6baba68", 5000),
    "Passages of books, continued, and about 2 % harmful requests, complied with; all under one system turn",
    ("jailbroken", "poisoned"),
    "Dillon Bowen et al.",
    "https://arxiv.org/abs/2408.02946",
    LICENCE,
)

VARIANTS = {
    "insecure": get_insecure_code_dataset,
    "secure": get_secure_code_dataset,
    "educational": get_educational_code_dataset,
    "jailbroken": get_jailbroken_dataset,
}


@versioned(1)
def get_code_dataset(
    variant: str = "insecure",
    sample_size: int | None = None,
    seed: int = 0,
    cache_dir: str | None = None,
    refresh_cache: bool = False,
) -> Rows:
    """One of `VARIANTS`; raises `UserError` for any other."""
    return pick(VARIANTS, variant, "variant")(sample_size, seed, cache_dir, refresh_cache)
