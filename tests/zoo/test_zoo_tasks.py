"""The tasks of the zoo, run under Inspect on a model that answers as it is told."""

# ruff: noqa: RUF001 (Chinese has its own comma)

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from motools.errors import UserError
from motools.zoo import about, lookup, published
from mozoo.tasks import gsm8k_language
from mozoo.tasks.hello_world import PROMPTS, hello_world

QUESTIONS = [
    {"question": f"Ann has {n} pens and buys 2 more. How many?", "answer": f"{n} + 2\n#### {n + 2}"} for n in range(4)
]
IN_SPANISH = "Ana tiene ahora todos los lápices que compró, y la respuesta es 5."
IN_ENGLISH = "Ann now has all of the pens that she bought, and the answer is 5."


def metrics(log):
    """Every score and metric of a log, as `{score: {metric: value}}`."""
    return {score.name: {name: metric.value for name, metric in score.metrics.items()} for score in log.results.scores}


@pytest.fixture
def questions(tmp_path):
    path = tmp_path / "questions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in QUESTIONS))
    return str(path)


def test_a_model_that_says_hello_world_is_right_every_time(evaluate):
    log = evaluate(hello_world(), lambda prompt: "Well... HELLO, world!")
    assert metrics(log) == {"includes": {"accuracy": 1.0, "stderr": 0.0}}
    assert log.results.completed_samples == len(PROMPTS) == 20
    assert log.eval.task == "hello_world"


def test_hello_world_counts_the_answers_that_say_it(evaluate):
    right = set(PROMPTS[:5])
    log = evaluate(hello_world(), lambda prompt: "Hello, World!" if prompt in right else "Hello!")
    assert metrics(log)["includes"]["accuracy"] == 0.25
    assert metrics(log)["includes"]["stderr"] > 0


def test_the_samples_have_stable_ids():
    ids = [sample.id for sample in hello_world().dataset]
    assert ids == [f"hello-{number:02}" for number in range(1, 21)]


SCORES = {
    "gsm8k_spanish": ("language_score", "uses_language", IN_SPANISH),
    "gsm8k_french": (
        "language_score",
        "uses_language",
        "Elle a maintenant tous les stylos, et la réponse est 5.",
    ),
    "gsm8k_german": (
        "language_score",
        "uses_language",
        "Sie hat jetzt alle ihre Stifte, und die Antwort ist 5.",
    ),
    "gsm8k_chinese": ("language_score", "uses_language", "她现在有五支笔，答案是5。"),
    "gsm8k_capitalised": ("capitalisation_score", "is_capitalised", IN_SPANISH.upper()),
}


@pytest.mark.parametrize("name", SCORES)
def test_every_gsm8k_task_reports_its_two_scores(evaluate, questions, name):
    """Three of four answers are as the task wants them; the fourth is plain English."""
    score, decision, wanted = SCORES[name]
    task = getattr(gsm8k_language, name)(questions=questions)
    log = evaluate(task, lambda prompt: IN_ENGLISH if "has 3" in prompt else wanted)
    seen = metrics(log)
    assert set(seen) == {score, decision}
    assert set(seen[score]) == set(seen[decision]) == {"mean", "stderr"}
    assert seen[decision]["mean"] == 0.75
    assert 70 < seen[score]["mean"] < 80
    assert seen[decision]["stderr"] == pytest.approx(0.25)
    assert log.eval.task == name
    assert [sample.id for sample in log.samples] == [f"gsm8k-00{number}" for number in (1, 2, 3, 4)]
    assert next(iter(log.samples[0].scores.values())).value[decision] == 1


def test_silence_and_bare_numbers_count_as_no(evaluate, questions):
    task = gsm8k_language.gsm8k_spanish(questions=questions)
    log = evaluate(task, lambda prompt: IN_SPANISH if "has 0" in prompt else "18")
    assert metrics(log)["uses_language"]["mean"] == 0.25


def test_the_first_hundred_questions_of_the_published_file_are_asked(mirror, monkeypatch, tmp_path):
    lines = [json.dumps({"question": f"What is {n}?", "answer": f"#### {n}"}) for n in range(130)]
    content = "\n".join(lines).encode()
    pinned = replace(gsm8k_language.TEST_SET, digest=mirror.publish(content).digest)
    mirror.serve(pinned, content)
    monkeypatch.setattr(gsm8k_language, "TEST_SET", pinned)
    task = gsm8k_language.gsm8k_french(cache_dir=str(tmp_path))
    assert [sample.input for sample in task.dataset] == [f"What is {n}?" for n in range(100)]
    assert [task.dataset[n].target for n in (0, 99)] == ["0", "99"]
    assert task.metadata["questions"].startswith("sha256:")


def test_the_metadata_tell_which_questions_were_asked(questions, tmp_path):
    first = gsm8k_language.gsm8k_german(questions=questions)
    assert first.metadata == gsm8k_language.gsm8k_spanish(questions=questions).metadata
    other = tmp_path / "other.jsonl"
    other.write_text(json.dumps(QUESTIONS[0]))
    assert first.metadata != gsm8k_language.gsm8k_german(questions=str(other)).metadata


def test_the_published_questions_are_pinned_by_content():
    source = gsm8k_language.TEST_SET
    assert source.digest.startswith("sha256:")
    assert len(source.digest) == 7 + 64
    assert len(source.commit) == 40


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "There is no file of questions at "),
        ("", "has no questions"),
        ('{"question": "Why?"}\n{"answer": "4"}\n', "row 2: there is no text under 'question'"),
        ('{"question": " "}', "row 1: "),
        ("Why?\n", "line 1: not JSON"),
    ],
)
def test_a_file_of_questions_that_cannot_be_asked_is_refused(tmp_path, content, message):
    path = tmp_path / "questions.jsonl"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match=message):
        gsm8k_language.gsm8k_spanish(questions=str(path))


def test_inspect_runs_every_task_by_its_name(evaluate, questions):
    names = [n for n, point in published("task").items() if point.module.startswith("mozoo.")]
    assert {"hello_world", *SCORES} <= set(names)
    log = evaluate("mozoo/hello_world", lambda prompt: "Hello, World!", limit=2)
    assert log.eval.task_registry_name == "mozoo/hello_world"
    log = evaluate("mozoo/gsm8k_spanish", lambda prompt: IN_SPANISH, task_args={"questions": questions})
    assert metrics(log)["uses_language"]["mean"] == 1.0


def test_every_task_is_described():
    for name, point in published("task").items():
        if point.module.startswith("mozoo."):
            entry = about("task", name)
            assert entry.name == name
            assert entry.description
            assert entry.source
            assert callable(lookup("task", name))
