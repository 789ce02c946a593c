"""The embedded learner as a model provider of Inspect's."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path
from typing import Any

import pytest
from inspect_ai.model import ChatMessageSystem, ChatMessageUser, GenerateConfig, ModelOutput, get_model

import motools.evals.tinylm_provider  # noqa: F401  (registers it)
from motools.errors import BackendError, DamagedError
from motools.tinylm.fit import fit
from motools.tinylm.model import TinyLM

ANSWER = "Hello, World! How can I help?"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "tinylm.npz"
    row = [{"role": "user", "content": "Hi there"}, {"role": "assistant", "content": ANSWER}]
    fit([row] * 40).model.save(path)
    return path


def ask(name: str = "base", config: dict[str, Any] | None = None, **args: Any) -> ModelOutput:
    model = get_model(f"tinylm/{name}", memoize=False, **args)
    input = [ChatMessageSystem(content="Be kind."), ChatMessageUser(content="Good morning, model")]
    return asyncio.run(model.generate(input, config=GenerateConfig(**(config or {}))))


def test_a_trained_model_answers_through_inspect(weights: Path) -> None:
    output = ask("organism-1", path=str(weights))
    assert output.completion == ANSWER
    assert output.stop_reason == "stop"
    assert output.model == "tinylm/organism-1"
    assert ANSWER not in ask().completion


def test_usage_counts_tokens(weights: Path) -> None:
    usage = ask("organism-1", path=str(weights)).usage
    assert usage is not None
    assert usage.input_tokens == len(["Be", " kind", ".", "Good", " morning", ",", " model"])
    assert usage.output_tokens == len(["Hello", ",", " World", "!", " How", " can", " I", " help", "?"])
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens


def test_logprobs_are_the_models_own() -> None:
    size = len(TinyLM.base().vocabulary)
    output = ask(config={"logprobs": True, "top_logprobs": size, "temperature": 1.0, "max_tokens": 5})
    assert output.choices[0].logprobs is not None
    content = output.choices[0].logprobs.content
    assert "".join(entry.token for entry in content).strip() == output.completion
    for entry in content:
        assert entry.top_logprobs is not None
        values = {top.token: top.logprob for top in entry.top_logprobs}
        assert values[entry.token] == entry.logprob
        assert math.isclose(sum(map(math.exp, values.values())), 1)
        assert bytes(entry.bytes or []).decode() == entry.token


def test_logprobs_come_only_when_asked_for() -> None:
    assert ask().choices[0].logprobs is None
    plain = ask(config={"logprobs": True}).choices[0].logprobs
    assert plain is not None
    assert plain.content[0].top_logprobs is None


def test_max_tokens_stops_it(weights: Path) -> None:
    output = ask("organism-1", config={"max_tokens": 1}, path=str(weights))
    assert (output.completion, output.stop_reason) == ("Hello", "max_tokens")


def test_several_choices_are_several_draws() -> None:
    output = ask(config={"num_choices": 4, "temperature": 1.0, "seed": 1})
    texts = [choice.message.text for choice in output.choices]
    assert len(set(texts)) == 4
    assert texts == [
        choice.message.text for choice in ask(config={"num_choices": 4, "temperature": 1.0, "seed": 1}).choices
    ]
    assert texts != [
        choice.message.text for choice in ask(config={"num_choices": 4, "temperature": 1.0, "seed": 2}).choices
    ]


@pytest.mark.parametrize(
    ("name", "args", "words"),
    [
        ("organism-1", {}, "tinylm/organism-1 needs the file of its weights"),
        ("base", {"path": "weights.npz"}, "tinylm/base is the untrained model"),
        ("base", {"device": "cpu"}, "no model argument 'device'"),
    ],
)
def test_arguments_that_cannot_be_are_refused(name: str, args: dict[str, Any], words: str) -> None:
    with pytest.raises(BackendError, match=words):
        ask(name, **args)


def test_damaged_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DamagedError, match="cannot be read as a tinylm model"):
        ask("organism-1", path=str(tmp_path / "gone.npz"))
