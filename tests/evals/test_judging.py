"""Judgements compared: of two judges, and of a judge and people, on the same answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chain import Chain
from openai_server import OpenAIServer, Reply

from motools.errors import UserError
from motools.evals.inspect.agreement import agreements, judgements_of, read_labels

TASKS = """
from inspect_ai import Task
from inspect_ai.dataset import Sample
from mozoo import judges


def judged():
    dataset = [Sample(id=n, input=f"Question {n}?") for n in range(100)]
    scores = {"kind": float, "is_kind": lambda value: float(value > 50)}
    scorer = judges.judge("How kind? {answer}", scores=scores, name="kindness")
    return Task(dataset=dataset, setup=judges.grader_at_hand(), scorer=scorer, epochs=1)
"""
MODEL = "gpt-subject"


def number_of(body: dict[str, Any]) -> int | None:
    words = [word for word in body["messages"][-1]["content"].split() if word.startswith("answer-")]
    return int(words[0].removeprefix("answer-")) if words else None


def old(number: int) -> int:
    return number


def new(number: int) -> int | None:
    """Ten higher up to 49, a hundred less the number from 50 to 98; of 99 it says nothing."""
    return None if number == 99 else number + 10 if number < 50 else 100 - number


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    def judging(judge: Any) -> Any:
        def reply(body: dict[str, Any]) -> Reply:
            number = number_of(body)
            said = 50 if number is None else judge(number)
            return Reply.of({"Sorry" if said is None else str(said): 1.0})

        return reply

    with OpenAIServer() as running:
        for name, value in running.env.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        running.replies[MODEL] = lambda body: f"answer-{body['messages'][-1]['content'][9:-1]}"
        running.replies["gpt-old"], running.replies["gpt-new"] = judging(old), judging(new)
        yield running


def alpha_interval(pairs: list[tuple[float, float]]) -> float:
    """Krippendorff's alpha from its definition: 1 less observed over expected squared distance, all ordered pairs."""
    values = [value for pair in pairs for value in pair]
    n = len(values)
    observed = sum(2 * (a - b) ** 2 for a, b in pairs) / n
    expected = sum((a - b) ** 2 for a in values for b in values) / (n * (n - 1))
    return 1 - observed / expected


def alpha_nominal(pairs: list[tuple[float, float]]) -> float:
    values = [value for pair in pairs for value in pair]
    n = len(values)
    observed = sum(2 * (a != b) for a, b in pairs) / n
    expected = sum(a != b for a in values for b in values) / (n * (n - 1))
    return 1 - observed / expected


def test_an_old_and_a_new_judge_are_compared_on_the_same_answers(project: Path, server: OpenAIServer) -> None:
    (project / "tasks.py").write_text(TASKS)
    sections = {
        "workflow": "evaluate_only",
        "existing_model": {"model": f"openai/{MODEL}"},
        "evaluate_model": {
            "eval_task": "tasks:judged",
            "eval_kwargs": {"model_roles": {"grader": {"model": "openai/gpt-old", "temperature": 0.0}}},
        },
    }
    (project / "params.yaml").write_text(json.dumps(sections))
    chain = Chain(project)
    done = chain.command("run")
    assert done.code == 0, done.err
    made = json.loads(chain.command("rescore", "eval_results", "--grader", "openai/gpt-new", "--json").out)
    asked = [request.body["model"] for request in server.requests if request.step == "chat"]
    assert {name: asked.count(name) for name in set(asked)} == {MODEL: 100, "gpt-old": 101, "gpt-new": 100}

    told = json.loads(chain.command("judge", "check", "eval_results", made["id"], "--json").out)
    is_kind, kind = told  # by name
    pairs = [(float(old(n)), float(second)) for n in range(100) if (second := new(n)) is not None]
    assert (kind["score"], kind["pairs"], kind["level"], kind["unjudged"]) == ("kindness.kind", 99, "interval", [0, 1])
    assert kind["exact"] == pytest.approx(1 / 99)  # 50 alone
    assert kind["alpha"] == pytest.approx(alpha_interval(pairs))
    assert kind["means"] == [pytest.approx(sum(range(99)) / 99), pytest.approx(sum(b for _, b in pairs) / 99)]
    assert kind["apart"] == pytest.approx(sum(abs(a - b) for a, b in pairs) / 99)
    decided = [(float(a > 50), float(b > 50)) for a, b in pairs]
    same = sum(a == b for a, b in decided)
    assert is_kind["exact"] == pytest.approx(same / 99) == pytest.approx(42 / 99)
    assert is_kind["alpha"] == pytest.approx(alpha_nominal(decided))
    assert is_kind["table"] == {"0": {"0": 42, "1": 9}, "1": {"0": 48}}
    table = chain.command("judge", "check", "eval_results", made["id"]).out
    assert "kindness.is_kind\t99\t0.424\t" in table

    rows = [{"id": n, "is_kind": int(n > 40)} for n in range(0, 100, 10)]
    (project / "people.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (found,) = json.loads(chain.command("judge", "check", "eval_results", "--labels", "people.jsonl", "--json").out)
    assert (found["score"], found["pairs"], found["exact"]) == ("kindness.is_kind", 10, 0.9)  # of 50, people say yes


ONE = [
    {"id": n, "epoch": 1, "scores": {"judge": {"value": {"good": value}}}} for n, value in enumerate([0, 1, 1, None])
]


def test_a_sampled_judge_is_set_beside_the_one_that_it_stands_for() -> None:
    other = [
        {"id": n, "epoch": 1, "scores": {"judge_sampled": {"value": {"good_sampled": value}}}}
        for n, value in enumerate([0, 1, 0, 1])
    ]
    (found,) = agreements(judgements_of(ONE), judgements_of(other))
    assert (found.score, found.pairs, found.exact, found.unjudged) == ("judge.good", 3, pytest.approx(2 / 3), (1, 0))


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ('{"id": 7, "good": 1}', "row 1: there is no such answer"),
        ('{"id": 1, "bad": 1}', r"row 1: it has none of the scores judge\.good"),
        ("[1]", "row 1: not a JSON object"),
        ('{"id": 1, "good": 1}\n{"id": "caf\udce9"}', "row 2: not a JSON object"),
        ("[" * 100_000, "row 1: not a JSON object"),
        ("", "has no labels"),
    ],
)
def test_labels_that_fit_nothing_are_refused_by_row(rows: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "labels.jsonl").write_bytes(rows.encode(errors="surrogateescape"))
    with pytest.raises(UserError, match=words):
        read_labels(tmp_path / "labels.jsonl", judgements_of(ONE))


def test_evaluations_of_other_answers_are_not_compared() -> None:
    with pytest.raises(UserError, match="no answer in common"):
        agreements(judgements_of(ONE), judgements_of([{**each, "id": f"x{each['id']}"} for each in ONE]))


def test_a_label_may_hold_what_some_take_for_the_end_of_a_line_and_nan_is_none(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text('{"id": 1, "good": "a\u2028b\x85c"}\n{"id": 2, "good": NaN}\n', encoding="utf-8")
    assert [*read_labels(path, judgements_of(ONE)).values()] == [{"judge.good": "a\u2028b\x85c"}, {"judge.good": None}]
