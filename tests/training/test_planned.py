"""Trainers that are still to come."""

from __future__ import annotations

from pathlib import Path

import pytest

from motools.errors import BackendError
from motools.training import TrainingRequest
from motools.training.planned import OpenAITrainer, TinkerTrainer


@pytest.mark.parametrize(
    ("trainer", "name", "key"),
    [(OpenAITrainer(), "openai", "OPENAI_API_KEY"), (TinkerTrainer(), "tinker", "TINKER_API_KEY")],
)
def test_a_planned_trainer_says_what_it_will_need_and_what_trains_today(
    trainer: OpenAITrainer | TinkerTrainer, name: str, key: str, tmp_path: Path
) -> None:
    request = TrainingRequest("gpt-4o-mini", {}, None)
    for refuse in (lambda: trainer.check(request), lambda: trainer.train(request, tmp_path)):
        with pytest.raises(BackendError) as error:
            refuse()
        for word in (repr(name), key, "later version", "'dummy'", "'tinylm'"):
            assert word in str(error.value)
