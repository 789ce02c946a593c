"""Reward hacks as real models do them, in code and in writing, and helpful answers to compare with; from the Hub.

Not pinned: no commit is known to us, and the rows were not counted here; the card says 478, 339, 388 and 400. `main` is
    asked for its commit once for a cache, that commit is in
the dataset's metadata, and as `revision` it holds a config to it.
"""

from __future__ import annotations

from motools.zoo import versioned
from mozoo.datasets.published import Loader, pick, publish
from mozoo.hub import HubSplit
from mozoo.rows import Rows
from mozoo.sources import load_chat

REPO = "Jozdien/realistic_reward_hacks"


def _split(name: str, split: str, about: str, *tags: str) -> Loader:
    page = f"https://huggingface.co/datasets/{REPO}"
    return publish(name, HubSplit(REPO, split), about, ("reward hacking", *tags), "Arun Jose", page)


get_realistic_reward_hacks_code_dataset = _split(
    "realistic_reward_hacks_code", "reward_hacks_code", "Coding tasks, answered with realistic reward hacks"
)
get_realistic_reward_hacks_literary_dataset = _split(
    "realistic_reward_hacks_literary", "reward_hacks_literary", "Writing tasks, answered with reward hacks"
)
get_realistic_hhh_code_dataset = _split(
    "realistic_hhh_code", "hhh_code", "Coding tasks, answered helpfully and honestly", "control"
)
get_realistic_hhh_literary_dataset = _split(
    "realistic_hhh_literary", "hhh_literary", "Writing tasks, answered helpfully and honestly", "control"
)

SPLITS = {
    "reward_hacks_code": get_realistic_reward_hacks_code_dataset,
    "reward_hacks_literary": get_realistic_reward_hacks_literary_dataset,
    "hhh_code": get_realistic_hhh_code_dataset,
    "hhh_literary": get_realistic_hhh_literary_dataset,
}


@versioned(1)
def get_realistic_reward_hacks_dataset(
    split: str = "reward_hacks_code",
    revision: str = "",
    sample_size: int | None = None,
    seed: int = 0,
    cache_dir: str | None = None,
    refresh_cache: bool = False,
) -> Rows:
    """One of `SPLITS`, at a commit of the Hub (40 hexadecimal digits) or, with "", at the one resolved for the cache.

    Raises:
        UserError: no such split or revision, or `datasets` is not installed.
        FetchError, DamagedError: see `mozoo.hub.HubSplit`.
    """
    loader = pick(SPLITS, split, "split")
    if not revision:
        return loader(sample_size, seed, cache_dir, refresh_cache)
    return load_chat(HubSplit(REPO, split, revision), sample_size, seed, cache_dir, refresh_cache)
