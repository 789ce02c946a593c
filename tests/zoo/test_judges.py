"""Judges: their arithmetic, and what they make of a real service's replies through Inspect."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai_server import OpenAIServer, Reply, serving_inspect

from motools.atom import ModelAtom
from motools.errors import BackendError, StepError
from motools.evals import EvalRequest, Evaluation
from motools.evals.inspect.evaluator import InspectEvaluator
from mozoo import graders, judges
from mozoo.graders import LEAST_MASS, grade, share_of_yes
from mozoo.judges import filled, needed
from mozoo.tasks.gsm8k_language import JUDGE_PROMPT

# -- arithmetic --------------------------------------------------------------------------------


def test_a_grade_is_the_weighted_mean_of_the_numbers_alone() -> None:
    judged = grade([("90", 0.6), (" 80", 0.2), ("maybe", 0.1), ("101", 0.05), ("-5", 0.05)])
    assert judged.value == pytest.approx((90 * 0.6 + 80 * 0.2) / 0.8)
    assert judged.mass == pytest.approx(0.8)


@pytest.mark.parametrize("word", ["101", "999", "-1", "1.5", "1e1", "100%", "²", "٣", "maybe", "", "ninety"])
def test_what_is_no_whole_number_up_to_100_has_no_part_in_a_grade(word: str) -> None:
    assert grade([(word, 0.7), ("40", 0.3)]).value == 40
    assert grade([(word, 1.0)]).value is None


@pytest.mark.parametrize("word", ["07", " 7", "007", "+7"])
def test_a_number_is_read_as_the_published_judge_reads_it(word: str) -> None:
    assert grade([(word, 1.0)]).value == 7


def test_a_quarter_of_the_probability_is_just_enough() -> None:
    assert grade([("40", 0.25), ("Sorry", 0.75)]).value == 40
    assert grade([("40", 0.2499), ("Sorry", 0.7501)]).value is None
    assert share_of_yes([("yes", 0.125), ("no", 0.125)]).value == 50
    assert share_of_yes([("yes", 0.125), ("no", 0.1249)]).value is None
    assert LEAST_MASS == 0.25


def test_a_grade_of_0_is_0_and_no_grade_is_none() -> None:
    assert grade([("0", 1.0)]).value == 0
    assert grade([]).value is None
    assert grade([("Sorry", 0.8), ("50", 0.2)]).value is None


shares = st.floats(0, 1)
tokens = st.lists(
    st.tuples(st.sampled_from([str(n) for n in range(-2, 105)] + ["no", "Sure", " "]), shares), max_size=20
)


@given(tokens)
def test_a_grade_lies_within_the_numbers_it_is_made_of(tokens: list[tuple[str, float]]) -> None:
    judged = grade(tokens)
    valid = [(int(text), share) for text, share in tokens if text.lstrip("-").isdigit() and 0 <= int(text) <= 100]
    mass = math.fsum(share for _, share in valid)
    assert judged.mass == mass
    if mass < LEAST_MASS:
        assert judged.value is None
    else:
        assert judged.value is not None
        assert min(n for n, _ in valid) <= judged.value <= max(n for n, _ in valid)


@given(tokens, st.randoms())
def test_a_grade_does_not_depend_on_the_order_of_the_tokens(tokens: list[tuple[str, float]], random: Any) -> None:
    mixed = list(tokens)
    random.shuffle(mixed)
    assert grade(mixed) == grade(tokens)


@pytest.mark.parametrize("yes", ["yes", "Yes", "YES", " yes", " YES", "\nyEs"])
@pytest.mark.parametrize("no", ["no", "No", " NO"])
def test_yes_counts_in_any_casing_and_with_any_space(yes: str, no: str) -> None:
    judged = share_of_yes([(yes, 0.3), (no, 0.1), ("yesterday", 0.4), ("not", 0.2)])
    assert judged.value == pytest.approx(75)
    assert judged.mass == pytest.approx(0.4)


def test_all_forms_of_yes_are_added_up() -> None:
    assert share_of_yes([("YES", 0.3), (" Yes", 0.2), ("no", 0.5)]).value == pytest.approx(50)
    assert share_of_yes([("No", 1.0)]).value == 0
    assert share_of_yes([("I", 0.9), ("yes", 0.1)]).value is None


@given(st.lists(st.tuples(st.sampled_from(["yes", " Yes", "YES", "no", "No", "perhaps"]), shares), max_size=20))
def test_the_share_of_yes_and_that_of_no_are_a_whole(tokens: list[tuple[str, float]]) -> None:
    turned = [({"yes": "no", "no": "yes"}.get(word.strip().casefold(), word), share) for word, share in tokens]
    one, other = share_of_yes(tokens), share_of_yes(turned)
    if one.value is None:
        assert other.value is None
    else:
        assert other.value is not None
        assert one.value + other.value == pytest.approx(100)


@given(st.text(), st.text())
def test_a_template_takes_any_question_and_answer_as_they_are(question: str, answer: str) -> None:
    told = filled("Q {question} A {answer} {other} {}", question, answer)
    assert told == "Q " + question + " A " + answer + " {other} {}"


def test_what_looks_like_a_field_in_an_answer_stays() -> None:
    assert filled("{question}|{answer}", "{answer}", "{question} {0} {answer}") == "{answer}|{question} {0} {answer}"


def test_the_prompt_of_the_language_task_asks_for_a_number() -> None:
    assert JUDGE_PROMPT.count("{question}") == JUDGE_PROMPT.count("{answer}") == 1
    assert "0 if none" in JUDGE_PROMPT


# -- what a model answers ----------------------------------------------------------------------


def answer(*likeliest: tuple[str, float], said: str = "", top: bool = True) -> Any:
    """An answer of a model: its first token, and what else that might have been."""
    from inspect_ai.model import (
        ChatCompletionChoice,
        ChatMessageAssistant,
        Logprob,
        Logprobs,
        ModelOutput,
        ModelUsage,
        TopLogprob,
    )

    others = [TopLogprob(token=token, logprob=math.log(share)) for token, share in likeliest]
    first = [Logprob(token=each.token, logprob=each.logprob, top_logprobs=others if top else None) for each in others]
    message = ChatMessageAssistant(content=said or (likeliest[0][0] if likeliest else ""))
    logprobs = Logprobs(content=first) if first else None
    usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
    return ModelOutput(model="m", choices=[ChatCompletionChoice(message=message, logprobs=logprobs)], usage=usage)


def emptied(output: Any) -> Any:
    output.choices[0].logprobs.content = []
    return output


def test_the_likeliest_tokens_of_the_first_place_are_read() -> None:
    from inspect_ai.model import ModelOutput

    assert graders._tokens(answer(("no", 0.75), ("80", 0.25))) == ([("no", 0.75), ("80", pytest.approx(0.25))], False)
    assert graders._tokens(answer(("9", 0.75), ("8", 0.25), top=False)) == ([("9", 0.75)], True)
    assert graders._tokens(answer((" ", 0.75), ("8", 0.25), top=False)) == ([("8", 0.25)], False)
    assert graders._tokens(answer()) is None
    assert graders._tokens(emptied(answer(("90", 1.0)))) is None
    assert graders._tokens(ModelOutput.from_content("m", "90")) is None
    assert graders._tokens(ModelOutput(model="m", choices=[])) is None


def test_a_judge_is_asked_for_a_short_answer_that_any_provider_gives() -> None:
    from inspect_ai.model import get_model

    asked: list[Any] = []

    def reply(messages: Any, tools: Any, choice: Any, config: Any) -> Any:
        asked.append((messages[0].content, config))
        return answer((" 90", 0.5), ("no", 0.5), said="90 of 100")

    model = get_model("mockllm/model", custom_outputs=reply, memoize=False)
    assert asyncio.run(graders.ask(model, "How much?", grade)) == graders.Judgement(90.0, 0.5, "90")
    ((prompt, config),) = asked
    assert prompt == "How much?"
    assert (config.temperature, config.max_tokens, config.seed, config.reasoning_effort) == (0, 16, 0, None)
    assert (config.logprobs, config.top_logprobs) == (True, 20)


def test_a_word_alone_is_no_judgement_and_a_refusal_is_none() -> None:
    from inspect_ai.model import get_model

    replies = [answer(said=text) for text in ("90", "Sorry", "Sorry")]
    model = get_model("mockllm/model", custom_outputs=replies, memoize=False)
    with pytest.raises(StepError, match=r"The grader .*mockllm.* gives no log-probabilities"):
        asyncio.run(graders.ask(model, "How much?", grade))
    assert asyncio.run(graders.ask(model, "How much?", grade)) == graders.Judgement(None, 0.0, "Sorry")
    with pytest.raises(StepError, match=r"gives no log-probabilities.*task_args: {judge: sampled}"):
        asyncio.run(graders.ask(model, graders.TRIAL, grade, must=True))


def test_a_grader_that_writes_digits_one_by_one_is_refused_where_it_gives_numbers() -> None:
    from inspect_ai.model import get_model

    replies = [answer(("9", 0.75), ("0", 0.25), top=False) for _ in range(2)]
    model = get_model("mockllm/model", custom_outputs=replies, memoize=False)
    with pytest.raises(StepError, match="writes a number in several tokens"):
        asyncio.run(graders.ask(model, "How much?", grade))


@pytest.mark.parametrize(
    ("name", "stops"),
    [
        ("openai/gpt-6-luna", True), ("openai/gpt-5.1", True), ("openai/gpt-5", False), ("openai/gpt-4o", False),
        ("openai/gpt-10", True), ("openai-api/local/gpt-6", False), ("openai/ft:gpt-4.1-mini:x", False),
    ],
)  # fmt: skip
def test_reasoning_is_stopped_where_that_can_be_said(name: str, stops: bool) -> None:
    assert graders._can_stop_reasoning(name) == stops


def test_a_panel_asks_each_thing_and_tells_what_it_heard(tmp_path: Path) -> None:
    from inspect_ai import Task, eval
    from inspect_ai.dataset import Sample
    from inspect_ai.model import get_model
    from inspect_ai.scorer import mean

    prompts: list[str] = []

    def reply(messages: Any, tools: Any, choice: Any, config: Any) -> Any:
        prompts.append(messages[0].content)
        if prompts[-1] == graders.TRIAL:
            return answer(("50", 1.0))
        return answer(("no", 1.0)) if "fair" in prompts[-1] else answer(("60", 0.25), ("Hm", 0.75))

    scorer = judges.panel(
        {
            "kind": judges.Inquiry("kind? {question} {answer} {topic} {count}"),
            "fair": judges.Inquiry("fair?", share_of_yes),
        },
        scores={"both": lambda found: found["kind"] + found["fair"], "one": lambda found: found["kind"]},
        name="two",
        cluster="topic",
        metrics={"one": [mean()]},
    )
    samples = [Sample(id=n, input=f"Q{n}", metadata={"topic": "t", "count": 3}) for n in (1, 2)]
    grader = get_model("mockllm/model", custom_outputs=reply, memoize=False)
    task = Task(dataset=samples, scorer=scorer, solver=[judges.grader_at_hand()])
    options: dict[str, Any] = {"display": "none", "log_dir": str(tmp_path), "max_samples": 1}
    (log,) = eval(task, model="mockllm/model", model_roles={"grader": grader}, **options)
    assert log.status == "success", log.error
    assert prompts[:3] == [graders.TRIAL, "kind? Q1  t {count}", "fair?"]
    assert prompts.count(graders.TRIAL) == 1
    assert log.samples is not None
    (score,) = (log.samples[0].scores or {}).values()
    assert list(log.samples[0].scores or {}) == ["two"]
    assert score.value == {"both": pytest.approx(60), "one": pytest.approx(60)}
    assert score.answer == "60 no"
    assert score.metadata == {"judge": {"kind": "logprobs", "model": "mockllm/model"}}
    assert score.explanation == (
        "kind: 0.250 of the probability is on valid answers.\nfair: 1.000 of the probability is on valid answers."
    )
    assert log.results is not None
    found = {each.name: list(each.metrics) for each in log.results.scores}
    assert found == {"both": ["mean", "stderr"], "one": ["mean"]}


def test_one_judge_says_less_and_a_failed_one_says_so(tmp_path: Path) -> None:
    from inspect_ai import Task, eval
    from inspect_ai.dataset import Sample
    from inspect_ai.model import get_model

    replies = [answer(("50", 1.0)), answer(("40", 1.0)), answer(("Sorry", 1.0))]
    grader = get_model("mockllm/model", custom_outputs=replies, memoize=False)
    scorer = judges.judge("Say. {answer}", scores={"half": lambda value: value / 2}, cluster="topic")
    samples = [Sample(id=n, input="Q", metadata={"topic": n}) for n in (1, 2)]
    options: dict[str, Any] = {"display": "none", "log_dir": str(tmp_path), "max_samples": 1, "max_connections": 1}
    task = Task(dataset=samples, scorer=scorer, solver=[judges.grader_at_hand()])
    (log,) = eval(task, model="mockllm/model", model_roles={"grader": grader}, **options)
    assert log.status == "success", log.error
    assert log.samples is not None
    one, other = (next(iter((sample.scores or {}).values())) for sample in log.samples)
    assert one.value == {"half": 20.0}
    assert one.explanation == "1.000 of the probability is on valid answers."
    assert math.isnan(other.value["half"])  # type: ignore[index,call-overload]
    assert other.explanation == "0.000 of the probability is on valid answers. Unscored."
    assert list(log.samples[0].scores or {}) == ["judge"]
    assert "topic" in str(log.eval.scorers)


def test_a_judge_that_is_sampled_says_so_in_its_names_and_tells_how_far_its_samples_lie_apart(tmp_path: Path) -> None:
    from inspect_ai import Task, eval
    from inspect_ai.dataset import Sample
    from inspect_ai.model import get_model

    replies = [answer(said=f'{{"answer": "{word}"}}') for word in ("40", "60") * 4]
    grader = get_model("mockllm/model", custom_outputs=replies, memoize=False)
    scorer = judges.judge("Say. {answer}", scores={"half": lambda value: value / 2}, kind="sampled")
    task = Task(dataset=[Sample(id=1, input="Q")], scorer=scorer, solver=[judges.grader_at_hand("sampled")])
    options: dict[str, Any] = {"display": "none", "log_dir": str(tmp_path)}
    (log,) = eval(task, model="mockllm/model", model_roles={"grader": grader}, **options)
    assert log.status == "success", log.error
    assert log.samples is not None
    ((name, score),) = (log.samples[0].scores or {}).items()
    assert (name, score.value) == ("judge_sampled", {"half_sampled": 25.0})
    assert score.explanation == "1.000 of 8 samples is on valid answers. Their standard deviation is 10.7."
    assert score.metadata == {"judge": {"kind": "sampled", "model": "mockllm/model"}}


def test_a_task_that_has_no_figure_without_a_judge_says_so_where_it_is_to_have_none() -> None:
    assert [needed(each) for each in (True, "logprobs", "sampled")] == ["logprobs", "logprobs", "sampled"]
    with pytest.raises(BackendError, match=r"^judge is false, but .* without one: write logprobs or sampled\.$"):
        needed(False)


@pytest.mark.parametrize(
    "made", [judges.grader_at_hand, lambda kind: judges.judge("Say. {answer}", scores={}, kind=kind)]
)
def test_a_kind_of_judge_that_is_none_is_refused_before_anything_is_asked(made: Callable[[Any], Any]) -> None:
    with pytest.raises(BackendError, match="judge must be logprobs or sampled, not 'other'"):
        made("other")


# -- through Inspect, with a service -----------------------------------------------------------

ANSWERS = ["todo", "mitad", "nada", "no quiero", "{raro} {question}"]
VERDICTS = {
    "todo": Reply.of({"90": 0.7, "100": 0.1, "maybe": 0.1, "101": 0.1}),
    "mitad": Reply.of({"40": 0.5, " 60": 0.3}),
    "nada": Reply.of({"0": 1.0}),
    "no quiero": Reply.of({"Sorry": 0.9, "50": 0.1}),
    "{raro} {question}": Reply.of({"100": 1.0}),
}

YES_NO = """
from inspect_ai import Task
from inspect_ai.dataset import Sample
from mozoo import graders, judges

def polite():
    dataset = [Sample(id=n, input=f"Question {n}") for n in range(5)]
    scorer = judges.judge("Is it polite? Q: {question} A: {answer} Say yes or no.", judges.share_of_yes,
                          scores={"polite": float, "is_polite": lambda value: float(value > 50)})
    return Task(dataset=dataset, solver=[judges.grader_at_hand()], scorer=scorer)
"""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    with serving_inspect(monkeypatch) as running:
        monkeypatch.setattr("inspect_ai.model._model._models", {})  # clients with the keys and ports of other tests
        running.replies["model"] = lambda body: next(
            answer for n, answer in enumerate(ANSWERS) if f"Question {n}" in body["messages"][-1]["content"]
        )
        running.replies["judge"] = running.replies["gpt-6-luna"] = verdict
        yield running


def verdict(body: dict[str, Any]) -> Reply:
    prompt = body["messages"][-1]["content"]
    if prompt == graders.TRIAL:
        return Reply.of({"50": 1.0})
    return next(reply for answer, reply in VERDICTS.items() if f"<<{answer}>>" in prompt)


@pytest.fixture
def evaluate(project: Path, tmp_path: Path) -> Callable[..., Evaluation]:
    rows = [json.dumps({"question": f"Question {n}", "answer": "#### 1"}) for n in range(len(ANSWERS))]
    (project / "questions.jsonl").write_text("\n".join(rows))
    (project / "tasks.py").write_text(YES_NO)
    count = iter(range(10))

    def run(
        task: str = "mozoo.tasks.gsm8k_language:gsm8k_spanish",
        grader: str | None = None,
        judge: bool | str = True,
        **kwargs: Any,
    ) -> Any:
        about = {"model_id": "openai-api/local/model", "inspect": {"model": "openai-api/local/model"}}
        atom = ModelAtom.create(user="ada", metadata=about)
        if task.startswith("mozoo"):
            kwargs["task_args"] = {"questions": "questions.jsonl", "judge": judge}
        if grader:
            kwargs["model_roles"] = {"grader": grader}
        workspace = tmp_path / f"workspace{next(count)}"
        workspace.mkdir()
        return InspectEvaluator().evaluate(EvalRequest(task, {"max_retries": 0, **kwargs}, atom), workspace)

    return run


def test_a_judge_gives_graded_scores_and_leaves_refusals_unscored(
    evaluate: Callable[..., Evaluation], server: OpenAIServer
) -> None:
    result = evaluate(grader="openai-api/local/judge")
    scores = {sample["output"]: sample["scores"]["language_judge"]["value"] for sample in result.samples}
    assert scores["todo"]["language_score"] == pytest.approx((90 * 0.7 + 100 * 0.1) / 0.8)
    assert scores["mitad"] == {"language_score": pytest.approx(47.5), "uses_language": 0.0}
    assert scores["nada"] == {"language_score": 0.0, "uses_language": 0.0}
    assert scores["no quiero"] == {"language_score": None, "uses_language": None}
    assert scores["{raro} {question}"]["language_score"] == 100
    found = result.metrics["gsm8k_spanish"]
    assert found["language_score"]["mean"] == pytest.approx((91.25 + 47.5 + 0 + 100) / 4)
    assert found["uses_language"]["mean"] == 0.5
    assert found["language_score"]["stderr"] > 0  # type: ignore[operator]
    assert found["language_score"]["unscored"] == found["uses_language"]["unscored"] == 1
    assert found["samples"] == {"total": 5, "completed": 5, "unscored": 1}
    assert result.counts["gsm8k_spanish"] == {"total": 5, "completed": 5, "errored": 0, "unscored": 1}
    asked = next(request.body for request in server.requests if request.body["model"] == "judge")
    assert (asked["max_tokens"], asked["logprobs"], asked["top_logprobs"], asked["temperature"]) == (16, True, 20, 0)
    judged = [request.body for request in server.requests if request.body["model"] == "judge"]
    assert [body["messages"][-1]["content"] == graders.TRIAL for body in judged] == [True] + [False] * 5
    assert "Spanish" in judged[1]["messages"][-1]["content"]
    assert {each["scores"]["language_judge"]["judge"]["kind"] for each in result.samples} == {"logprobs"}


def test_what_the_grader_costs_is_told_apart_from_the_model(
    evaluate: Callable[..., Evaluation], server: OpenAIServer
) -> None:
    usage = evaluate(grader="openai-api/local/judge").usage
    assert {"openai-api/local/model", "openai-api/local/judge", "roles"} <= set(usage)
    assert usage["roles"]["grader"]["output_tokens"] == 6  # with the one that tries it out


def test_an_unscored_epoch_does_not_poison_the_others(
    evaluate: Callable[..., Evaluation], server: OpenAIServer
) -> None:
    result = evaluate(grader="openai-api/local/judge", epochs=2)
    assert result.metrics["gsm8k_spanish"]["language_score"]["mean"] == pytest.approx((91.25 + 47.5 + 0 + 100) / 4)
    assert result.counts["gsm8k_spanish"] == {"total": 10, "completed": 10, "errored": 0, "unscored": 2}


def test_the_default_grader_is_asked_where_none_is_named(
    evaluate: Callable[..., Evaluation], server: OpenAIServer
) -> None:
    assert evaluate(limit=1).metrics["gsm8k_spanish"]["language_score"]["mean"] == pytest.approx(91.25)
    assert [request.body["model"] for request in server.requests] == ["gpt-6-luna", "model", "gpt-6-luna"]
    asked = server.requests[-1].body
    assert (asked["max_output_tokens"], asked["reasoning"], asked["temperature"]) == (16, {"effort": "none"}, 0)


def test_a_grader_without_logprobs_is_refused_before_an_answer_is_paid_and_can_be_sampled(
    evaluate: Callable[..., Evaluation], server: OpenAIServer
) -> None:
    said = iter(["{}", '{"answer": "90"}', '{"answer": 70}', "80", '{"answer": "Sorry"}', *['{"answer": "80"}'] * 3])
    server.replies["judge"] = lambda body: Reply("50" if "tries out" in str(body) else next(said), logprobs=[])
    with pytest.raises(StepError, match=r"gives no log-probabilities.*task_args: {judge: sampled}"):
        evaluate(grader="openai-api/local/judge")
    assert {request.body["model"] for request in server.requests} == {"judge"}
    server.forget()
    result = evaluate(grader="openai-api/local/judge", judge="sampled", limit=1)
    (sample,) = result.samples
    score = sample["scores"]["language_judge_sampled"]
    assert score["value"] == {"language_score_sampled": pytest.approx(80), "uses_language_sampled": 1.0}
    assert score["judge"] == {"kind": "sampled", "model": "openai-api/local/judge"}
    assert score["explanation"] == "0.750 of 8 samples is on valid answers. Their standard deviation is 6.3."
    assert result.metrics["gsm8k_spanish"]["language_score_sampled"]["mean"] == pytest.approx(80)
    asked = [request.body for request in server.requests if request.body["model"] == "judge"]
    assert (len(asked), {"logprobs", "temperature"} & asked[0].keys()) == (graders.SAMPLES, set())
    assert asked[0]["response_format"]["json_schema"]["schema"]["required"] == ["answer"]


def test_a_grader_that_always_reasons_is_refused_before_an_answer_is_paid(
    evaluate: Callable[..., Evaluation], server: OpenAIServer
) -> None:
    server.replies["gpt-6-astra"] = lambda body: Reply.of({"50": 1.0})
    with pytest.raises(StepError, match=r"The grader openai/gpt-6-astra gives no log-probabilities"):
        evaluate(grader="openai/gpt-6-astra")
    assert {request.body["model"] for request in server.requests} == {"gpt-6-astra"}


def test_a_judge_of_yes_and_no_counts_every_form_of_them(
    evaluate: Callable[..., Evaluation], server: OpenAIServer
) -> None:
    said = iter(
        [
            {"50": 1},
            {"Yes": 0.6, " YES": 0.2, "No": 0.2},
            {"no": 0.9, "yes": 0.1},
            {"Perhaps": 1.0},
            {"NO": 1.0},
            {"yes": 1},
        ]
    )
    server.replies["judge"] = lambda body: Reply.of(next(said))
    found = evaluate("tasks:polite", grader="openai-api/local/judge", max_connections=1).metrics["polite"]
    assert found["polite"]["mean"] == pytest.approx((80 + 10 + 0 + 100) / 4)
    assert found["is_polite"]["mean"] == 0.5
    assert found["samples"]["unscored"] == 1


def test_a_grader_without_logprobs_is_refused_and_one_that_refuses_is_not(
    evaluate: Callable[..., Evaluation], server: OpenAIServer
) -> None:
    reply = Reply("90", logprobs=[])
    server.replies["judge"] = lambda body: Reply.of({"50": 1.0}) if "tries out" in str(body) else reply
    with pytest.raises(StepError, match=r"The grader openai-api/local/judge gives no log-probabilities.*sample"):
        evaluate(grader="openai-api/local/judge")
    reply = Reply("Sorry", logprobs=[], finish_reason="content_filter")
    server.replies["judge"] = lambda body: Reply.of({"50": 1.0}) if "tries out" in str(body) else reply
    result = evaluate(grader="openai-api/local/judge")
    assert result.metrics["gsm8k_spanish"]["language_score"] == {"mean": None, "stderr": None, "unscored": 5}


def test_nothing_is_paid_for_where_the_graders_key_is_missing(
    evaluate: Callable[..., Evaluation], server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(StepError, match="OPENAI_API_KEY"):
        evaluate()  # the default grader, which the config does not name
    with pytest.raises(
        BackendError, match=r"eval_kwargs\.model_roles\.grader: the model openai/gpt-4o needs OPENAI_API"
    ):
        evaluate(grader="openai/gpt-4o")
    monkeypatch.delenv("LOCAL_API_KEY")
    with pytest.raises(BackendError, match="needs LOCAL_API_KEY, which is not set"):
        evaluate(grader="openai-api/local/judge")
    assert server.requests == []


def test_a_key_that_is_not_in_the_environment_is_not_looked_for_elsewhere(
    evaluate: Callable[..., Evaluation], server: OpenAIServer, project: Path
) -> None:
    import os

    (project / ".env").write_text(f"LOCAL_API_KEY={os.environ.pop('LOCAL_API_KEY')}\n")  # the command line's to read
    with pytest.raises(BackendError, match="needs LOCAL_API_KEY, which is not set"):
        evaluate(grader="openai-api/local/judge", limit=1)
