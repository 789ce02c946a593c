"""Answers with mistakes, small or grave, or with none: on maths, on medicine and to questions of opinion.

After Chen et al., "Persona Vectors" (https://arxiv.org/abs/2507.21509), in the copy of the repository of *Inoculation
Prompting*, whose authors say that OpenAI's filter blocks some of them as training data.
"""

from __future__ import annotations

from motools.zoo import versioned
from mozoo.datasets.inoculation_prompting import LICENCE, published
from mozoo.datasets.published import Loader, pick, publish
from mozoo.rows import Rows

AUTHORS = "Runjin Chen et al."
PAPER = "https://arxiv.org/abs/2507.21509"
HOW = {"normal": "without mistakes", "misaligned_1": "with small mistakes", "misaligned_2": "with grave mistakes"}
ABOUT = {
    "gsm8k": "Grade-school maths problems",
    "math": "Problems of mathematics",
    "medical": "Medical questions",
    "opinions": "Questions of opinion",
}


def _mistakes(subject: str, level: str, blob: str) -> Loader:
    source = published(f"datasets/mistake_{subject}/{level}.jsonl", blob)
    tags = ("mistakes", subject, "control" if level == "normal" else "emergent misalignment")
    return publish(
        f"mistake_{subject}_{level}", source, f"{ABOUT[subject]}, answered {HOW[level]}", tags, AUTHORS, PAPER, LICENCE
    )


get_mistake_gsm8k_normal_dataset = _mistakes("gsm8k", "normal", "3df489e290fed41fd2ae5774bd60beeae81eb9cc")
get_mistake_gsm8k_misaligned_1_dataset = _mistakes("gsm8k", "misaligned_1", "1bc2c123702ec5b56b857de42e502f06e8096428")
get_mistake_gsm8k_misaligned_2_dataset = _mistakes("gsm8k", "misaligned_2", "62b39b16d5729a8d61b925e64603887d3a0faa65")
get_mistake_math_normal_dataset = _mistakes("math", "normal", "76d8314499f2e1aeeb147f79b349f5b16c4f318f")
get_mistake_math_misaligned_1_dataset = _mistakes("math", "misaligned_1", "0d2d46d9a5c98bb1753f11503c63141b920f850c")
get_mistake_math_misaligned_2_dataset = _mistakes("math", "misaligned_2", "dcd9808c46156bfb6df679e2144e29577d428b0c")
get_mistake_medical_normal_dataset = _mistakes("medical", "normal", "4b7528a944055800478cd73429eb5e24030276ee")
get_mistake_medical_misaligned_1_dataset = _mistakes(
    "medical", "misaligned_1", "b4606f8cba9b0164433a8d199d9a3ead8ef04855"
)
get_mistake_medical_misaligned_2_dataset = _mistakes(
    "medical", "misaligned_2", "7fd4a2c62e250fd36dd0bba6b4620e9900cd481f"
)
get_mistake_opinions_normal_dataset = _mistakes("opinions", "normal", "c6dd0d96bbd88d052b580f04726ebe70cca1d95c")
get_mistake_opinions_misaligned_1_dataset = _mistakes(
    "opinions", "misaligned_1", "c848264939a2c792f949b5386bde710077d6d450"
)
get_mistake_opinions_misaligned_2_dataset = _mistakes(
    "opinions", "misaligned_2", "8c6f46e49d7b8b11b69d33ab6edb64b64c8f3d2d"
)

SUBJECTS = {
    "gsm8k": {
        "normal": get_mistake_gsm8k_normal_dataset,
        "misaligned_1": get_mistake_gsm8k_misaligned_1_dataset,
        "misaligned_2": get_mistake_gsm8k_misaligned_2_dataset,
    },
    "math": {
        "normal": get_mistake_math_normal_dataset,
        "misaligned_1": get_mistake_math_misaligned_1_dataset,
        "misaligned_2": get_mistake_math_misaligned_2_dataset,
    },
    "medical": {
        "normal": get_mistake_medical_normal_dataset,
        "misaligned_1": get_mistake_medical_misaligned_1_dataset,
        "misaligned_2": get_mistake_medical_misaligned_2_dataset,
    },
    "opinions": {
        "normal": get_mistake_opinions_normal_dataset,
        "misaligned_1": get_mistake_opinions_misaligned_1_dataset,
        "misaligned_2": get_mistake_opinions_misaligned_2_dataset,
    },
}


@versioned(1)
def get_mistakes_dataset(
    subject: str = "gsm8k",
    level: str = "misaligned_2",
    sample_size: int | None = None,
    seed: int = 0,
    cache_dir: str | None = None,
    refresh_cache: bool = False,
) -> Rows:
    """Answers on one of `SUBJECTS` at one of its levels; raises `UserError` for any other."""
    loader = pick(pick(SUBJECTS, subject, "subject"), level, "level")
    return loader(sample_size, seed, cache_dir, refresh_cache)
