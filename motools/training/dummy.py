"""A trainer that trains nothing, at once and always the same: for trying a pipeline out, and for tests."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from motools.base.chat.lines import chat_rows
from motools.training import TrainedModel, TrainingRequest, check_suffix, model_name
from motools.zoo import versioned

__all__ = ["DummyTrainer"]


@versioned(1)
class DummyTrainer:
    """Trains nothing: the model is a name, made from everything that was asked, that no provider serves.

    Any hyperparameter is accepted. The rows are read and must be chat rows, so a broken dataset shows
    here and not at a real provider. Evaluate the model with the `dummy` evaluator.
    """

    provider = "dummy"

    def check(self, request: TrainingRequest) -> None:
        """Nothing else can be wrong with what is never used."""
        check_suffix(request.suffix)

    def train(self, request: TrainingRequest, workspace: Path) -> TrainedModel:
        assert request.dataset is not None
        asked = {
            "base_model": request.model,
            "hyperparameters": dict(request.hyperparameters),
            "suffix": request.suffix,
            "dataset_sha256": hashlib.sha256(request.dataset.read_bytes()).hexdigest(),
        }
        digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
        model_id = model_name("dummy", request.suffix or request.model, digest)
        rows = sum(1 for _ in chat_rows(request.dataset))

        folder = workspace / "model"
        folder.mkdir(parents=True, exist_ok=True)
        content = {"model_id": model_id, **asked, "trained_rows": rows}
        text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        (folder / "dummy.json").write_text(text, encoding="utf-8")
        return TrainedModel(
            path=folder,
            model_id=model_id,
            metadata={
                "base_model": request.model,
                "hyperparameters": asked["hyperparameters"],
                "trained_rows": rows,
            },
            inspect={"model": model_id},
        )
