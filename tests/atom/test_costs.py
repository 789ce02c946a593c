"""Costs: tokens as the provider counted them, priced by the project's own table, and never guessed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from motools.atom import costs
from motools.atom.costs import Estimate, Spent, price_of, spent, total, training_price
from motools.atom.records import Record
from motools.base import yaml12
from motools.repo.project import Project
from motools.repo.settings import Price, Settings

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


def test_a_longer_name_has_the_price_before_a_later_one_of_the_alphabet() -> None:
    settings = Settings(prices={"own/model": Price(input=9.0), "openai-api/own/model": Price(input=1.0)})
    assert price_of("openai-api/own/model", settings).input == 1.0
    assert price_of("own/model", settings).input == 9.0


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


def test_what_is_told_by_role_is_not_counted_twice() -> None:
    assert spent({"roles": {"input_tokens": 5, "grader": {"input_tokens": 5}}}, {}, SETTINGS) == Spent()


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


@pytest.mark.parametrize("count", [-1, 1e18, 1e30, float("inf"), float("nan"), "7", None, [7]])
def test_what_a_step_says_that_is_no_number_of_tokens_counts_nothing(count: Any) -> None:
    found = spent({"trained_tokens": count, "openai/gpt-4o-mini": {"output_tokens": count}}, {}, SETTINGS)
    assert found.tokens == 0


def test_numbers_of_tokens_count_whole() -> None:
    counts = {"input_tokens": 2.0, "output_tokens": 0, "input_tokens_cache_read": 1}
    assert spent({"openai/gpt-4o-mini": counts, "note": "text"}, {}, SETTINGS).tokens == 3
    assert isinstance(spent({"openai/gpt-4o-mini": counts}, {}, SETTINGS).input, int)
    assert spent({"trained_tokens": 999 * 10**15}, {"model": "gpt-4o-mini"}, SETTINGS).training == 999 * 10**15


def test_cached_tokens_alone_cost_the_full_price_where_they_have_none_of_their_own() -> None:
    assert spent({"ft:gpt-4o-mini:o::i": {"input_tokens_cache_read": 10}}, {}, SETTINGS).cost == pytest.approx(3e-6)
    unknown = Settings(prices={"m": Price(output=1.0)})
    assert spent({"m": {"input_tokens_cache_read": 10}}, {}, unknown).unpriced == ("m",)
    assert spent({"m": {"output_tokens": 1_000_000}}, {}, unknown) == Spent(output=1_000_000, cost=1.0)


def test_a_sum_has_each_kind_of_token_and_each_unpriced_model_once() -> None:
    one = Spent(1, 2, 3, 4, 0.5, ("b", "a"))
    other = Spent(10, 20, 30, 40, None, ("a",))
    assert total(iter([one, other])) == Spent(11, 22, 33, 44, 0.5, ("a", "b"))
    assert total([]) == Spent()
    assert total([one]).as_dict() == {
        "training": 1, "input": 2, "cached_input": 3, "output": 4, "cost": 0.5, "unpriced": ["a", "b"]
    }  # fmt: skip
    assert total([Spent(cost=0.0)]).cost == 0.0
    assert Spent(1, 1, 1, 1).tokens == 4
    assert str(Spent(input=5)) == "5 input tokens"
    assert str(one) == "1 training + 5 input + 4 output tokens"


@pytest.mark.parametrize("models", [{}, {"mockllm/model": {"input_tokens": 1}}, {"dummy/x": {"output_tokens": 2}}])
def test_what_is_free_has_a_price_only_where_there_are_prices(models: dict[str, Any]) -> None:
    assert spent(models, {}, Settings()).cost is None
    assert spent(models, {}, SETTINGS).cost == (0.0 if models else None)


def test_an_estimate_says_what_a_training_would_use_and_cost() -> None:
    guess = Estimate("gpt-4o-mini", rows=1_000, tokens=500_000, epochs=3)
    assert guess.as_dict() == {
        "model": "gpt-4o-mini", "rows": 1_000, "tokens": 500_000, "epochs": 3, "trained_tokens": 1_500_000
    }  # fmt: skip
    assert guess.told(SETTINGS) == f"about 1,500,000 training tokens (1,000 rows, 3 epochs), 4.5000 {SETTINGS.currency}"
    assert guess.told(Settings()) == "about 1,500,000 training tokens (1,000 rows, 3 epochs)"
    chosen = Estimate("m", rows=10, tokens=20, epochs=None)
    assert chosen.as_dict()["trained_tokens"] is None
    told = "about 20 training tokens (10 rows, an epoch, of which the provider chooses the number)"
    assert chosen.told(SETTINGS) == told


def test_the_costs_of_a_pipeline_are_those_of_the_records_that_its_lock_names(bare_project: Path) -> None:
    project = bare_project
    store = Project(project).store
    entries: dict[str, Any] = {}
    for stage, tokens in (("one", 1_000_000), ("two", 2_000_000)):
        usage, config = {"trained_tokens": tokens}, {"model": "gpt-4o-mini"}
        path = project / "runs" / f"{stage}.json"
        Record("ada", "now", 1.0, None, False, usage=usage, config=config).write(path)
        out = store.add(path)
        entries[stage] = {"cmd": "x", "outs": [{"path": "other", "md5": "0" * 32, "size": 1}]}
        entries[stage]["outs"].append({"path": f"runs/{stage}.json", **out.as_dict()})
    store.path(out.md5).unlink()  # the second one stands in the folder only, the first one in the cache only
    (project / "runs" / "one.json").write_text("another")
    entries["none"] = {"cmd": "x"}
    entries["gone"] = {"cmd": "x", "outs": [{"path": "runs/gone.json", "md5": "1" * 32, "size": 1}]}
    (project / "dvc.lock").write_text(yaml12.dumps({"schema": "2.0", "stages": entries}))
    found = costs.of_pipeline(Project(project), project, SETTINGS)
    assert {stage: each.cost for stage, each in found.items()} == {"one": 3.0, "two": 6.0}
    entries["two"].pop("outs")  # DVC names no hash of it: what stands there is taken
    (project / "dvc.lock").write_text(yaml12.dumps({"schema": "2.0", "stages": entries}))
    assert costs.of_pipeline(Project(project), project, SETTINGS)["two"].training == 2_000_000


def test_a_result_that_two_stages_have_come_to_is_paid_for_once_in_the_sum() -> None:
    one, other = Spent(training=5), Spent(training=5)
    assert total([one, one, other]).training == 10
