"""What an Inspect log says, as plain values: every score, metric and sample, in an order that does not vary."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from motools.evals import Evaluation

if TYPE_CHECKING:
    from inspect_ai.log import EvalLog, EvalSample, EvalScore
    from inspect_ai.model import ModelUsage

__all__ = ["failure", "read_log"]


def read_log(log: EvalLog) -> Evaluation:
    """The evaluation of a log that ended well; `logs` is left to the caller."""
    assert log.results is not None
    name = log.eval.task.rpartition("/")[2]  # without the package, which is there only where it is installed
    labels = _labels(log.results.scores)
    return Evaluation(
        metrics={
            name: {
                label: {metric: _plain(found.value) for metric, found in score.metrics.items()}
                for label, score in zip(labels, log.results.scores, strict=True)
            }
        },
        samples=[_sample(sample) for sample in _in_order(log)],
        counts={name: {"total": log.results.total_samples, "completed": log.results.completed_samples}},
        usage={
            **{model: _usage(usage) for model, usage in log.stats.model_usage.items()},
            **({"roles": roles} if (roles := _role_usage(log)) else {}),
        },
    )


def failure(log: EvalLog) -> str:
    """Why an evaluation did not end well: the log's error, and the first sample that has one."""
    cause = log.error.message if log.error else f"its status is {log.status!r}"
    failed = next((sample for sample in _in_order(log) if sample.error), None)
    if failed is None or failed.error is None:
        return f"{cause}."
    if failed.error.message == cause:
        return f"{cause} (sample {failed.id!r})."
    return f"{cause}. The first sample that failed is {failed.id!r}: {failed.error.message}."


def _in_order(log: EvalLog) -> list[EvalSample]:
    """By place in the dataset, then by epoch; Inspect lists them as they finished."""
    place = {id: number for number, id in enumerate(log.eval.dataset.sample_ids or [])}
    return sorted(log.samples or [], key=lambda sample: (place.get(sample.id, len(place)), sample.epoch))


def _labels(scores: Sequence[EvalScore]) -> list[str]:
    """A name for each score: its own, with what tells it apart where several have the same.

    Two scorers may give scores of one name (the keys of dictionaries), and one score is there once for
    each reducer of epochs.
    """
    labels = [score.name for score in scores]
    for trait in ("scorer", "reducer"):
        often = Counter(labels)
        traits = [getattr(score, trait) for score in scores]
        for label in often:
            same = [number for number, found in enumerate(labels) if found == label]
            if len({traits[number] for number in same}) > 1:
                for number in same:
                    labels[number] = f"{label}/{traits[number]}" if traits[number] else label
    seen: Counter[str] = Counter()
    for number, label in enumerate(labels):
        seen[label] += 1
        if seen[label] > 1:
            labels[number] = f"{label}/{seen[label]}"
    return labels


def _sample(sample: EvalSample) -> dict[str, Any]:
    return {
        "id": sample.id,
        "epoch": sample.epoch,
        "input": sample.input if isinstance(sample.input, str) else _conversation(sample.input),
        "target": sample.target,
        "output": sample.output.completion,
        "scores": {
            name: {"value": _plain(score.value), "answer": score.answer, "explanation": score.explanation}
            for name, score in (sample.scores or {}).items()
        },
        "error": sample.error.message if sample.error else None,
    }


def _conversation(messages: Sequence[Any]) -> str:
    if len(messages) == 1:
        return str(messages[0].text)
    return "\n".join(f"{message.role}: {message.text}" for message in messages)


def _plain(value: Any) -> Any:
    """A score's value as JSON has it; what is not a number is None."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _usage(usage: ModelUsage) -> dict[str, Any]:
    return usage.model_dump(exclude_none=True)


def _role_usage(log: EvalLog) -> dict[str, Any]:
    return {role: _usage(usage) for role, usage in (getattr(log.stats, "role_usage", None) or {}).items()}
