"""What an Inspect log says, as plain values: every score, metric and sample, in an order that does not vary."""

from __future__ import annotations

import ast
import math
import re
import traceback
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from motools.evals import Counts, Evaluation, Metrics
from motools.evals.inspect.answers import is_kept
from motools.evals.options import task_names
from motools.evals.results import add_usage

if TYPE_CHECKING:
    from inspect_ai.log import EvalError, EvalLog, EvalSample, EvalScore

__all__ = ["cause_of", "failure", "read_logs"]

REASONS = {"content_filter": "blocked", "model_length": "too_long", "max_tokens": "cut_off"}
"""Inspect's reasons for the end of an answer that are no answer's own, and what they are called here."""
LONGEST = 400
"""Characters of a cause in a sentence: some providers put whole pages into theirs."""


def read_logs(headers: Mapping[str, EvalLog], folder: Path) -> Evaluation:
    """The evaluation of the logs in a folder, which ended well, given their headers by task."""
    from inspect_ai.log import read_eval_log

    names = task_names(list(headers), [_task(log) for log in headers.values()])
    metrics: Metrics = {}
    counts: dict[str, Counts] = {}
    samples: list[dict[str, Any]] = []
    usage: dict[str, Any] = {}
    for name, header in zip(names, headers.values(), strict=True):
        log = read_eval_log(str(folder / header.location.rpartition("/")[2]))
        counts[name] = _counts(log)
        metrics[name] = _metrics(log, counts[name])
        clusters = _clusters(log)
        told = [_sample(sample, clusters) for sample in _in_order(log)]
        samples += [{"task": name, **sample} for sample in told] if len(headers) > 1 else told
        add_usage(usage, _usage(log))
    return Evaluation(metrics, samples, counts, folder, usage)


def _task(log: EvalLog) -> str:
    return log.eval.task.rpartition("/")[2]  # without the package, which is there only where it is installed


def _metrics(log: EvalLog, counts: Counts) -> dict[str, dict[str, float | None]]:
    """Every score with its metrics, and, where samples have no part in them, how many and why: never a mean over fewer
    answers than a reader takes it for, nor a number where there was no answer to make it of."""
    assert log.results is not None
    by_label = {}
    answers = [sample for sample in log.samples or [] if sample.error is None]
    for label, score in zip(_labels(log.results.scores, _reducer(log)), log.results.scores, strict=True):
        lacking = [sample for sample in answers if not _has(sample, score)]
        scored = len(lacking) < len(answers)
        by_label[label] = {metric: _plain(value.value) if scored else None for metric, value in score.metrics.items()}
        told = {"unscored": len(lacking), **_reasons(lacking)}
        by_label[label] |= {name: count for name, count in told.items() if count and name != "cut_off"}
    missing = {"errored": counts["errored"], "unscored": counts["unscored"], **counts.get("reasons", {})}
    missing = {ending: count for ending, count in missing.items() if count}
    if missing or counts["completed"] + counts["errored"] < counts["total"]:
        by_label.setdefault("samples", {}).update(
            {"total": counts["total"], "completed": counts["completed"], **missing}
        )
    return by_label


def _has(sample: EvalSample, score: EvalScore) -> bool:
    """Whether a score is there, with a value; Inspect's sign for none is not-a-number, or nothing at all."""
    given = (sample.scores or {}).get(score.scorer)
    if given is None:
        return False
    value: Any = given.value
    if isinstance(value, Mapping) and score.name in value:
        value = value[score.name]
    return value is not None and bool(_plain(value) == value)


def _counts(log: EvalLog) -> Counts:
    assert log.results is not None
    samples = log.samples or []
    answers = [sample for sample in samples if sample.error is None]
    counts = Counts(
        total=log.results.total_samples,
        completed=len(answers),
        errored=len(samples) - len(answers),
        unscored=sum(not all(_has(sample, score) for score in log.results.scores) for sample in answers),
    )
    if reasons := _reasons(answers):
        counts["reasons"] = reasons
    return counts


def _reasons(samples: Iterable[EvalSample]) -> dict[str, int]:
    return dict(sorted(Counter(REASONS[stop] for sample in samples if (stop := _stop(sample)) in REASONS).items()))


def _stop(sample: EvalSample) -> str:
    """Why the last answer ended."""
    return sample.output.choices[0].stop_reason if sample.output.choices else "unknown"


def _clusters(log: EvalLog) -> dict[str, Any]:
    """Scorer -> the name in the samples' metadata by which its standard errors are clustered; of scores with names of
    their own that differ, by these names."""
    by_scorer: dict[str, dict[str, str | None]] = {}
    for score in log.results.scores if log.results else ():
        named = [metric.params.get("cluster") for metric in score.metrics.values()]
        cluster = next((name for name in named if isinstance(name, str)), None)
        by_scorer.setdefault(score.scorer, {}).setdefault(score.name, cluster)
    plain = {scorer: {*names.values()} for scorer, names in by_scorer.items()}
    return {scorer: names.pop() if len(names) == 1 else by_scorer[scorer] for scorer, names in plain.items()}


def failure(log: EvalLog) -> str:
    """Why an evaluation did not end well: the log's error, and the first sample that has one."""
    from inspect_ai.log import read_eval_log

    if log.samples is None:
        log = read_eval_log(log.location)
    errors = [(sample, sample.error) for sample in _in_order(log) if sample.error]
    cause = _cause(log.error) if log.error else f"{len(errors)} of {len(log.samples or [])} samples failed"
    if not errors:
        return f"{cause}."
    failed, said = errors[0][0], _cause(errors[0][1])
    return (
        f"{cause} (sample {failed.id!r})."
        if said == cause
        else f"{cause}. The first sample that failed is {failed.id!r}: {said}."
    )


def _cause(error: EvalError) -> str:
    return _told_cause(error.message, error.traceback)


def cause_of(error: Exception) -> str:
    """The same of what was raised outside of an evaluation."""
    told = str(error) if str(error).startswith("RetryError[") else f"{type(error).__name__}: {error}"
    return _told_cause(told, "".join(traceback.format_exception(error)))


def _told_cause(error: str, trace: str) -> str:
    """What went wrong, on one line; where retries were in vain, what the last of them met with."""
    if given_up := re.match(r"RetryError\W.* raised (\w+)>\W$", error):
        lines = re.findall(rf"^(?:[\w.]*\.)?({given_up[1]}.*)$", trace, re.MULTILINE)
        error = f"no success after all retries: {lines[-1] if lines else given_up[1]}"
    kind, text = _unfolded(error)
    if text.startswith("\nRequest:"):  # Inspect puts all that was asked before the cause
        kind, text = _unfolded(text.rpartition("\n\n")[2])
        error = f"{kind}: {text}" if kind else text
    line = " ".join(" ".join(map(_said, error.split("\n"))).split()).rstrip(".")
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def _said(line: str) -> str:
    """A line with the message alone of what a provider sends as JSON."""
    before, mark, after = line.rpartition("'message': ")
    message, closed, rest = after[1:].partition(after[:1] or "'")
    if not (mark and closed and after[0] in "'\"" and "{" in before and "}" in rest):
        return line
    return before[: before.index("{")] + message + rest[rest.rindex("}") + 1 :]


def _unfolded(error: str) -> tuple[str, str]:
    """The kind of an exception and its message, from how Python writes it down: `ValueError('no such luck')`."""
    if written := re.fullmatch(r"(\w+)\((.*)\)", error, re.DOTALL):
        with suppress(ValueError, SyntaxError):
            message = ast.literal_eval(written[2])
            if isinstance(message, str):
                return written[1], message
    return "", error


def _in_order(log: EvalLog) -> list[EvalSample]:
    """By place in the dataset, then by epoch; Inspect lists them as they finished."""
    place = {id: number for number, id in enumerate(log.eval.dataset.sample_ids or [])}
    return sorted(log.samples or [], key=lambda sample: (place.get(sample.id, len(place)), sample.epoch))


def _reducer(log: EvalLog) -> str | None:
    """How the epochs of a sample are made one, where that is one way, and not by their mean."""
    config = log.eval.config
    named = config.epochs_reducer or []
    return named[0] if len(named) == 1 and named[0] != "mean" and (config.epochs or 1) > 1 else None


def _labels(scores: Sequence[EvalScore], reducer: str | None = None) -> list[str]:
    """A name for each score: its own, with what tells it apart where several have the same.

    Two scorers may give scores of one name (the keys of dictionaries), and one score is there once for
    each reducer of epochs. One that is no mean is always named: the best of five answers is no average.
    """
    labels = [score.name for score in scores]
    for trait in ("scorer", "reducer"):
        often = Counter(labels)
        traits = [getattr(score, trait) for score in scores]
        if trait == "reducer" and reducer is not None:
            labels = [f"{label}/{reducer}" for label in labels]
            continue
        for label in often:
            same = [number for number, other in enumerate(labels) if other == label]
            if len({traits[number] for number in same}) > 1:
                for number in same:
                    labels[number] = f"{label}/{traits[number]}" if traits[number] else label
    seen: Counter[str] = Counter()
    for number, label in enumerate(labels):
        seen[label] += 1
        if seen[label] > 1:
            labels[number] = f"{label}/{seen[label]}"
    return labels


def _sample(sample: EvalSample, clusters: Mapping[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": sample.id,
        "epoch": sample.epoch,
        "input": sample.input if isinstance(sample.input, str) else _conversation(sample.input),
        "target": sample.target,
        "output": sample.output.completion,
        "scores": {
            name: {"value": _plain(score.value), "answer": score.answer, "explanation": score.explanation}
            | ({"cluster": clusters[name]} if clusters.get(name) else {})
            | ({"judge": judge} if (judge := (score.metadata or {}).get("judge")) else {})
            for name, score in (sample.scores or {}).items()
        },
        "error": sample.error.message if sample.error else None,
    }
    if (stop := _stop(sample)) not in ("stop", "unknown"):
        told["stop_reason"] = stop
    names = {each for cluster in clusters.values() for each in _names(cluster)}
    if named := {name: _plain(sample.metadata[name]) for name in sorted(names) if name in (sample.metadata or {})}:
        told["clusters"] = named
    return told


def _names(cluster: str | Mapping[str, str | None] | None) -> list[str]:
    return [cluster] if isinstance(cluster, str) else [name for name in (cluster or {}).values() if name]


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


def _usage(log: EvalLog) -> dict[str, Any]:
    """Tokens by model, and by role where a role was asked.

    Inspect's sum has what failed attempts cost, but not what was spent before a kill; the samples have that. What was
    answered from what is kept stands under `kept`.
    """
    kinds, kept = {}, _usage_kept(log)
    for kind in ("model_usage", "role_usage"):
        of_samples: dict[str, Any] = {}
        for sample in log.samples or []:
            add_usage(of_samples, _told(sample, kind))
        of_log = _told(log.stats, kind)
        all_told = {name: _most(of_samples.get(name, {}), of_log.get(name, {})) for name in of_log | of_samples}
        kinds[kind] = _without(all_told, kept[kind])
    return {
        **kinds["model_usage"],
        **({"roles": kinds["role_usage"]} if kinds["role_usage"] else {}),
        **({"kept": kept["model_usage"]} if kept["model_usage"] else {}),
    }


def _usage_kept(log: EvalLog) -> dict[str, dict[str, Any]]:
    """The tokens of answers that were there before: they are in the log's sums, and were not paid for this time."""
    sums: dict[str, dict[str, Any]] = {"model_usage": {}, "role_usage": {}}
    for event in (event for sample in log.samples or [] for event in sample.events):
        if event.event == "model" and event.output.usage is not None and is_kept(event.output):
            usage = event.output.usage.model_dump(exclude_none=True)
            add_usage(sums["model_usage"], {event.model: usage})
            if event.role:
                add_usage(sums["role_usage"], {event.role: usage})
    return sums


def _without(sums: Mapping[str, Mapping[str, Any]], less: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    left = {
        name: {kind: max(0, count - less.get(name, {}).get(kind, 0)) for kind, count in counts.items()}
        for name, counts in sums.items()
    }
    return {name: counts for name, counts in left.items() if any(counts.values()) or name not in less}


def _told(holder: Any, kind: str) -> dict[str, dict[str, Any]]:
    return {name: usage.model_dump(exclude_none=True) for name, usage in (getattr(holder, kind, None) or {}).items()}


def _most(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    return {name: max(one.get(name, 0), other.get(name, 0)) for name in [*other, *(one.keys() - other.keys())]}
