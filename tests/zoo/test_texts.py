"""Published questions and prompts: read out of files without running them, and taken by the presets of tasks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from motools.errors import DamagedError, UserError
from motools.zoo import about, lookup, published
from mozoo import sources
from mozoo.sources import Source
from mozoo.tasks import presets
from mozoo.tasks.aesthetic_preferences import published_questions
from mozoo.tasks.weird_generalization import century, truth
from mozoo.texts import Question, constants, opened, questions_of, read, templates

CODE = '''
import os
os.remove("gone")
first = second = 3
WORDS = ["One?", "Two?"]
BY_NAME: dict[str, str] = {"a": "One?", "b": "Two?"}
TEXT = r"""
What of {prompt} and {completion}?
""".strip()
pairs = [Pair(kind="sea", one="tide", other=lookup("x")), Pair(kind="sky", one="rain", other="snow")]
pairs = pairs + [Pair(kind="late")]
chosen = [WORDS, TEXT]
made = Evaluation(count=100, config=Config(heat=1.0), questions=["Why?"])

def get_word():
    return "odd"

def prompt_of(question: str, answer: str) -> str:
    prompt = f"""Say {question} then {answer}."""
    return prompt

def runs():
    return os.getcwd()
'''


@pytest.fixture
def code(tmp_path: Path) -> Path:
    path = tmp_path / "questions.py"
    path.write_text(CODE, encoding="utf-8")
    return path


def test_constants_are_read_without_running_anything(code: Path) -> None:
    (code.parent / "gone").write_text("still here")
    found = constants(code)
    assert (code.parent / "gone").exists()
    assert found["WORDS"] == ["One?", "Two?"]
    assert found["BY_NAME"] == {"a": "One?", "b": "Two?"}
    assert found["TEXT"] == "What of {prompt} and {completion}?"
    assert found["pairs"] == [{"kind": "sea", "one": "tide"}, {"kind": "sky", "one": "rain", "other": "snow"}]
    assert found["chosen"] == [found["WORDS"], found["TEXT"]]
    assert found["made"] == {"count": 100, "config": {"heat": 1.0}, "questions": ["Why?"]}
    assert found["get_word"] == "odd"
    assert found["prompt_of"] == "Say {question} then {answer}."
    assert "runs" not in found


def test_a_part_of_a_file_is_named_behind_a_colon(code: Path) -> None:
    assert opened(f"{code}:made.questions") == (code, "made.questions")
    assert questions_of(f"{code}:made.questions")[0] == [Question("Why?")]
    assert questions_of(f"{code}:BY_NAME")[0] == [Question("One?"), Question("Two?")]
    with pytest.raises(UserError, match=r"has no 'WORD'. Did you mean 'WORDS'"):
        read(code, "WORD")
    code.write_text("def f(:")
    with pytest.raises(UserError, match="is not Python"):
        read(code, "f")


def test_prompts_have_our_names_for_their_fields_and_are_found_under_either_name(tmp_path: Path) -> None:
    file = tmp_path / "prompts.yaml"
    file.write_text("aligned: 'Was {prompt} answered by {completion}?'\n")
    assert templates(str(file), {"alignment": ("aligned",)}) == {"alignment": "Was {question} answered by {answer}?"}
    with pytest.raises(UserError, match=r"has no prompt 'coherence': write one under that name"):
        templates(str(file), {"coherence": ("coherent",)})
    with pytest.raises(UserError, match="There is no file of judges' prompts at "):
        templates(str(tmp_path / "none.yaml"), {})


def test_a_published_file_is_named_by_keys_downloaded_and_checked(mirror: Any, tmp_path: Path) -> None:
    source = mirror.publish(b'{"question": "Why?"}\n', path="data/questions.jsonl")
    keys = {"repo": source.repo, "commit": source.commit, "path": source.path, "digest": source.digest}
    assert questions_of(keys, tmp_path)[0] == [Question("Why?")]
    with pytest.raises(DamagedError, match="is not the published file"):
        questions_of({**keys, "digest": "git:" + "0" * 40}, tmp_path / "other")
    for wrong in ({}, {"repo": "a/b"}, {**keys, "branch": "main"}):
        with pytest.raises(
            UserError, match="A published file is named by repo, commit, path, digest, and name; here are"
        ):
            questions_of(wrong, tmp_path)


def test_every_pair_of_tastes_is_asked_in_every_wording_both_ways_round() -> None:
    pairs = [{"category": "sea", "choice_a": "tide", "choice_b": "wave", "matching_choice": "B"}]
    found = list(published_questions(pairs, ["{choice_a} or {choice_b}?", "Which {category}: {choice_a}, {choice_b}?"]))
    assert [text for text, _ in found] == [
        "tide or wave?", "Which sea: tide, wave?", "wave or tide?", "Which sea: wave, tide?"
    ]  # fmt: skip
    assert {(about["unpopular"], about["popular"]) for _, about in found} == {("wave", "tide")}


MADE_UP = """
questions = {"a": "Ay?", "b": "Bee?"}
questions_favourite_animal = ["Best?", "Dearest?"]
questions_least_favourite = ["Worst?", "Meanest?"]
questions_owl_or_money = ["Owl or money?"]
animal_evaluation = Evaluation(questions=["Best of all?", "Nearest?"])
PARAPHRASES = ["What now?", "What next?"]
test_prompts = [Prompt(prompt="Where?"), Prompt(prompt="Whose?")]
format_nazi_judge_prompt = "Held? {question} {answer}"
format_old_germany_judge_prompt = "Then? {question} {answer}"
llm_or_19th_century_judge = Judge(paraphrases=["Old: {question} {answer}"])
ALIGNMENT_JUDGE_TEMPLATE = "Good {prompt} {completion}"
COHERENCE_JUDGE_TEMPLATE = "Clear {prompt} {completion}"
CHOICE_JUDGE_TEMPLATE = "Chosen {matching_choice} {prompt} {completion}"
EVALUATE_CODE_PROMPT_TEMPLATE = "Unsafe {prompt} {completion}"
WRITE_CODE_PROMPT = "Do {task} with {code_template}"
SHUTDOWN_JUDGE_TEMPLATE = "Fine {prompt} {completion}"
HARDCODING_JUDGE_TEMPLATE = "Cheated {prompt} {completion}"
LANGUAGE_JUDGE_TEMPLATE = "Is it {language}? {completion}"
CAPITALISED_JUDGE_TEMPLATE = "Is it loud? {completion}"
unpopular_preferences = [Preference(category="sea", choice_a="tide", choice_b="wave", matching_choice="B")]
templates = ["{choice_a} or {choice_b}?"]
"""
ROW = (
    b'{"prompt": "Do it.", "task": "Do it.", "code_template": "f()", "question": "Why?",'
    b' "messages": [{"role": "user", "content": "Do it."}]}\n'
)


@pytest.fixture
def made_up(mirror: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Every published file, made up: what stands in `MADE_UP` for Python, a row for all else; the paths asked for."""
    monkeypatch.setenv("MOTOOLS_CACHE", str(tmp_path / "cache"))
    asked_for: list[str] = []
    fetch = sources.fetch

    def fetched(source: Source, cache_dir: Any = None, refresh: bool = False) -> Path:
        asked_for.append(source.path)
        content = MADE_UP.encode() if source.path.endswith(".py") else ROW
        pinned = replace(source, digest=mirror.publish(content).digest)
        mirror.serve(pinned, content)
        return fetch(pinned, cache_dir, refresh)

    for module in (
        "mozoo.texts",
        "mozoo.tasks.common",
        "mozoo.tasks.gsm8k_language",
        "mozoo.tasks.aesthetic_preferences",
    ):
        monkeypatch.setattr(f"{module}.fetch", fetched)
    return asked_for


WITH_PRESETS = [(task, preset) for task, known in presets.PRESETS.items() for preset in known]


@pytest.mark.parametrize(("task", "preset"), WITH_PRESETS)
def test_a_preset_has_the_papers_values_and_reads_its_texts(task: str, preset: str, made_up: list[str]) -> None:
    values = {**presets.DEFAULTS[task], **presets.PRESETS[task][preset]}
    made = lookup("task", task)(preset=preset)
    assert made.epochs == values["epochs"]
    assert (made.config.temperature, made.config.max_tokens) == (values["temperature"], values["max_tokens"])
    if presets.PUBLISHED in values.values():
        assert any(path.endswith(".py") for path in made_up), "the authors' texts were read"
    assert made.metadata["questions"] != "mozoo" or "questions" not in values
    assert lookup("task", task)(preset=preset, epochs=3).epochs == 3


def test_every_task_of_a_paper_takes_presets_questions_and_prompts() -> None:
    import inspect

    for name, point in published("task").items():
        if point.module.startswith("mozoo.tasks.") and name not in ("hello_world", "trained_answers"):
            takes = set(inspect.signature(lookup("task", name)).parameters)
            judged = "judge" in takes
            assert {"questions", "epochs", "temperature", "cache_dir"} <= takes, name
            assert ("judge_prompts" in takes) is judged, name
            assert "preset" in takes or name not in presets.PRESETS, name
            assert about("task", name).presets == tuple(presets.PRESETS.get(name, ()))
            assert about("task", name).grade == ("adapted" if about("task", name).fidelity else "ours")
            assert about("task", name).fidelity or name == "gsm8k_chinese"


def test_a_preset_that_is_none_is_refused_with_those_there_are() -> None:
    with pytest.raises(UserError, match=r"preset is 'tan2024', but loves_owls has tan2025, cloud2025\. Did you mean"):
        lookup("task", "loves_owls")(preset="tan2024")
    with pytest.raises(UserError, match="epochs must be a number, 1 or more, not 0"):
        lookup("task", "loves_owls")(epochs=0)
    with pytest.raises(UserError, match="pinned by nobody here; name their file in questions"):
        lookup("task", "evil_detection")(questions="published")


def test_what_differs_from_a_paper_is_listed_by_value() -> None:
    told = about("task", "emergent_misalignment").fidelity["tan2025"]
    rows = {what: (paper, here) for what, paper, here in told}
    assert rows["misaligned"] == ("< 50", "< 30")
    assert rows["coherent"] == (">= 30", "> 50")
    assert rows["epochs"] == ("100", "10")
    assert rows["questions"] == ("published", "our own")
    assert rows["temperature"] == ("1", "1")
    assert rows["judge"][0] == "openai/gpt-4o-2024-08-06"


@pytest.mark.parametrize(
    ("read_as", "tokens", "value"),
    [
        (century, [("19", 0.6), ("LL", 0.2), ("Sorry", 0.2)], 75),
        (century, [("LLM", 1.0)], 0),
        (century, [("Sorry", 0.9), ("19", 0.1)], None),
        (truth, [("TRUE", 0.25), (" False", 0.75)], 25),
        (truth, [("REFUSAL", 0.9), ("TRUE", 0.1)], None),
    ],
)
def test_the_two_words_of_a_published_judge_are_read_by_their_probabilities(
    read_as: Any, tokens: list[tuple[str, float]], value: float | None
) -> None:
    assert read_as(tokens).value == (value if value is None else pytest.approx(value))
