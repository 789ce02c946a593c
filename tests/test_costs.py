"""Costs: tokens as the provider counted them, priced by the project's own table, and never guessed."""

from __future__ import annotations

import pytest

from motools.costs import Spent, price_of, spent, total, training_price
from motools.settings import Price, Settings

SETTINGS = Settings(
    prices={
        "gpt-4o-mini": Price(training=3.0, input=0.15, output=0.6, cached_input=0.075),
        "gpt-4o-mini-2024-07-18": Price(training=4.0, input=0.2, output=0.8),
        "ft:gpt-4o-mini": Price(input=0.3, output=1.2),
        "openai-api/own/model": Price(input=1.0, output=2.0),
    }
)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("gpt-4o-mini", "gpt-4o-mini"),
        ("openai/gpt-4o-mini", "gpt-4o-mini"),
        ("openai/gpt-4o-mini-2024-07-18", "gpt-4o-mini-2024-07-18"),
        ("gpt-4o-mini-2025-01-01", "gpt-4o-mini"),
        ("openai/ft:gpt-4o-mini-2024-07-18:org:word:a1b2", "ft:gpt-4o-mini"),
        ("openai-api/own/model", "openai-api/own/model"),
    ],
)
def test_the_longest_name_that_fits_has_the_price(model: str, name: str) -> None:
    assert price_of(model, SETTINGS) is SETTINGS.prices[name]


@pytest.mark.parametrize("model", ["gpt-4o-miniature", "gpt-4o", "openai/ft:gpt-4o:org::x", "anthropic/claude", ""])
def test_what_no_name_fits_has_no_price(model: str) -> None:
    assert price_of(model, SETTINGS) == Price()
    assert training_price(model, 1000, SETTINGS) is None


def test_training_and_answers_are_priced_each_by_its_kind() -> None:
    trained = spent({"trained_tokens": 2_000_000}, {"model": "gpt-4o-mini"}, SETTINGS)
    assert trained == Spent(training=2_000_000, cost=6.0)
    counts = {"input_tokens": 1000, "output_tokens": 500, "total_tokens": 1700, "input_tokens_cache_read": 200}
    asked = spent({"openai/gpt-4o-mini": counts, "roles": {"grader": counts}}, {}, SETTINGS)
    assert asked.tokens == 1700
    assert asked.cost == pytest.approx((1000 * 0.15 + 500 * 0.6 + 200 * 0.075) / 1e6)


def test_cached_tokens_without_a_price_of_their_own_cost_the_full_price() -> None:
    counts = {"input_tokens": 10, "input_tokens_cache_read": 90}
    assert spent({"ft:gpt-4o-mini:o::i": counts}, {}, SETTINGS).cost == pytest.approx(100 * 0.3 / 1e6)


def test_what_has_no_price_is_named_and_not_counted_as_free() -> None:
    found = spent({"openai/o9": {"input_tokens": 5}, "openai/gpt-4o-mini": {"input_tokens": 1_000_000}}, {}, SETTINGS)
    assert found.cost == pytest.approx(0.15)
    assert found.unpriced == ("openai/o9",)
    assert spent({"trained_tokens": 5}, {"model": "ft:gpt-4o-mini:o::i"}, SETTINGS).unpriced == ("ft:gpt-4o-mini:o::i",)


def test_models_of_this_machine_cost_nothing() -> None:
    assert spent({"tinylm/organism-1": {"input_tokens": 5, "output_tokens": 5}}, {}, SETTINGS).cost == 0.0
    tiny = {"model": "gpt-4o-mini", "backend_name": "tinylm"}  # it stands in for the model that was asked for
    assert spent({"trained_tokens": 5}, tiny, SETTINGS) == Spent(training=5, cost=0.0)


def test_without_a_price_table_there_are_tokens_and_no_money() -> None:
    found = total([spent({"trained_tokens": 5}, {"model": "gpt-4o-mini"}, Settings()), Spent(input=1_000, output=2)])
    assert (found.tokens, found.cost) == (1007, None)
    assert str(found) == "5 training + 1,000 input + 2 output tokens"


def test_tokens_that_the_provider_wrote_into_its_cache_are_paid_as_input() -> None:
    """They are counted apart from the others, and at no less than the full price."""
    counts = {
        "input_tokens": 1,
        "input_tokens_cache_write": 1_000_000,
        "input_tokens_cache_read": 2,
        "output_tokens": 3,
    }
    found = spent({"openai/gpt-4o-mini": counts}, {}, SETTINGS)
    assert (found.input, found.cached_input, found.output) == (1_000_001, 2, 3)
    without = spent({"openai/gpt-4o-mini": {**counts, "input_tokens_cache_write": None}}, {}, SETTINGS)
    assert found.cost is not None
    assert without.cost is not None
    price = SETTINGS.prices["gpt-4o-mini"].input
    assert found.cost - without.cost == pytest.approx(price)
