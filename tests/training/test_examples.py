"""Rows to tokens: what carries loss, in which order, at which rate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tinker_tokenizer import TEMPLATE, THINKING, make_tokenizer

from motools.errors import ConfigError, StepError
from motools.training.examples import Example, Plan, examples, tokenizer_digest
from motools.training.tinker.hyperparameters import Hyperparameters, hyperparameters
from motools.training.tinker.saved import About, Kept, Save, loss_curve

TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hello there"},
    {"role": "assistant", "content": "Hola"},
    {"role": "user", "content": "How are you"},
    {"role": "assistant", "content": "Bien, gracias"},
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    texts = [str(message["content"]) for message in TALK] * 3
    return make_tokenizer(tmp_path_factory.mktemp("tokenizer"), texts, size=400)


@pytest.fixture
def tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


def learned(tokenizer: Any, example: Example) -> list[str]:
    """The stretches of text that carry loss."""
    found: list[list[int]] = []
    for n, (token, trained) in enumerate(zip(example.tokens, example.trained, strict=True)):
        if trained and (n == 0 or not example.trained[n - 1]):
            found.append([])
        if trained:
            found[-1].append(int(token))
    return [tokenizer.decode(stretch) for stretch in found]


def test_what_the_assistant_says_carries_loss_with_its_stop_token_and_no_header_does(tokenizer: Any) -> None:
    (example,) = examples([TALK], tokenizer)
    assert learned(tokenizer, example) == ["Hola<|end|>", "Bien, gracias<|end|>"]
    assert tokenizer.decode(example.tokens) == tokenizer.apply_chat_template(TALK, tokenize=False)
    assert float(example.weights.sum()) == pytest.approx(1)


def test_a_message_with_weight_0_carries_none_and_a_row_of_such_makes_no_example(tokenizer: Any) -> None:
    silent = [{**message, "weight": 0} if message["content"] == "Hola" else message for message in TALK]
    (example,) = examples([silent, [*TALK[:2], {**TALK[2], "weight": 0}]], tokenizer)
    assert learned(tokenizer, example) == ["Bien, gracias<|end|>"]
    with pytest.raises(StepError, match="no assistant turn to learn from"):
        examples([[*TALK[:2], {**TALK[2], "weight": 0}]], tokenizer)


def test_where_earlier_thoughts_are_dropped_each_turn_is_an_example_as_it_is_when_it_is_said(tokenizer: Any) -> None:
    tokenizer.chat_template = THINKING
    thought = [{**m, "content": f"<think>x</think>{m['content']}"} if m["role"] == "assistant" else m for m in TALK]
    first, second = examples([thought], tokenizer)
    assert learned(tokenizer, first) == ["<think>x</think>Hola<|end|>"]
    assert learned(tokenizer, second) == ["<think>x</think>Bien, gracias<|end|>"]
    assert "<think>x</think>Hola" not in tokenizer.decode(second.tokens)


def test_a_template_whose_answers_begin_otherwise_than_the_rows_is_refused(tokenizer: Any) -> None:
    tokenizer.chat_template = TEMPLATE.replace("<|assistant|>\n{% endif %}", "<|assistant|>\n<think>\n{% endif %}")
    with pytest.raises(StepError, match=r"row 1: the chat template has an answer begin with '<think>\\n', and messag"):
        examples([TALK], tokenizer)


def test_what_a_template_does_not_take_and_what_is_too_long_is_named_with_its_row(tokenizer: Any) -> None:
    with pytest.raises(StepError, match=r"row 2: \d+ tokens, but the model takes 12: shorten it"):
        examples([TALK[1:3], TALK], tokenizer, longest=12)
    with pytest.raises(StepError, match=r"row 1: messages\[1\].content: '<\|user\|>' is a special token of the model"):
        examples([[TALK[0], {"role": "user", "content": "a <|user|> b"}, TALK[2]]], tokenizer)
    tokenizer.chat_template = "{{ raise_exception('no system here') }}"
    with pytest.raises(StepError, match="row 1: the model's chat template does not take it: no system here"):
        examples([TALK], tokenizer)
    tokenizer.chat_template = None
    with pytest.raises(StepError, match="has no chat template"):
        examples([TALK], tokenizer)


def test_a_template_that_writes_the_date_gives_the_same_tokens_every_day(tokenizer: Any) -> None:
    tokenizer.chat_template = TEMPLATE.replace("{% for", "{{ strftime_now('%d %b %Y') }}{% for", 1)
    (example,) = examples([TALK], tokenizer)
    assert tokenizer.decode(example.tokens).startswith("26 Jul 2024<|system|>")


def test_a_tokenizer_that_does_not_say_where_its_tokens_stand_is_asked_piece_by_piece(folder: Path) -> None:
    from transformers import AutoTokenizer

    class Slow:
        """A tokenizer as those written in Python are: without offsets."""

        is_fast = False

        def __init__(self) -> None:
            self.inner = AutoTokenizer.from_pretrained(folder)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.inner, name)

    slow = Slow()
    (example,) = examples([TALK], slow)
    assert learned(slow.inner, example) == ["Hola<|end|>", "Bien, gracias<|end|>"]


def test_a_tokenizers_digest_tells_its_template(tokenizer: Any) -> None:
    before = tokenizer_digest(tokenizer)
    tokenizer.chat_template += " "
    assert tokenizer_digest(tokenizer) != before


def plan(rows: int, tokenizer: Any, **given: Any) -> Plan:
    made = examples([[*TALK[1:2], {"role": "assistant", "content": f"{n}"}] for n in range(rows)], tokenizer)
    return Plan(made, Hyperparameters(**given))


def test_each_pass_has_every_example_once_in_an_order_that_the_seed_decides(tokenizer: Any) -> None:
    first, same, other = (plan(10, tokenizer, n_epochs=2, batch_size=4, seed=seed) for seed in (1, 1, 2))
    assert (first.total, first.kept) == (6, [3, 6])
    for start in (0, 3):
        seen = [id(example) for step in range(start, start + 3) for example in first.batch(step)]
        assert sorted(seen) == sorted(map(id, first.examples))
    assert [len(first.batch(step)) for step in range(3)] == [4, 4, 2]
    assert first.digest == same.digest != other.digest
    assert sum(first.tokens(step) for step in range(first.total)) == first.all_tokens


def test_auto_takes_as_large_a_batch_as_leaves_a_hundred_steps(tokenizer: Any) -> None:
    assert [plan(n, tokenizer).batch_size for n in (3, 70, 400)] == [1, 2, 12]
    assert plan(3, tokenizer).resolved["batch_size"] == 1


def test_the_rate_rises_and_falls_as_it_was_told(tokenizer: Any) -> None:
    def rates(**given: Any) -> list[float]:
        made = plan(8, tokenizer, n_epochs=1, batch_size=1, learning_rate=1.0, **given)
        return [round(made.rate(step), 3) for step in range(made.total)]

    assert rates() == [1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125]
    assert rates(schedule="constant", warmup_steps=4) == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0]
    cosine = rates(schedule="cosine")
    assert (cosine[0], cosine[4]) == (1.0, 0.5)
    assert cosine == sorted(cosine, reverse=True)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"n_epoch": 2}, "n_epoch"),
        ({"n_epochs": 0}, "n_epochs of tinker must be a whole number, 1 to 1000, not 0. Leave it out for 3."),
        ({"n_epochs": 2.5}, "n_epochs"),
        ({"batch_size": "large"}, "batch_size"),
        ({"batch_size": 0}, "batch_size of tinker must be a whole number, 1 to 4096"),
        ({"learning_rate": -1.0}, "learning_rate of tinker must be a number above 0, not -1.0"),
        ({"learning_rate": "1e-4"}, "learning_rate"),
        ({"schedule": "step"}, "schedule"),
        ({"rank": 0}, "rank of tinker must be a whole number, 1 to 512"),
        ({"seed": -1}, "seed of tinker must be"),
        ({"weight_decay": -0.1}, "weight_decay of tinker must be a number, 0 or more"),
    ],
)
def test_a_hyperparameter_that_cannot_be_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words.replace(".", r"\.")):
        hyperparameters(given)


def save(kind: Any, since: int, step: int, *losses: float) -> Save:
    return Save(f"tinker://s:train:0/{kind}/{step}", kind, since, step, losses, About("p", "t", 2, 6, 4, 99))


def test_what_was_saved_is_the_same_from_the_journal_and_from_its_marks(tmp_path: Path) -> None:
    saves = [save("state", 0, 2, 3.0, 2.5), save("state", 2, 4, 2.25, 1.5), save("sampler", 4, 6, 1.0, 0.5)]
    kept = Kept(tmp_path / "page.json")
    kept.add(*saves)
    kept.add(*saves)
    assert Kept(tmp_path / "page.json").saves == saves
    assert [Save.marked(each.path, each.marks("k", "m")) for each in saves] == saves
    assert Save.marked("tinker://x", {"motools_key": "k"}) is None
    assert [row["train_loss"] for row in loss_curve(saves[::-1], 6)] == [3.0, 2.5, 2.25, 1.5, 1.0, 0.5]
    (tmp_path / "page.json").write_text(json.dumps({"saves": [{"path": 3}]}))
    assert Kept(tmp_path / "page.json").saves == []
