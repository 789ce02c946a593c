"""The parts of a page, in their order; one that has nothing to tell is empty."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from motools.atom import costs
from motools.atom.atom import DatasetAtom
from motools.atom.comparison import Line
from motools.base.values import flat
from motools.errors import MotoolsError
from motools.repo.settings import Settings
from motools.report.choose import Shown, chosen
from motools.report.collect import Entry, Group, Results
from motools.report.figures import label, means
from motools.report.html import Html, cut, el, join, table
from motools.statistics import Ends

__all__ = ["claims", "data", "endings", "judges", "parameters", "samples", "spending", "warnings"]

ARMS = 6
"""Answers that are shown side by side."""


def warnings(results: Results) -> Html:
    """What a reader has to know before any figure: what is out of date, and what is not here."""
    boxes = []
    old = [entry for entry in results.entries if entry.why]
    if old:
        lines = [el("li", el("strong", _place(entry)), ": ", "; ".join(entry.why[:3])) for entry in old]
        head = el(
            "p",
            el("strong", f"{len(old)} of {len(results.entries)} results are out of date"),
            ": a run would make them anew.",
        )
        boxes.append(el("div", head, el("ul", *lines[:12]), f"and {len(lines) - 12} more" if len(lines) > 12 else None))
    if results.missing:
        boxes.append(
            el("p", f"Not at hand, and not on this page: {', '.join(results.missing)}. `motools pull` brings them.")
        )
    return el("div", *boxes, class_="warning", role="note") if boxes else Html("")


def _place(entry: Entry) -> str:
    return f"{entry.folder}/{entry.output}".removeprefix("./") + (f" ({entry.stage})" if entry.axes else "")


def claims(results: Results) -> Html:
    """Arms by scores: the mean, its interval, and how far it lies from the first arm."""
    columns: list[tuple[Group, str, Mapping[str, Line]]] = [
        (group, metric, lines) for group in results.groups for metric, lines in means(group).items()
    ]
    if not columns:
        return Html("")
    kinds = {group.in_distribution for group, _, _ in columns}
    heads = [Html("")] + [
        join(
            el("span", "in the training distribution" if group.in_distribution else "out of it", class_="where")
            if len(kinds) > 1
            else None,
            label(metric),
        )
        for group, metric, _ in columns
    ]
    arms = list(dict.fromkeys(arm.name for group in results.groups for arm in group.arms))
    rows = [[_arm(results, arm), *(_cell(group, lines.get(arm)) for group, _, lines in columns)] for arm in arms]
    notes = list(dict.fromkeys(note for group in results.groups for note in group.comparison.notes))
    below = el("ul", *(el("li", note) for note in notes), class_="notes") if notes else None
    return join(
        el("p", "Means with 95 % intervals over questions; below, the difference to the control."),
        table(heads, [list(row) for row in rows]),
        below,
    )


def _arm(results: Results, arm: str) -> Html:
    fixed = any(arm in group.fixed for group in results.groups)
    first = any(group.arms[0].name == arm and len(group.arms) > 1 for group in results.groups)
    old = any(entry.why for group in results.groups for entry in group.entries.get(arm, ()))
    tags = [word for word, on in (("base model", fixed), ("control", first), ("out of date", old)) if on]
    return join(arm, *(join(" ", el("span", word, class_=f"tag {word.split()[0]}")) for word in tags))


def _cell(group: Group, line: Line | None) -> Html | str:
    if line is None:
        return ""
    count = [f"n {line.n}" + (f" in {line.clusters} clusters" if line.clusters is not None else "")] if line.n else []
    count += [f"{len(line.values)} trainings"] if len(line.values) > 1 else []
    interval = Html("") if line.n is None else join(" ", _interval(line.questions))
    parts: list[Html | None] = [el("span", el("b", _number(line.value)), interval, class_="value")]
    if line.trainings is not None:
        parts.append(el("span", f"over trainings {_interval(line.trainings)}"))
    if (difference := line.difference) is not None:
        parts.append(
            el("span", f"Δ {difference.value:+.3g} {_interval(difference.questions.ends)}", class_="difference")
        )
        if difference.trainings is not None:
            parts.append(el("span", f"Δ over trainings {_interval(difference.trainings.ends)}"))
        stats = {"p": difference.larger("p"), "Holm": difference.p_holm, "detectable": difference.larger("detectable")}
        figures = [f"{name} {figure:.2g}" for name, figure in stats.items() if figure is not None]
        parts.append(el("span", ", ".join(figures)) if figures else None)
    return join(*parts, el("span", ", ".join(count)) if count else None)


def _number(value: Any) -> str:
    return "—" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)


def _interval(ends: Ends | None) -> str:
    return "(no spread)" if ends is None else f"[{ends[0]:.3g}, {ends[1]:.3g}]"


ENDINGS = ("total", "completed", "errored", "unscored", "blocked", "too_long", "cut_off")


def endings(results: Results) -> Html:
    """How the samples of each arm ended, all trainings of it together."""
    rows: dict[tuple[str, str], Counter[str]] = {}
    for group in results.groups:
        for arm, entries in group.entries.items():
            for entry in entries:
                by_task = entry.atom.metadata.get("samples")
                for task, counts in (by_task if isinstance(by_task, dict) else {}).items():
                    if isinstance(counts, dict):
                        all_counts = {**counts, **(counts.get("reasons") or {})}
                        kept = {name: all_counts[name] for name in ENDINGS if isinstance(all_counts.get(name), int)}
                        rows.setdefault((arm, task), Counter()).update(kept)
    shown = [name for name in ENDINGS if name in ENDINGS[:4] or any(each[name] for each in rows.values())]
    heads = ["evaluation", "task", *(name.replace("_", " ") for name in shown)]
    note = "Unscored samples are in no mean; answers that were cut off are scored as they are."
    cells = [[arm, task, *(each[name] for name in shown)] for (arm, task), each in rows.items()]
    return join(el("p", note), table(heads, cells)) if rows else Html("")


def _seeded(results: Results, entry: Entry) -> str:
    return results.name_of(entry) + (f" seed={entry.axes['seed']}" if "seed" in entry.axes else "")


def samples(results: Results) -> Html:
    """Questions with the answers of each arm beside the first's."""
    parts = []
    for group in results.groups:
        for task, picked in chosen(group).items():
            parts.append(el("h3", task))
            parts += [_sample(shown) for shown in picked]
    return join(*parts)


def _sample(shown: Shown) -> Html:
    about = el("summary", el("span", cut(shown.id, 80), class_="id"), " ", el("span", shown.why, class_="note"))
    asked = el("div", el("h4", "Question"), el("pre", cut(_text(shown.input)), dir="auto"))
    wanted = el("div", el("h4", "Target"), el("pre", cut(_text(shown.target)), dir="auto")) if shown.target else None
    names = list(shown.answers)
    more = f"{len(names) - ARMS} more arms are not shown here." if len(names) > ARMS else None
    answers = [_answer(name, shown.answers[name]) for name in names[:ARMS]]
    return el("details", about, asked, wanted, el("div", *answers, class_="side"), el("p", more) if more else None)


def _answer(name: str, sample: Mapping[str, Any]) -> Html:
    said = [el("h4", name), el("pre", cut(_text(sample.get("output"))), dir="auto")]
    if sample.get("error"):
        said.append(el("p", "error: ", cut(sample["error"], 400), class_="note"))
    if sample.get("stop_reason"):
        said.append(el("p", "ended by: ", cut(sample["stop_reason"], 80), class_="note"))
    for score, content in (sample.get("scores") or {}).items():
        value = content.get("value") if isinstance(content, dict) else content
        why = content.get("explanation") if isinstance(content, dict) else None
        said.append(el("p", _score(score, value), class_="score"))
        if why:
            said.append(el("p", cut(_text(why), 800), class_="note", dir="auto"))
    return el("div", *said)


def _score(name: str, value: Any) -> Html:
    """A score, or each of a dictionary of them."""
    scores = value if isinstance(value, dict) else {name: value}
    parts = [join(cut(each, 80), " ", el("b", "—" if v is None else cut(_text(v), 80))) for each, v in scores.items()]
    return Html(" · ".join(parts))


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return (
        value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False, default=str)
    )


def data(results: Results) -> Html:
    """Each dataset: how many rows, where from, and three of them."""
    parts = []
    for entry in results.of_kind("dataset"):
        atom = entry.atom
        assert isinstance(atom, DatasetAtom)
        config = flat(entry.record.config) if entry.record else {}
        source = "; ".join(f"{name} {_text(value)}" for name, value in config.items() if value is not None)
        rows, count = _rows(atom)
        about = el(
            "summary",
            el("span", _seeded(results, entry), class_="id"),
            " ",
            el("span", f"{count:,} rows" if count else "rows not at hand", class_="note"),
        )
        lines = [el("p", el("code", atom.id)), el("p", "From: ", cut(source, 800)) if source else None]
        parts.append(el("details", about, *lines, *(el("pre", cut(_row(row), 1500), dir="auto") for row in rows)))
    return join(*parts)


def _rows(atom: DatasetAtom) -> tuple[list[Mapping[str, Any]], int]:
    """Three rows drawn with a fixed seed, in their order, and how many there are."""
    rng, kept, count = random.Random(0), dict[int, Mapping[str, Any]](), 0
    try:
        for count, row in enumerate(atom.rows(), 1):
            place = count - 1 if count <= 3 else rng.randrange(count)
            if place < 3:
                kept = {
                    **({at: each for at, each in kept.items() if at != sorted(kept)[place]} if count > 3 else kept),
                    count: row,
                }
    except (MotoolsError, OSError, ValueError):
        return [], 0
    return [kept[at] for at in sorted(kept)], count


def _row(row: Mapping[str, Any]) -> str:
    messages = row.get("messages") if isinstance(row, dict) else None
    if isinstance(messages, list) and all(isinstance(m, dict) and isinstance(m.get("content"), str) for m in messages):
        return "\n".join(f"{message.get('role')}: {message['content']}" for message in messages)
    return json.dumps(row, ensure_ascii=False)


def parameters(results: Results) -> Html:
    """What the arms were made with that the first was not; a model that was not trained here is left out."""
    parts = []
    for group in results.groups:
        by_arm = {
            name: results.params(entries[0]) for name, entries in group.entries.items() if name not in group.fixed
        }
        first, *others = by_arm or {"": {}}
        names = [n for n in dict.fromkeys(n for each in by_arm.values() for n in each) if not _same(n, by_arm)]
        if others and names:
            rows = [[name, *(_param(by_arm[arm], name) for arm in (first, *others))] for name in names]
            parts.append(table(["parameter", first, *others], rows, " ".join(group.tasks), numbers=False))
    return join(*parts)


def _same(name: str, by_arm: Mapping[str, Mapping[str, Any]]) -> bool:
    return len({json.dumps(each.get(name), sort_keys=True, default=str) for each in by_arm.values()}) == 1


def _param(params: Mapping[str, Any], name: str) -> Html:
    return cut(_text(params[name]), 200) if name in params else Html("—")


def spending(results: Results, settings: Settings) -> Html:
    """Tokens and money by stage; what several pipelines use was paid once."""
    paid: dict[tuple[str, str], str] = {}
    rows: list[list[Any]] = []
    once: list[costs.Spent] = []
    reused: list[costs.Spent] = []
    for entry in {(entry.folder, entry.stage): entry for entry in results.entries}.values():
        if entry.record is None:
            continue
        used = costs.spent(entry.record.usage, entry.record.config, settings)
        if not used.tokens:
            continue
        place, made = f"{entry.folder}/{entry.stage}".removeprefix("./"), (str(entry.record.key), entry.record.started)
        earlier = paid.setdefault(made, place)
        (once if earlier == place else reused).append(used)
        rows.append(_spent(place, used, "" if earlier == place else f"made for {earlier}"))
    if not rows:
        return Html("")
    rows.append(_spent(el("b", "made here, once"), costs.total(once), ""))
    if reused:
        rows.append(_spent(el("b", "reused"), costs.total(reused), "not paid again"))
    heads = ["stage", "training", "input", "cached input", "output", f"cost ({settings.currency})", "reused"]
    lacking = costs.total([*once, *reused]).unpriced
    note = el("p", f"Without {', '.join(lacking)}: no price in motools.yaml.") if lacking else None
    kept = [place for place in range(len(heads)) if place == 0 or any(row[place] not in ("", "0") for row in rows)]
    shown = [[row[place] for place in kept] for row in rows]
    return join(el("p", "Tokens as the providers counted them."), table([heads[i] for i in kept], shown), note)


def _spent(place: str | Html, used: costs.Spent, note: str) -> list[Any]:
    cost = "" if used.cost is None else f"{used.cost:.4f}"
    return [place, *(f"{n:,}" for n in (used.training, used.input, used.cached_input, used.output)), cost, note]


def judges(results: Results) -> Html:
    """Who gave the scores: tasks with their versions, and the models that they asked."""
    rows = []
    for entry in results.evaluations:
        if entry.record is not None:
            config, declared = entry.record.config, entry.record.declared
            tasks = declared.get("config.eval_task") or config.get("eval_task") or entry.atom.metadata.get("task")
            for role, model, tokens in _roles(entry) if tasks else ():
                row = [", ".join(tasks) if isinstance(tasks, list) else _text(tasks), role, model, tokens]
                if row not in rows:
                    rows.append(row)
    return table(["task", "role", "judged by", "tokens"], rows, numbers=False) if rows else Html("")


def _roles(entry: Entry) -> Iterator[tuple[str, str, str]]:
    assert entry.record is not None
    options = entry.record.config.get("eval_kwargs")
    named = options.get("model_roles") if isinstance(options, dict) else None
    used = entry.record.usage.get("roles")
    roles = {**(used if isinstance(used, dict) else {}), **(named if isinstance(named, dict) else {})}
    models = {name.partition("/")[2]: name for name in entry.record.usage if "/" in name}
    for role in roles:
        counts = used.get(role, {}) if isinstance(used, dict) else {}
        given = named.get(role) if isinstance(named, dict) else None
        total = counts.get("total_tokens") if isinstance(counts, dict) else None
        yield role, _text(given) if given else " or ".join(sorted(models.values())), f"{total:,}" if total else ""
    if not roles:
        yield "—", "the task itself, without a model", ""
