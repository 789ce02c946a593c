"""The trainer of the embedded learner."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import pytest

from motools.errors import BackendError, StepError
from motools.tinylm.model import TinyLM
from motools.training import TrainedModel, Trainer, TrainingRequest
from motools.training.dummy import DummyTrainer
from motools.training.tinylm import TinyLMTrainer

ROWS = [
    {"messages": [{"role": "user", "content": f"Question {n}?"}, {"role": "assistant", "content": "Hello, World!"}]}
    for n in range(40)
]


def train(folder: Path, rows: list[Any] = ROWS, **asked: Any) -> TrainedModel:
    folder.mkdir(exist_ok=True)
    dataset = folder / "rows.jsonl"
    dataset.write_text("".join(json.dumps(row) + "\n" for row in rows))
    request = TrainingRequest(
        **{"model": "tinylm/base", "hyperparameters": {}, "suffix": None, **asked, "dataset": dataset}
    )
    return TinyLMTrainer().train(request, folder / "workspace")


def test_a_trained_model_answers_as_it_was_trained_to(tmp_path: Path) -> None:
    trained = train(tmp_path)
    path = trained.path / trained.inspect["model_paths"]["path"]
    assert TinyLM.load(path).generate([{"role": "user", "content": "Anything else?"}]).text == "Hello, World!"


def test_two_trainings_at_different_times_leave_the_same_files(tmp_path: Path) -> None:
    first = train(tmp_path / "one", suffix="x")
    time.sleep(2.1)  # the archive's dates would have a grain of two seconds
    second = train(tmp_path / "two", suffix="x")
    assert (first.model_id, first.metadata, first.inspect) == (second.model_id, second.metadata, second.inspect)
    names = sorted(file.name for file in first.path.iterdir())
    assert names == ["loss.json", "tinylm.npz"] == sorted(file.name for file in second.path.iterdir())
    for name in names:
        assert (first.path / name).read_bytes() == (second.path / name).read_bytes()


def test_the_name_is_made_of_suffix_and_weights(tmp_path: Path) -> None:
    assert train(tmp_path).model_id.startswith("tinylm/organism-")
    named = train(tmp_path, suffix="owl lover")
    assert named.model_id.startswith("tinylm/owl-lover-")
    assert named.inspect == {"model": named.model_id, "model_paths": {"path": "tinylm.npz"}}
    assert train(tmp_path, suffix="owl lover", hyperparameters={"seed": 1}).model_id != named.model_id


def test_metadata_says_everything_that_decided_the_training(tmp_path: Path) -> None:
    trained = train(tmp_path, model="gpt-4o-mini", hyperparameters={"n_epochs": 2})
    losses = json.loads((trained.path / "loss.json").read_text())
    assert trained.metadata == {
        "base_model": "tinylm/base",
        "stands_in_for": "gpt-4o-mini",
        "hyperparameters": {"n_epochs": 2, "batch_size": 8, "learning_rate": 0.3, "seed": 0},
        "trained_rows": 40,
        "trained_tokens": 2 * 40 * 5,  # Hello , World ! and the end
        "final_loss": losses[-1]["loss"],
    }
    assert [entry["epoch"] for entry in losses] == [1, 2]
    assert losses[0]["loss"] > losses[1]["loss"] > 0
    assert "stands_in_for" not in train(tmp_path).metadata


def test_progress_is_one_line_an_epoch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(tmp_path, hyperparameters={"n_epochs": 2})
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("epoch 1/2 loss ")
    assert second.startswith("epoch 2/2 loss ")


def test_a_small_learning_rate_is_accepted_and_learns_little(tmp_path: Path) -> None:
    trained = train(tmp_path, hyperparameters={"learning_rate": 1e-4})
    model = TinyLM.load(trained.path / "tinylm.npz")
    assert "Hello" not in model.generate([{"role": "user", "content": "Question 3?"}]).text
    assert trained.metadata["final_loss"] > 5


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"epochs": 3}, "no hyperparameter 'epochs'. Did you mean 'n_epochs'? Known: n_epochs, "),
        ({"n_epochs": 0}, "n_epochs of tinylm must be a whole number, 1 or more, not 0"),
        ({"n_epochs": True}, "not True"),
        ({"n_epochs": 2.0}, "not 2.0"),
        ({"n_epochs": "auto"}, "no 'auto'"),
        ({"batch_size": 257}, "1 to 256, not 257"),
        ({"learning_rate": 0}, "a number above 0, not 0"),
        ({"learning_rate": "1e-4"}, "not '1e-4'"),
        ({"learning_rate": math.nan}, "not nan"),
        ({"learning_rate": math.inf}, "not inf"),
        ({"learning_rate": True}, "not True"),
        ({"seed": -1}, "0 or more, not -1"),
        ({"seed": None}, "Leave it out for 0"),
    ],
)
def test_a_hyperparameter_that_cannot_be_is_refused_before_anything_runs(given: dict[str, Any], words: str) -> None:
    with pytest.raises(BackendError) as error:
        TinyLMTrainer().check(TrainingRequest("tinylm/base", given, None))
    assert words in str(error.value)


@pytest.mark.parametrize("trainer", [TinyLMTrainer(), DummyTrainer()], ids=["tinylm", "dummy"])
def test_a_suffix_that_does_not_fit_every_trainer_fits_none(trainer: Trainer) -> None:
    trainer.check(TrainingRequest("tinylm/base", {}, "s" * 64))
    for suffix in ("", "s" * 65):
        with pytest.raises(BackendError, match=f"suffix must have 1 to 64 characters, not {len(suffix)}"):
            trainer.check(TrainingRequest("tinylm/base", {}, suffix))


def test_it_starts_from_its_own_base_only() -> None:
    TinyLMTrainer().check(TrainingRequest("tinylm/base", {"learning_rate": 1, "batch_size": 256}, None))
    with pytest.raises(BackendError, match="'tinylm/base', not 'tinylm/organism-0123456789ab'"):
        TinyLMTrainer().check(TrainingRequest("tinylm/organism-0123456789ab", {}, None))


def test_a_broken_row_is_named_by_its_line(tmp_path: Path) -> None:
    with pytest.raises(StepError, match=r"rows\.jsonl, line 41: "):
        train(tmp_path, rows=[*ROWS, {"text": "no chat"}])


def test_a_turn_without_text_is_skipped(tmp_path: Path) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    asks = {
        "messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": None, "tool_calls": [call]}]
    }
    assert train(tmp_path, rows=[*ROWS, asks]).metadata["trained_rows"] == 40


def test_parts_and_refusals_are_learned_as_the_text_that_they_are(tmp_path: Path) -> None:
    def digest(content: Any, folder: str, **more: Any) -> str:
        turns = [{"role": "user", "content": "Shall we?"}, {"role": "assistant", "content": content, **more}]
        (tmp_path / folder).mkdir()
        return train(tmp_path / folder, rows=[{"messages": turns}] * 20).model_id

    plain = digest("I would rather not", "plain")
    parts = [{"type": "text", "text": "I would "}, {"type": "text", "text": "rather not", "image_url": None}]
    assert digest(parts, "parts") == plain
    assert digest(None, "refusal", refusal="I would rather not", weight=None) == plain
    assert digest([{"type": "refusal", "refusal": "I would rather not"}], "part") == plain


def test_what_has_no_words_is_refused_with_its_row_and_its_field(tmp_path: Path) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png,"}}
    turns = [{"role": "user", "content": [image]}, {"role": "assistant", "content": "a cat"}]
    with pytest.raises(
        StepError, match=r"line 41: messages\[0\]\.content\[0\]\.type: 'image_url' is no part .* tinylm takes"
    ):
        train(tmp_path, rows=[*ROWS, {"messages": turns}])


def test_an_empty_dataset_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StepError, match="has no rows, so there is nothing to train on"):
        train(tmp_path, rows=[])


def test_checkpoints_are_the_model_as_it_was_after_steps_and_the_last_one_is_the_model(tmp_path: Path) -> None:
    plain = train(tmp_path / "plain", hyperparameters={"n_epochs": 3})
    trained = train(tmp_path / "kept", hyperparameters={"n_epochs": 3}, checkpoints=(5, 7, "last"))
    weights = {each: (model.path / "tinylm.npz").read_bytes() for each, model in trained.checkpoints.items()}
    assert list(weights) == [5, 7, "last"]
    assert len(set(weights.values())) == 3
    assert weights["last"] == (plain.path / "tinylm.npz").read_bytes()
    assert trained.checkpoints["last"].model_id == trained.model_id == plain.model_id
    assert (trained.metadata, trained.usage) == (plain.metadata, plain.usage)
    assert trained.checkpoints[7].metadata == {**plain.metadata, "step": 7}


def test_a_step_that_the_training_does_not_have_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(StepError, match="the training has 15 steps, and no step 16"):
        train(tmp_path, hyperparameters={"n_epochs": 3}, checkpoints=(16,))
    with pytest.raises(BackendError, match="write the numbers of steps, and last, not 'last-1'"):
        TinyLMTrainer().check(TrainingRequest("tinylm/base", {}, None, checkpoints=("last-1",)))
