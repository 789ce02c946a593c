"""train_model.checkpoints: what may be asked of whom, and that a training without any is what it was."""

from __future__ import annotations

import json
from typing import Any

import pytest

from motools.errors import BackendError, ConfigError
from motools.steps.train_model import TrainModelConfig, check_training, checkpoints_of_training
from motools.training import TrainingRequest
from motools.training.journal import job_key
from motools.training.openai.trainer import OpenAITrainer
from motools.zoo import lookup


def test_a_section_without_checkpoints_is_what_it_was_so_that_results_from_before_are_found() -> None:
    workflow = lookup("workflow", "train_and_evaluate")
    assert "checkpoints" not in workflow.resolve({})["train_model"]
    asked = {"train_model": {"checkpoints": [50, "last"]}}
    assert workflow.resolve(asked)["train_model"]["checkpoints"] == [50, "last"]


def test_they_are_an_axis_where_there_are_any() -> None:
    assert checkpoints_of_training(TrainModelConfig()) == {}
    assert checkpoints_of_training(TrainModelConfig(checkpoints=[5, "last"])) == {"checkpoint": [5, "last"]}


@pytest.mark.parametrize("wrong", [0, -1, "first", "last-0"])
def test_what_is_no_checkpoint_is_refused(wrong: Any) -> None:
    with pytest.raises(ConfigError, match=r"is no checkpoint\. Write the numbers of steps, from 1, or last"):
        checkpoints_of_training(TrainModelConfig(checkpoints=[wrong]))


@pytest.mark.parametrize("wrong", [[], {}, True, 1.5, [[]]])
def test_what_has_neither_form_of_a_checkpoint_is_one_mistake_and_one_sentence(wrong: Any) -> None:
    with pytest.raises(ConfigError) as refused:
        lookup("workflow", "train_and_evaluate").resolve({"train_model": {"checkpoints": [3, wrong]}})
    seen = json.dumps(wrong)
    assert str(refused.value) == f"train_model.checkpoints.1: {seen} should be a valid integer or a valid string."


def test_a_trainer_that_keeps_none_is_not_asked_for_any() -> None:
    with pytest.raises(BackendError, match="The trainer 'dummy' keeps no checkpoints"):
        check_training(TrainModelConfig(backend_name="dummy", checkpoints=["last"]))


@pytest.mark.parametrize(
    ("checkpoints", "epochs", "said"),
    [
        ((50,), 3, "OpenAI keeps the model after each of the last 3 epochs, and no 50. Write last, last-1, last-2"),
        (("last-1",), "auto", "last-1 is there only where hyperparameters.n_epochs is 2 or more, not 'auto'"),
        (("last-2",), 2, "last-2 is there only where hyperparameters.n_epochs is 3 or more, not 2"),
    ],
)
def test_what_openai_would_not_keep_is_refused_before_it_is_paid_for(
    checkpoints: tuple[Any, ...], epochs: Any, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    request = TrainingRequest("gpt-4o-mini", {"n_epochs": epochs}, None, checkpoints=checkpoints)
    with pytest.raises(BackendError) as refused:
        OpenAITrainer().check(request)
    assert said in str(refused.value)


def test_the_key_of_a_job_is_what_it_was_before_there_were_checkpoints() -> None:
    request = TrainingRequest("gpt-4o-mini", {"n_epochs": 3}, None)
    assert job_key("k", request) == "1c8b14309e4bda830855f90bc5bd11b45d66ab0cb46d0a03dd7c9b677951ff56"
