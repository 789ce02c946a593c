"""An evaluator that evaluates nothing, at once and always the same: for trying a pipeline out, and for tests."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from motools.errors import BackendError
from motools.evals import Counts, EvalRequest, Evaluation, Metrics
from motools.evals.options import IDLE, check_options, sample_limit, task_names
from motools.zoo import versioned

__all__ = ["DummyEvaluator"]

SAMPLES = 10


@versioned(3)
class DummyEvaluator:
    """Numbers that mean nothing: drawn from a digest of the task, its options and the model's name.

    They are the same for the same evaluation and differ for any other. The task need not exist, and any
    option is accepted; `limit` sets the number of samples, which is 10.
    """

    def check(self, request: EvalRequest) -> None:
        if "limit" in request.kwargs:
            check_options({"limit": request.kwargs["limit"]})

    def evaluate(self, request: EvalRequest, workspace: Path) -> Evaluation:
        self.check(request)
        if request.model is None:
            raise BackendError("The dummy evaluator needs a model to evaluate.")
        start, stop = sample_limit(request.kwargs)
        numbers = range(start + 1, (SAMPLES if stop is None else stop) + 1)
        metrics: Metrics = {}
        counts: dict[str, Counts] = {}
        everything = []
        for name, task in zip(task_names(request.tasks), request.tasks, strict=True):
            kwargs = {option: value for option, value in request.kwargs.items() if option not in IDLE}
            asked = json.dumps([task, kwargs, request.model.get_model_id()], sort_keys=True)
            samples = [_sample(asked, number) for number in numbers]
            accuracy = sum(sample["scores"]["dummy"]["value"] for sample in samples) / len(samples)
            metrics[name] = {"dummy": {"accuracy": round(accuracy, 4)}}
            counts[name] = Counts(total=len(samples), completed=len(samples), errored=0, unscored=0)
            everything += [{"task": name, **sample} for sample in samples] if len(request.tasks) > 1 else samples
        return Evaluation(metrics, everything, counts)


def _sample(asked: str, number: int) -> dict[str, Any]:
    digest = hashlib.sha256(f"{asked} {number}".encode()).digest()
    return {
        "id": number,
        "epoch": 1,
        "input": "",
        "target": "",
        "output": "",
        "scores": {"dummy": {"value": round(digest[0] / 255, 2), "answer": None, "explanation": None}},
        "error": None,
    }
