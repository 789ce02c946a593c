"""Changes of pipelines as Markdown: what a reviewer reads in a pull request."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from motools.atom.comparison import Comparison
from motools.base.foreign_text import markdown, markdown_block, markdown_code
from motools.base.values import short_id
from motools.report.changes import Changes, Made, PipelineChanges
from motools.report.choose import Shown
from motools.statistics import Ends

__all__ = ["MARK", "told"]

MARK = "<!-- motools diff -->"
"""The first line, by which a comment is found again."""
_MOST = 60_000  # characters; a comment of GitHub's has at most 65,536
_LONGEST = 600  # of an answer
_ROWS = 50  # of a table
_OPEN = 12  # rows of metrics that are seen at once
_WHOLE_HASH = re.compile(r"\b[0-9a-f]{40}\b")


def told(changes: Changes, currency: str, plans: Mapping[str, Sequence[tuple[str, str, str]]] | None = None) -> str:
    """The whole text.

    Args:
        plans: folder -> stage, action, why: what a run would do now.
    """
    lines = [MARK, f"### From {_said(_named(changes.first))} to {_said(_named(changes.second))}", ""]
    if not changes.pipelines:
        lines += ["No parameter and no result differs.", ""]
    for each in changes.pipelines:
        lines += [f"#### {markdown_code(each.folder)}", ""] if len(changes.pipelines) > 1 or each.folder != "." else []
        lines += [*_pipeline(each), ""]
    if changes.spent.tokens:
        cost = "" if changes.spent.cost is None else f", {changes.spent.cost:.4f} {_said(currency)}"
        lacking = ", ".join(map(_said, changes.spent.unpriced))
        without = f" (no price: {lacking})" if lacking else ""
        lines += [f"**Used by the new results:** {changes.spent}{cost}{without}.", ""]
    for folder, plan in (plans or {}).items():
        lines += [*_plan(folder, plan), ""]
    return _cut("\n".join(lines))


def _named(revision: Any) -> str:
    name = _WHOLE_HASH.sub(lambda match: match[0][:10], revision.name)
    commit = (revision.commit or "")[:10]
    return name if commit in name else f"{name} ({commit})"


def _cut(text: str) -> str:
    if len(text) <= _MOST:
        return text.rstrip("\n") + "\n"
    kept = text[:_MOST].rpartition("\n\n")[0]  # between paragraphs, so that no block stays open
    opened = kept.count("<details>") - kept.count("</details>")
    rest = f"The rest, {len(text) - len(kept):,} characters, is cut: `motools diff` has it."
    return f"{kept}\n\n{'</details>' * opened}\n\n{rest}\n"


def _pipeline(changed: PipelineChanges) -> Iterator[str]:
    yield from (f"> {_said(each)}\n" for each in changed.unread)
    if changed.params:
        rows = [[markdown_code(name), _value(before), _value(now)] for name, (before, now) in changed.params.items()]
        yield from _table(["parameter", "before", "now"], rows)
    if changed.made:
        rows = [
            [markdown_code(made.stage), made.how, *(_short(id) for id in both)]
            for made in changed.made
            for both in made.atoms.values()
        ]
        yield from _table(["stage", "result", "before", "now"], rows)
    for made in changed.made:
        yield from _made(made)


def _made(made: Made) -> Iterator[str]:
    yield from (f"> {_said(each)}\n" for each in made.unread)
    if made.rows is not None:
        counts = made.rows.as_dict()
        before, now = counts["rows"]
        yield (
            f"**{_said(made.stage)}**: {before:,} rows before, {now:,} now; {counts['only_first']:,} gone, "
            f"{counts['only_second']:,} new, {counts['answered_otherwise']:,} prompts answered otherwise.\n"
        )
    if made.comparison is not None:
        yield from _metrics(made.stage, made.comparison)
    for (task, score), (up, down, same) in made.scores.items():
        if up or down:
            yield f"{_said(task)}, {_said(score)}: {up} samples higher, {down} lower, {same} the same.\n"
    if any(made.samples.values()):
        yield f"<details><summary>Samples of {_said(made.stage)} that changed most</summary>\n"
        for task, samples in made.samples.items():
            for sample in samples:
                yield from _sample(task, sample)
        yield "</details>\n"


def _metrics(stage: str, comparison: Comparison) -> Iterator[str]:
    by_metric: dict[str, dict[str, Any]] = {}
    for line in comparison.lines:
        by_metric.setdefault(line.metric, {})[line.arm] = line
    rows = []
    for metric, arms in by_metric.items():
        before, now = arms.get("before"), arms.get("now")
        if before is not None and now is not None and before.value == now.value and now.difference is None:
            continue
        difference = now.difference if now is not None else None
        cells = ["", "", ""]
        if difference is not None:
            p = difference.p_holm if difference.p_holm is not None else difference.larger("p")
            cells = [
                _interval(difference.value, difference.questions.ends),
                "" if p is None else f"{p:.2g}",
                f"{difference.counts[1]:,}{' paired' if difference.paired else ''}",
            ]
        estimates = ["" if line is None else _interval(line.value, line.questions) for line in (before, now)]
        rows.append([markdown_code(metric), *estimates, *cells])
    many = len(rows) > _OPEN  # as of a comparison
    yield f"**{_said(stage)}**, with 95 % intervals\n"
    yield f"<details><summary>{len(rows)} metrics</summary>\n" if many else ""
    yield from _table(["metric", "before", "now", "difference", "p (Holm)", "n"], rows)
    yield "\n</details>\n" if many else ""
    yield from (f"{_said(note)}\n" for note in comparison.notes[:1])


def _sample(task: str, sample: Shown) -> Iterator[str]:
    yield f"**{_said(task)}**, {markdown_code(str(sample.id))}: {_said(sample.why)}\n"
    yield f"{markdown_block(_text(sample.input))}\n"
    for arm, answer in sample.answers.items():
        yield f"{arm}:\n"
        yield f"{markdown_block(_text(answer.get('output')))}\n"


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1, default=str)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} … ({len(text) - _LONGEST:,} characters more)"


def _plan(folder: str, plan: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    todo = [[markdown_code(stage), action, _said(why)] for stage, action, why in plan if action != "current"]
    where = "" if folder == "." else f" in {markdown_code(folder)}"
    if not todo:
        yield f"**A run{where}** would execute nothing: every result is at hand and current."
        return
    if all(action in ("restore", "fetch") for _, action, _ in todo):
        yield f"**A run{where}** would execute nothing: the results of {len(todo)} steps are put back or fetched."
        return
    yield f"**A run{where}** would do this:\n"
    yield from _table(["stage", "action", "why, and what it would use"], todo)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield f"|{' --- |' * len(columns)}"
    yield from (f"| {' | '.join(row)} |" for row in rows[:_ROWS])
    yield f"\nand {len(rows) - _ROWS:,} more\n" if len(rows) > _ROWS else ""


def _value(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return markdown_code(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…")


def _short(id: str | None) -> str:
    return "" if id is None else markdown_code(short_id(id))


def _interval(value: Any, ends: Ends | None) -> str:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return "" if value is None else _said(str(value))
    return f"{value:.3g}" + ("" if ends is None else f" ({ends[0]:.3g} to {ends[1]:.3g})")


def _said(text: str) -> str:
    """Words that are no markup, and mention nobody."""
    return markdown(text).replace("@", "@<!-- -->")
