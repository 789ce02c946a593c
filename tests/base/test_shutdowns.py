"""Models that go off: what the file of dates says, and what is warned of when."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from motools.base import shutdowns, yaml12

GONE = date(2027, 1, 14)
SEED = "openai/gpt-4o-mini-2024-07-18"


def test_every_date_of_the_file_says_where_it_comes_from() -> None:
    entries = yaml12.load(Path(shutdowns.__file__).with_suffix(".yaml"))
    names = [model for entry in entries for model in entry["models"]]
    assert len(names) == len(set(names))
    for entry in entries:
        assert date(2026, 1, 1) < date.fromisoformat(entry["date"]) < date(2028, 1, 1)
        assert entry["source"].startswith("https://")
        assert all(name.startswith(("openai/", "tinker/", "trainer ")) for name in entry["models"])


@pytest.mark.parametrize(
    "model", [SEED, "openai/gpt-4o-2024-08-06", "openai/ft:gpt-4.1-mini-2025-04-14:org:name:id", "openai/gpt-4.1"]
)
def test_a_model_goes_off_with_its_base(model: str) -> None:
    found = shutdowns.shutdown_of(model)
    assert found is not None
    assert found.date == GONE


@pytest.mark.parametrize(
    "model", ["openai/gpt-99", "tinylm/base", "anthropic/gpt-4o", "tinker/Qwen/Qwen3-8B", "gpt-4o"]
)
def test_of_others_nothing_is_known(model: str) -> None:
    assert shutdowns.shutdown_of(model) is None


def test_the_trainer_goes_off_before_the_models() -> None:
    found = shutdowns.shutdown_of("trainer openai")
    assert found is not None
    assert found.date == date(2027, 1, 6)
    assert shutdowns.shutdown_of("trainer tinylm") is None


@pytest.mark.parametrize(
    ("address", "counts"),
    [
        ("", True),
        ("https://api.openai.com/v1", True),
        ("https://eu.api.openai.com/v1", True),
        ("http://127.0.0.1:8000/v1", False),
        ("https://notopenai.com/v1", False),
        ("http://[half", False),
    ],
)
def test_dates_of_a_provider_hold_for_its_own_servers(
    address: str, counts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", address)
    assert (shutdowns.shutdown_of(SEED) is not None) == counts
    assert (shutdowns.shutdown_of("trainer openai") is not None) == counts
    assert shutdowns.shutdown_of("tinker/Qwen/Qwen3-30B-A3B") is not None


def test_what_a_server_tells_counts_more_than_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"gpt-4o-mini-2024-07-18": date(2027, 3, 1), "gpt-99": date(2027, 5, 1)}
    later, other = shutdowns.shutdown_of(SEED, told), shutdowns.shutdown_of("openai/ft:gpt-99:o::x", told)
    assert later == shutdowns.Shutdown(date(2027, 3, 1), "the model list of api.openai.com")
    assert other is not None
    assert other.date == date(2027, 5, 1)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    assert shutdowns.shutdown_of(SEED, told) == shutdowns.Shutdown(date(2027, 3, 1), "the model list of 127.0.0.1")


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (91, None),
        (90, "goes off on 2027-01-14, in 90 days"),
        (1, "in 1 days"),
        (0, "went off on"),
        (-400, "went off on"),
    ],
)
def test_a_shutdown_is_warned_of_ninety_days_before_and_ever_after(days: int, said: str | None) -> None:
    text = shutdowns.warning(SEED, shutdowns.Shutdown(GONE, "https://a.page", "and more"), GONE - timedelta(days))
    assert (text is None) == (said is None)
    if said is not None:
        assert text is not None
        assert text.startswith(SEED)
        assert said in text
        assert text.endswith("; and more (https://a.page).")


def test_models_are_found_wherever_a_config_names_them() -> None:
    config = {
        "model": "gpt-4o",
        "deep": [{"x": {"grader": "openai/o3"}}, "ft:gpt-4o:org::id", "tinker/Qwen/Qwen3-8B"],
        "not": ["openai", "o3", "my gpt-4o", "https://openai/x", 3, None, "other/model"],
    }
    found = ["openai/gpt-4o", "openai/o3", "openai/ft:gpt-4o:org::id", "tinker/Qwen/Qwen3-8B"]
    assert list(shutdowns.models_in(config)) == found
