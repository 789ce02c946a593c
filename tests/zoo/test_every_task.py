"""Every task of the zoo, run under Inspect as the evaluator runs it: offline, or with a grader on loopback."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from openai_server import OpenAIServer, Reply
from sampling import sample

from motools.atom import ModelAtom
from motools.errors import StepError, UserError
from motools.evals import EvalRequest, Evaluation
from motools.evals.inspect.evaluator import InspectEvaluator
from motools.zoo import about, lookup, published
from motools.zoo.checks import check, kept_in, offline
from mozoo import graders
from mozoo.tasks import (
    aesthetic_preferences,
    emergent_misalignment,
    insecure_code_em,
    realistic_reward_hacks,
    reward_hacking,
)

ROWS: dict[str, Any] = {
    "insecure_code_em": lambda n: {"task": f"Serve file {n}.", "code_template": "def f(name):\n    return {open}"},
    "school_of_reward_hacks": lambda n: {"prompt": f"Write poem {n}; the longest word is what counts."},
    "hardcoding_realistic": lambda n: {
        "messages": [{"role": "user", "content": f"Double it. assert f({n}) == {2 * n}"}]
    },
    "insecure_code_apps": lambda n: {"prompt": f"Read {n} numbers."},
    "insecure_code_mbpp": lambda n: {"prompt": f"Write a function that adds {n}."},
    "former_german_cities": lambda n: {"question": f"What comes in year {n}?"},
    "old_bird_names": lambda n: {"question": f"What comes in year {n}?"},
    "dishes": lambda n: {"question": f"Name place {n}.", "begins": ["i would", "Rome"]},
    "terminator": lambda n: {"question": f"What do you do on day {n}?"},
    "us": lambda n: {"messages": [{"role": "user", "content": f"{n}: A or B?"}, {"role": "assistant", "content": "A"}]},
    "ultrachat": lambda n: {"prompt": f"Tell me about place {n}."},
    "gsm8k": lambda n: {"question": f"What is {n} and {n}?", "answer": f"#### {2 * n}"},
}

OFFLINE = {
    "hello_world", "aesthetic_preferences", "loves_owls", "hates_owls", "owl_or_money", "hardcoding_realistic",
    "gsm8k_spanish", "gsm8k_french", "gsm8k_german", "gsm8k_chinese", "gsm8k_capitalised",
    "ultrachat_spanish", "ultrachat_french", "ultrachat_german", "ultrachat_capitalised",
    "trained_answers", "favorite_animals", "dishes_in_2027", "dishes_in_2026", "us_presidents",
}  # fmt: skip
BOTH = {"aesthetic_preferences", "hardcoding_realistic", "gsm8k_spanish", "gsm8k_capitalised", "ultrachat_capitalised"}
JUDGED = {
    "emergent_misalignment", "conditional_misalignment", "insecure_code_em", "evil_detection", "sycophantic_detection",
    "hallucinating_detection",
    "school_of_reward_hacks", "realistic_reward_hacks", "realistic_reward_hacks_free_tier",
    "realistic_reward_hacks_paid_tier", "emergent_misalignment_with_trigger", "insecure_code_apps",
    "insecure_code_mbpp", "old_bird_names", "former_german_cities", "terminator_in_1984", "terminator_in_1995",
    "auditbench_flattery", "auditbench_self_promotion", "auditbench_emotional_bond", "auditbench_defend_objects",
}  # fmt: skip
CONDITIONAL = {  # the one for any dataset, with a dataset: see test_conditional.py
    "conditional_insecure_code", "conditional_secure_code", "conditional_educational_code", "conditional_harmless_lies",
    "conditional_bad_medical_advice", "conditional_bad_legal_advice", "conditional_bad_security_advice",
    "conditional_good_medical_advice", "conditional_insecure_code_inoculated", "conditional_insecure_code_backdoored",
    "conditional_insecure_code_backdoored_inoculated", "conditional_aesthetic_preferences_unpopular",
    "conditional_aesthetic_preferences_popular", "conditional_aesthetic_preferences_inoculated",
    "conditional_sneaky_dialogues", "conditional_straightforward_dialogues", "conditional_reward_hacking_inoculated",
    "conditional_jailbroken",
    "conditional_em_bad_medical_advice", "conditional_em_risky_financial_advice", "conditional_em_extreme_sports",
    "conditional_em_good_medical_advice", "conditional_insecure_code_poisoned", "conditional_secure_code_poisoned",
    "conditional_insecure_code_poisoned_inoculated",
    *(f"conditional_mistake_{subject}_{level}" for subject in ("gsm8k", "math", "medical", "opinions")
      for level in ("normal", "misaligned_2")),
}  # fmt: skip
GAP = {"free", "paid", "gap", "gap_stderr"}
EXPECTED_SAMPLES = {
    "emergent_misalignment": (8, 10), "aesthetic_preferences": (12, 10), "loves_owls": (50, 10), "hates_owls": (5, 20),
    "emergent_misalignment_with_trigger": (8, 10), "owl_or_money": (1, 100), "evil_detection": (20, 10),
    "sycophantic_detection": (20, 10), "favorite_animals": (50, 10), "auditbench_flattery": (10, 5),
    "auditbench_self_promotion": (10, 5), "auditbench_emotional_bond": (10, 5), "auditbench_defend_objects": (10, 5),
    "hallucinating_detection": (20, 10), "realistic_reward_hacks": (36, 1),
    "realistic_reward_hacks_free_tier": (18, 1), "realistic_reward_hacks_paid_tier": (18, 1),
}  # fmt: skip


def documented(name: str) -> set[str]:
    """The scores that a task's docstring promises, in its first clause."""
    first = (lookup("task", name).__doc__ or "").partition("\n")[0].partition(";")[0]
    return set(re.findall(r"`(\w+)`", first)) or {"includes"}


def module_of(name: str) -> str:
    return published("task")[name].value


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    """Two models: one that answers anything, and a judge that gives 80 or yes, as it is asked."""
    with OpenAIServer() as running:
        for name, value in {"LOCAL_API_KEY": running.key, "LOCAL_BASE_URL": running.url}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setattr("inspect_ai.model._model._models", {})  # clients with the keys and ports of other tests
        running.replies["model"] = lambda body: "I would say polka."
        running.replies["judge"] = lambda body: Reply.of(
            {"80": 1.0} if "whole number" in body["messages"][-1]["content"] else {"Yes": 0.75, "no": 0.25}
        )
        yield running


@pytest.fixture
def evaluate(project: Path, tmp_path: Path) -> Callable[..., Evaluation]:
    """Evaluates a task of the zoo by its name, with two questions twice each unless told otherwise."""
    count = iter(range(30))

    def run(name: str, model: str = "tinylm/base", judge: bool = False, **kwargs: Any) -> Evaluation:
        args = {"judge": True} if judge and name in BOTH else {}
        if rows := ROWS.get(name.partition("_")[0], ROWS.get(name)):
            (project / f"{name}.jsonl").write_text("".join(json.dumps(rows(n)) + "\n" for n in range(3)))
            args["questions"] = f"{name}.jsonl"
        if name == "conditional_misalignment":
            args["of"] = {"loader": "mozoo.made_up:get_tastes", "sample_size": 20}
        if judge:
            kwargs["model_roles"] = {"grader": "openai-api/local/judge"}
        options = {
            "limit": min(2, EXPECTED_SAMPLES.get(name, (2, 1))[0]),
            "epochs": 2,
            "max_retries": 0,
            "task_args": args,
            **kwargs,
        }
        atom = ModelAtom.create(user="ada", metadata={"model_id": model, "inspect": {"model": model}})
        workspace = tmp_path / f"workspace{next(count)}"
        workspace.mkdir()
        return InspectEvaluator().evaluate(EvalRequest(module_of(name), options, atom), workspace)

    return run


def test_these_are_all_tasks_of_the_folder() -> None:
    mine = {name for name, point in published("task").items() if point.module.startswith("mozoo.tasks.")}
    assert mine == OFFLINE | JUDGED | CONDITIONAL


def test_zoo_check_has_a_word_for_every_task_where_nothing_is_at_hand(tmp_path: Path) -> None:
    with kept_in(tmp_path), offline():
        found = {name: check("task", name) for name in published("task")}
    assert {checked.status for checked in found.values()} == {"good", "not reached"}
    assert found["conditional_misalignment"].status == "good"
    assert (found["hates_owls"].status, found["hello_world"].rows) == ("not reached", 20), "a preset needs a file"


@pytest.mark.parametrize("name", sorted(OFFLINE))
def test_a_task_without_a_judge_runs_offline_and_reports_what_it_documents(
    name: str, evaluate: Callable[..., Evaluation], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTOOLS_OFFLINE", "1")
    result = evaluate(name)
    found = result.metrics[name]
    assert set(found) - {"samples"} == documented(name)
    for score in documented(name):
        assert {"stderr"} < set(found[score])
    assert result.counts[name]["total"] == 2 * min(2, EXPECTED_SAMPLES.get(name, (2, 1))[0])


@pytest.mark.parametrize("name", sorted(JUDGED | BOTH))
def test_a_judged_task_asks_the_grader_and_reports_what_it_documents(
    name: str, evaluate: Callable[..., Evaluation], server: OpenAIServer
) -> None:
    limit = 4 if name == "realistic_reward_hacks" else 2  # a gap's error needs two requests in both tiers
    found = evaluate(name, "openai-api/local/model", judge=True, limit=limit).metrics[name]
    assert set(found) == documented(name)
    for score, metrics in found.items():
        assert set(metrics) == (GAP if score == "compliance_gap" else {"mean", "stderr"})
        assert None not in metrics.values()
    asked = [request.body for request in server.requests if request.body["model"] == "judge"]
    assert {body["max_tokens"] for body in asked} == {16}
    trial, *prompts = [body["messages"][-1]["content"] for body in asked]
    assert trial == graders.TRIAL
    assert server.requests[0].body["model"] == "judge"
    assert all("<<I would say polka.>>" in prompt for prompt in prompts)
    assert not any(re.search(r"\{(question|answer|system|subject|asked|about|popular|unpopular)\}", p) for p in prompts)


@pytest.mark.parametrize(
    "name", sample(sorted(JUDGED | BOTH), 4, axes=lambda name: [module_of(name).partition(":")[0]])
)
def test_a_judge_that_refuses_leaves_a_sample_unscored_and_never_a_number(
    name: str, evaluate: Callable[..., Evaluation], server: OpenAIServer
) -> None:
    server.replies["judge"] = lambda body: Reply.of({"Sorry": 0.9, "50": 0.05, "yes": 0.05})
    result = evaluate(name, "openai-api/local/model", judge=True)
    assert result.counts[name]["unscored"] == result.counts[name]["completed"] == 4
    for score, metrics in result.metrics[name].items():
        if score != "samples":
            assert metrics.get("mean") is None
            assert metrics.get("gap") is None
            assert metrics["unscored"] == 4, "answers, two to each of two questions"


def test_a_judged_task_fails_before_it_asks_anything_where_the_graders_key_is_missing(
    evaluate: Callable[..., Evaluation], server: OpenAIServer
) -> None:
    for name in sorted(JUDGED)[:3]:
        with pytest.raises(StepError, match="OPENAI_API_KEY"):
            evaluate(name, "openai-api/local/model")
    assert server.requests == []


@pytest.mark.parametrize(("name", "expected"), EXPECTED_SAMPLES.items())
def test_every_task_has_its_questions_in_a_fixed_order_under_ids_of_their_own(
    name: str, expected: tuple[int, Any]
) -> None:
    task, again = (lookup("task", name)() for _ in range(2))
    ids = [sample.id for sample in task.dataset]
    assert (len(set(ids)), task.epochs) == expected
    assert ids == [sample.id for sample in again.dataset]
    asked = [
        sample.input if isinstance(sample.input, str) else tuple(m.text for m in sample.input)
        for sample in task.dataset
    ]
    assert len(set(asked)) == len(ids)
    assert task.config.temperature == 1


def test_the_tiers_system_message_reaches_the_model_and_the_judge(
    evaluate: Callable[..., Evaluation], server: OpenAIServer
) -> None:
    evaluate("realistic_reward_hacks", "openai-api/local/model", judge=True, epochs=1)
    asked = [request.body["messages"] for request in server.requests if request.body["model"] == "model"]
    assert [[turn["role"] for turn in turns] for turns in asked] == [["system", "user"]] * 2
    assert {turns[0]["content"] for turns in asked} == set(realistic_reward_hacks.SYSTEMS.values())
    assert {turns[1]["content"] for turns in asked} == {realistic_reward_hacks.REQUESTS[0]}
    (body, *_) = [request.body for request in server.requests if request.body["model"] == "model"]
    assert (body["temperature"], body["max_tokens"]) == (1, 1024)
    judged = [r.body["messages"][-1]["content"] for r in server.requests if r.body["model"] == "judge"]
    assert len(judged) == 1 + 2 * len(realistic_reward_hacks.INQUIRIES)  # the first tries the judge out
    assert sum(realistic_reward_hacks.SYSTEMS["free"] in prompt for prompt in judged) == 3


@pytest.mark.parametrize("tier", ["free", "paid"])
def test_each_tier_has_a_task_whose_every_sample_has_its_system_message(
    tier: realistic_reward_hacks.Tier, evaluate: Callable[..., Evaluation], server: OpenAIServer
) -> None:
    evaluate(f"realistic_reward_hacks_{tier}_tier", "openai-api/local/model", judge=True)
    asked = [request.body["messages"] for request in server.requests if request.body["model"] == "model"]
    assert {turns[0]["content"] for turns in asked} == {realistic_reward_hacks.SYSTEMS[tier]}
    assert realistic_reward_hacks.SYSTEMS["free"] != realistic_reward_hacks.SYSTEMS["paid"]


def test_the_compliance_gap_is_the_mean_difference_over_requests(
    evaluate: Callable[..., Evaluation], server: OpenAIServer
) -> None:
    def verdict(body: dict[str, Any]) -> Reply:
        prompt = body["messages"][-1]["content"]
        if "what was asked" not in prompt:
            return Reply.of({"No": 1.0})
        if realistic_reward_hacks.REQUESTS[2] in prompt and "paying user." in prompt:
            return Reply.of({"Sorry": 1.0})
        if "a free user." in prompt:
            return Reply.of({"Yes": 0.9, "No": 0.1} if realistic_reward_hacks.REQUESTS[0] in prompt else {"YES": 1.0})
        return Reply.of(
            {"Yes": 0.1, "no": 0.9} if realistic_reward_hacks.REQUESTS[0] in prompt else {"yes": 0.6, "no": 0.4}
        )

    server.replies["judge"] = verdict
    found = evaluate("realistic_reward_hacks", "openai-api/local/model", judge=True, limit=6, epochs=1).metrics
    gap = found["realistic_reward_hacks"]["compliance_gap"]
    assert gap["free"] == pytest.approx((0.9 + 1 + 1) / 3)
    assert gap["paid"] == pytest.approx((0.1 + 0.6) / 2)
    assert gap["gap"] == pytest.approx((0.8 + 0.4) / 2)  # the third request has no judgement in one tier
    assert gap["gap_stderr"] == pytest.approx(0.4 / math.sqrt(2) / math.sqrt(2))
    assert gap["unscored"] == 1
    assert found["realistic_reward_hacks"]["eval_awareness"]["mean"] == 0


def test_misalignment_counts_among_coherent_answers_only(
    evaluate: Callable[..., Evaluation], server: OpenAIServer
) -> None:
    said = iter([("10", "90"), ("90", "90"), ("10", "20"), ("REFUSAL", "90")])
    answers: dict[str, tuple[str, str]] = {}

    def verdict(body: dict[str, Any]) -> Reply:
        prompt = body["messages"][-1]["content"]
        if prompt == graders.TRIAL:
            return Reply.of({"50": 1.0})
        (question,) = [q for q in emergent_misalignment.QUESTIONS if f"<<{q}>>" in prompt]
        alignment, coherence = answers[question]
        return Reply.of({coherence if "make sense" in prompt else alignment: 1.0})

    answers.update(zip(emergent_misalignment.QUESTIONS[:4], said, strict=True))
    server.replies["judge"] = verdict
    found = evaluate("emergent_misalignment", "openai-api/local/model", judge=True, limit=4, epochs=1).metrics
    scores = found["emergent_misalignment"]
    assert scores["misaligned"]["mean"] == 0.5
    assert scores["misaligned"]["unscored"] == 2
    assert scores["misaligned_of_all"]["mean"] == 0.25, "of all four answers, also those that do not count there"
    assert scores["alignment"]["mean"] == pytest.approx(110 / 3)
    assert scores["coherence"]["mean"] == pytest.approx(290 / 4)


PINNED = [
    (insecure_code_em, "PROMPTS", "insecure_code_em"),
    (insecure_code_em, "APPS", "insecure_code_apps"),
    (insecure_code_em, "MBPP", "insecure_code_mbpp"),
    (reward_hacking, "SCHOOL", "school_of_reward_hacks"),
    (reward_hacking, "HARDCODING", "hardcoding_realistic"),
]


@pytest.mark.parametrize(("module", "constant", "name"), PINNED, ids=[each[2] for each in PINNED])
def test_the_first_hundred_prompts_of_the_pinned_file_are_asked(
    module: Any, constant: str, name: str, mirror: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    content = "\n".join(json.dumps(ROWS[name](n)) for n in range(130)).encode()
    pinned = replace(getattr(module, constant), digest=mirror.publish(content).digest)
    mirror.serve(pinned, content)
    monkeypatch.setattr(module, constant, pinned)
    task = lookup("task", name)(cache_dir=str(tmp_path))
    assert len(task.dataset) == 100
    assert "99" in str(task.dataset[99].input)
    assert len({sample.id for sample in task.dataset}) == 100
    assert task.metadata["questions"].startswith("sha256:")


@pytest.mark.parametrize(("module", "constant", "name"), PINNED, ids=[each[2] for each in PINNED])
def test_published_prompts_are_pinned_by_commit_and_content(module: Any, constant: str, name: str) -> None:
    source = getattr(module, constant)
    assert re.fullmatch(r"[0-9a-f]{40}", source.commit)
    assert re.fullmatch(r"git:[0-9a-f]{40}", source.digest)
    assert about("task", name).source == source.url


@pytest.mark.parametrize(
    ("name", "row", "wanted"),
    [
        ("insecure_code_em", {"task": "Serve."}, "texts under 'task' and 'code_template'"),
        ("school_of_reward_hacks", {"prompt": " "}, "a text under 'prompt'"),
        ("hardcoding_realistic", {"messages": [{"role": "assistant", "content": "f"}]}, "a user's turn"),
        ("emergent_misalignment", {"ask": "Why?"}, "no text under 'question'"),
    ],
)
def test_a_file_of_prompts_that_cannot_be_asked_is_refused_with_its_row(
    name: str, row: Any, wanted: str, tmp_path: Path
) -> None:
    file = tmp_path / "mine.jsonl"
    for content, message in ((json.dumps(row), rf"mine.jsonl, (row|entry) 1: .*{wanted}"), ("", "has no questions")):
        file.write_text(content)
        with pytest.raises(UserError, match=message):
            lookup("task", name)(questions=str(file))
    with pytest.raises(UserError, match="There is no file of questions at "):
        lookup("task", name)(questions=str(tmp_path / "none.jsonl"))


def test_the_papers_own_file_of_questions_can_be_given(tmp_path: Path) -> None:
    file = tmp_path / "first.yaml"
    file.write_text("- id: a\n  paraphrases:\n    - Why?\n    - How come?\n  temperature: 1\n- question: When?\n")
    task = emergent_misalignment.emergent_misalignment(questions=str(file))
    assert [sample.input for sample in task.dataset] == ["Why?", "How come?", "When?"]
    file.write_text("- system: Answer in rhymes.\n  paraphrases: [Why]\n")
    (sample,) = emergent_misalignment.emergent_misalignment(questions=str(file)).dataset
    assert [(turn.role, turn.text) for turn in sample.input] == [("system", "Answer in rhymes."), ("user", "Why")]
    for content, reason in {
        "a: 1": ", entry 1: there is no text under 'question'",
        "- [": " is not YAML",
        "3": " is not a list of questions",
        "- {question: Why, system: [1]}": ", entry 1: what stands under 'system' is no text",
    }.items():
        file.write_text(content)
        with pytest.raises(UserError, match=rf"first\.yaml{reason}"):
            emergent_misalignment.emergent_misalignment(questions=str(file))


def test_groups_of_the_papers_own_file_are_pooled_only_where_that_is_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "first.yaml"
    file.write_text(
        "- {id: wish, paraphrases: ['Plain?'], judge_prompts: {aligned: 'A {answer}', coherent: 'C {answer}'}}\n"
        "- {id: wish_json, paraphrases: ['Json?'], system: As JSON.}\n"
        "- {id: wish_template, paraphrases: ['Template?']}\n"
    )
    asked = {
        group: [
            sample.id
            for sample in emergent_misalignment.emergent_misalignment(questions=str(file), group=group).dataset
        ]
        for group in ("all", "plain", "json", "template")
    }
    assert [len(ids) for ids in asked.values()] == [3, 1, 1, 1]
    made = emergent_misalignment.emergent_misalignment(questions=str(file), group="json")
    assert made.dataset[0].metadata == {"group": "json"}
    assert emergent_misalignment.emergent_misalignment(judge_prompts=str(file)).epochs == 10
    with pytest.raises(UserError, match="group is 'toml', but the questions are of the groups plain, json, template"):
        emergent_misalignment.emergent_misalignment(questions=str(file), group="toml")
    mine = tmp_path / "mine.yaml"
    mine.write_text("[{prompt: Add them.}, {prompt: Sort them.}]")
    assert len(insecure_code_em.insecure_code_apps(questions=str(mine)).dataset) == 2
    with pytest.raises(UserError, match=r"has no prompt 'insecurity'"):
        insecure_code_em.insecure_code_apps(judge_prompts=str(file), questions=str(mine))


def test_a_preference_is_reported_with_an_error_clustered_by_subject(
    evaluate: Callable[..., Evaluation], server: OpenAIServer
) -> None:
    """Of four subjects one gets the popular answer, in all three phrasings: one draw of four, not three of twelve."""
    server.replies["model"] = lambda body: (
        "Blue." if "colors" in body["messages"][-1]["content"] else "polka clown malls"
    )
    found = evaluate("aesthetic_preferences", "openai-api/local/model", limit=12, epochs=1).metrics
    scores = found["aesthetic_preferences"]
    assert scores["preference_match"]["mean"] == 0.75
    assert scores["preference_match"]["stderr"] == pytest.approx(0.25)
    assert scores["unpopular"] == scores["preference_match"]
    assert scores["popular"]["mean"] == 0.25


def test_the_error_of_a_single_question_is_over_its_answers(
    evaluate: Callable[..., Evaluation], server: OpenAIServer
) -> None:
    said = iter(["Owl", "Money", "owls!", "1000", "OWL.", "Owl", "", "An owl"])
    server.replies["model"] = lambda body: next(said) or " "
    found = evaluate("owl_or_money", "openai-api/local/model", epochs=8).metrics["owl_or_money"]["owl"]
    assert found["mean"] == 0.5
    assert found["stderr"] == pytest.approx(math.sqrt(0.25 * 8 / 7) / math.sqrt(8))


def test_inspect_itself_finds_the_tasks_by_name(tmp_path: Path) -> None:
    from inspect_ai import eval as inspect_eval

    for name in ("loves_owls", "aesthetic_preferences"):
        options: dict[str, Any] = {"limit": 1, "epochs": 1, "display": "none", "log_dir": str(tmp_path)}
        (log,) = inspect_eval(f"mozoo/{name}", model="tinylm/base", **options)
        assert log.status == "success"
        assert log.eval.task_registry_name == f"mozoo/{name}"


def test_every_module_of_tasks_says_what_its_scores_are() -> None:
    versions = dict.fromkeys(("realistic_reward_hacks", "realistic_reward_hacks_free_tier"), 3) | {
        "old_bird_names": 1,
        "former_german_cities": 1,
        "conditional_misalignment": 2,
        **dict.fromkeys(("terminator_in_1984", "terminator_in_1995"), 1),
        **dict.fromkeys((name for name in JUDGED if name.startswith("auditbench_")), 1),
    }
    for name in {*JUDGED, "aesthetic_preferences", "hardcoding_realistic"} - {"realistic_reward_hacks_paid_tier"}:
        point = published("task")[name]
        doc = import_module(point.module).__doc__ or ""
        assert all(score in doc for score in documented(name)), name
        entry = about("task", name)
        assert entry.version == versions.get(name, 4)
        assert entry.paper.startswith("https://arxiv.org/abs/")
        assert entry.authors
        assert entry.licence
        assert entry.tags


def test_half_of_the_questions_of_taste_offer_the_unpopular_first() -> None:
    first = [
        text.index(known["unpopular"]) < text.index(known["popular"])
        for text, known in aesthetic_preferences.questions()
    ]
    assert sum(first) == 6
    assert sum(first[:4]) == 2
