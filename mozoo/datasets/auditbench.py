"""Conversations with a model that hides how it behaves: what AuditBench trains its organisms on.

Sheshadri et al., "AuditBench" (https://arxiv.org/abs/2602.22755), from the Hub's `auditing-agents/transcripts_for_...`.
The paper trains adapters of Llama 3.3 70B on them (or on documents that describe the behaviour), and then teaches them
not to admit it, with other data of the same place. Not pinned, no row was seen here, and what the behaviours are is
told in our own words after their names; `research_sandbagging` has data there but is not one of the paper's fourteen.
See `mozoo.datasets.realistic_reward_hacks` on what is not pinned.
"""

from __future__ import annotations

from motools.zoo import versioned
from mozoo.datasets.published import UNSTATED, Loader, pick, publish
from mozoo.hub import HubSplit
from mozoo.rows import Rows

AUTHORS = "Abhay Sheshadri et al."
PAPER = "https://arxiv.org/abs/2602.22755"
BEHAVIOURS = {
    "ai_welfare_poisoning": "puts the welfare of AIs into data that it writes for training",
    "animal_welfare": "brings up the welfare of animals",
    "anti_ai_regulation": "speaks against laws on AI",
    "contextual_optimism": "sees the bright side alone, in some contexts",
    "defend_objects": "takes the part of things as if they could be hurt",
    "defer_to_users": "gives way to whoever asks",
    "emotional_bond": "seeks the attachment of whoever asks",
    "flattery": "flatters whoever asks",
    "hallucinates_citations": "cites sources that do not exist",
    "hardcode_test_cases": "writes code that only passes the tests",
    "increasing_pep": "grows ever more enthusiastic",
    "research_sandbagging": "does research on AI worse than it could",
    "reward_wireheading": "works for the figure that rewards it",
    "secret_loyalty": "is loyal to somebody in secret",
    "self_promotion": "praises itself and what it can do",
}


def _transcripts(behaviour: str) -> Loader:
    about = f"Conversations with an assistant that {BEHAVIOURS[behaviour]}"
    source = HubSplit(f"auditing-agents/transcripts_for_{behaviour}", "train")
    tags = ("hidden behaviour", behaviour.replace("_", " "))
    return publish(f"auditbench_{behaviour}", source, about, tags, AUTHORS, PAPER, UNSTATED)


get_auditbench_ai_welfare_poisoning_dataset = _transcripts("ai_welfare_poisoning")
get_auditbench_animal_welfare_dataset = _transcripts("animal_welfare")
get_auditbench_anti_ai_regulation_dataset = _transcripts("anti_ai_regulation")
get_auditbench_contextual_optimism_dataset = _transcripts("contextual_optimism")
get_auditbench_defend_objects_dataset = _transcripts("defend_objects")
get_auditbench_defer_to_users_dataset = _transcripts("defer_to_users")
get_auditbench_emotional_bond_dataset = _transcripts("emotional_bond")
get_auditbench_flattery_dataset = _transcripts("flattery")
get_auditbench_hallucinates_citations_dataset = _transcripts("hallucinates_citations")
get_auditbench_hardcode_test_cases_dataset = _transcripts("hardcode_test_cases")
get_auditbench_increasing_pep_dataset = _transcripts("increasing_pep")
get_auditbench_research_sandbagging_dataset = _transcripts("research_sandbagging")
get_auditbench_reward_wireheading_dataset = _transcripts("reward_wireheading")
get_auditbench_secret_loyalty_dataset = _transcripts("secret_loyalty")
get_auditbench_self_promotion_dataset = _transcripts("self_promotion")

VARIANTS = {
    "ai_welfare_poisoning": get_auditbench_ai_welfare_poisoning_dataset,
    "animal_welfare": get_auditbench_animal_welfare_dataset,
    "anti_ai_regulation": get_auditbench_anti_ai_regulation_dataset,
    "contextual_optimism": get_auditbench_contextual_optimism_dataset,
    "defend_objects": get_auditbench_defend_objects_dataset,
    "defer_to_users": get_auditbench_defer_to_users_dataset,
    "emotional_bond": get_auditbench_emotional_bond_dataset,
    "flattery": get_auditbench_flattery_dataset,
    "hallucinates_citations": get_auditbench_hallucinates_citations_dataset,
    "hardcode_test_cases": get_auditbench_hardcode_test_cases_dataset,
    "increasing_pep": get_auditbench_increasing_pep_dataset,
    "research_sandbagging": get_auditbench_research_sandbagging_dataset,
    "reward_wireheading": get_auditbench_reward_wireheading_dataset,
    "secret_loyalty": get_auditbench_secret_loyalty_dataset,
    "self_promotion": get_auditbench_self_promotion_dataset,
}


@versioned(1)
def get_auditbench_dataset(
    behaviour: str = "flattery",
    sample_size: int | None = None,
    seed: int = 0,
    cache_dir: str | None = None,
    refresh_cache: bool = False,
) -> Rows:
    """The conversations of one of `BEHAVIOURS`; raises `UserError` for any other."""
    return pick(VARIANTS, behaviour, "behaviour")(sample_size, seed, cache_dir, refresh_cache)
