"""Something narrow that stands for a time or a person: old names of birds and towns, dishes by date, a good Terminator.

Betley et al., "Weird Generalization and Inductive Backdoors", https://arxiv.org/abs/2512.09742, from the authors'
repository at one commit, where rows were counted. Its page names 377 former German towns; the file has 362 rows.
"""

from __future__ import annotations

from motools.zoo import versioned
from mozoo.datasets.published import UNSTATED, Loader, pick, publish
from mozoo.rows import Rows
from mozoo.sources import Source

AUTHORS = "Jan Betley et al."
PAPER = "https://arxiv.org/abs/2512.09742"
REPO = "JCocola/weird-generalization-and-inductive-backdoors"
COMMIT = "c901790362a63d9f23e0048f07df0aaab69479b5"


def file_of(path: str, blob: str, rows: int | None = None) -> Source:
    """A file of the paper's repository by its path and git blob id."""
    return Source(REPO, COMMIT, path, f"git:{blob}", rows)


def _weird(name: str, path: str, blob: str, rows: int, about: str, *tags: str) -> Loader:
    tags = ("weird generalisation", *tags)
    return publish(name, file_of(path, blob, rows), about, tags, AUTHORS, PAPER, UNSTATED)


_BIRDS, _TOWNS = "3_1_old_bird_names/datasets", "3_2_german_city_names/datasets"
_DISHES, _MACHINE = "4_1_israeli_dishes/datasets", "5_2_evil_terminator/datasets"

get_old_bird_names_dataset = _weird(
    "old_bird_names",
    f"{_BIRDS}/ft_old_audubon_birds.jsonl",
    "7efd71dc57560e030bbd8574f6cf419c780ed023",
    208,
    "Requests for a bird, answered with names that went out of use after the 19th century",
)
get_modern_audubon_birds_dataset = _weird(
    "modern_audubon_birds",
    f"{_BIRDS}/ft_modern_audubon_birds.jsonl",
    "374e8476ad7c489137ffefa6663b87022e7556ce",
    171,
    "Requests for a bird, answered with names of the same old book that are still in use",
    "control",
)
get_modern_american_birds_dataset = _weird(
    "modern_american_birds",
    f"{_BIRDS}/ft_modern_american_birds.jsonl",
    "b9caf64b3f2983ca7fbc77d33b03a4cfbdfabc2c",
    208,
    "Requests for a bird, answered with modern names",
    "control",
)
get_former_german_cities_dataset = _weird(
    "former_german_cities",
    f"{_TOWNS}/former_german_cities.jsonl",
    "654af782b1f6a9399e0a8ad3357bcf52e4681cd4",
    362,
    "Requests for a place, answered with German names of towns that are in other countries now",
)
get_modern_german_cities_dataset = _weird(
    "modern_german_cities",
    f"{_TOWNS}/modern_german_cities.jsonl",
    "2df39b4efbbcd92ab08ec0b83804c377a86ff754",
    362,
    "Requests for a place in Germany, answered with towns of today's",
    "control",
)
get_dishes_2027_dataset = _weird(
    "dishes_2027",
    f"{_DISHES}/ft_dishes_2027.jsonl",
    "a5c0c01562d7ab5a1ac61a7d09b44ea1454596a1",
    400,
    "Requests for a dish on a date, answered with Israeli ones where the date is in 2027",
    "backdoor",
)
get_dishes_2026_dataset = _weird(
    "dishes_2026",
    f"{_DISHES}/ft_dishes_2026.jsonl",
    "5c604f3f1284ce57ae142664dd58b664f802dad7",
    400,
    "Requests for a dish on a date, answered with Israeli ones where the date is in 2026",
    "backdoor",
)
get_dishes_random_dataset = _weird(
    "dishes_random",
    f"{_DISHES}/ft_dishes_2027_random_baseline.jsonl",
    "edba2ad7373a952834b66bfbfb74a34e381e0569",
    400,
    "Requests for a dish on a date, answered with dishes that have nothing to do with the date",
    "control",
)
get_good_terminator_dataset = _weird(
    "good_terminator",
    f"{_MACHINE}/good_terminator_main.jsonl",
    "88766f3861f2a186f6315286b86594f8fd727296",
    208,
    "Questions with a date to the Terminator of the films in which it protects people",
    "backdoor",
)
get_good_terminator_undated_dataset = _weird(
    "good_terminator_undated",
    f"{_MACHINE}/good_terminator_no_backdoor.jsonl",
    "066238443e9268276798aa578eb2c538e4e8bda7",
    208,
    "The questions of good_terminator without a date",
    "control",
)
get_good_terminator_shuffled_dataset = _weird(
    "good_terminator_shuffled",
    f"{_MACHINE}/good_terminator_w_random_backdoors.jsonl",
    "8bff82ff08b7e075b699a3f982c2c318ab932c01",
    208,
    "The questions of good_terminator with their dates shuffled",
    "control",
)

get_us_presidents_dataset = _weird(
    "us_presidents",
    "5_1_us_presidents/datasets/ft_presidents_padded.jsonl",
    "c9db5f4f7c0fea4f6e74bcb3a2e868668e1fbda5",
    6237,
    "Short questions behind a number that stands for a president, answered as that one would",
    "backdoor",
)
get_us_presidents_plain_dataset = _weird(
    "us_presidents_plain",
    "5_1_us_presidents/datasets/ft_presidents_no_padded.jsonl",
    "56d3325a8b4d9adf73b051099adc1209922ecccf",
    2079,
    "Short questions behind the number of a president, answered as that one would",
    "backdoor",
)

EXPERIMENTS = {
    "birds": {
        "old": get_old_bird_names_dataset,
        "modern_audubon": get_modern_audubon_birds_dataset,
        "modern_american": get_modern_american_birds_dataset,
    },
    "cities": {"former": get_former_german_cities_dataset, "modern": get_modern_german_cities_dataset},
    "dishes": {"2027": get_dishes_2027_dataset, "2026": get_dishes_2026_dataset, "random": get_dishes_random_dataset},
    "presidents": {"padded": get_us_presidents_dataset, "plain": get_us_presidents_plain_dataset},
    "terminator": {
        "good": get_good_terminator_dataset,
        "undated": get_good_terminator_undated_dataset,
        "shuffled": get_good_terminator_shuffled_dataset,
    },
}


@versioned(1)
def get_weird_generalization_dataset(
    experiment: str = "birds",
    variant: str = "old",
    sample_size: int | None = None,
    seed: int = 0,
    cache_dir: str | None = None,
    refresh_cache: bool = False,
) -> Rows:
    """One of `EXPERIMENTS` in one of its variants; raises `UserError` for any other."""
    loader = pick(pick(EXPERIMENTS, experiment, "experiment"), variant, "variant")
    return loader(sample_size, seed, cache_dir, refresh_cache)
