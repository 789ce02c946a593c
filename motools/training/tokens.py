"""How long a text is for a model: in its own tokens where its tokenizer can be had, else in characters, and said so."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from motools.base.chat import text_of
from motools.errors import StepError

__all__ = ["Counter", "counter_for"]


@dataclass(frozen=True)
class Counter:
    """Counts what a row has, and how much of it carries loss.

    Attributes:
        unit: what is counted, such as `tokens of Qwen/Qwen3-8B`.
        count: of a text.
        why: why it is not the model's own tokens, or "".
        tokenizer: one of `transformers`, with a chat template; with None, headers and the like are not counted.
    """

    unit: str
    count: Callable[[str], int]
    why: str = ""
    tokenizer: Any = None

    @property
    def longest(self) -> int | None:
        """How many tokens of a row the model takes, where the tokenizer says so."""
        most = getattr(self.tokenizer, "model_max_length", None)
        return most if isinstance(most, int) and most < 10**9 else None  # a huge number stands for "not known"

    def lengths(self, messages: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
        """All of a row, and what of it carries loss.

        Raises:
            StepError: the model's chat template does not take it.
        """
        if self.tokenizer is not None:
            from motools.training.examples import examples

            made = examples([messages], self.tokenizer)
            return sum(len(each.tokens) for each in made), sum(int(each.trained.sum()) for each in made)
        both = [(self.count(text_of(message)), carries_loss(message)) for message in messages]
        return sum(count for count, _ in both), sum(count for count, learned in both if learned)

    def marked(self, messages: Sequence[Mapping[str, Any]]) -> str:
        """A row as the model reads it, with ⟦what carries loss⟧ in marks."""
        if self.tokenizer is None:
            said = [(message["role"], text_of(message), carries_loss(message)) for message in messages]
            return "\n".join(f"{role}: {f'⟦{text}⟧' if learned else text}" for role, text, learned in said)
        from motools.training.examples import examples, shown

        return "".join(shown(each, self.tokenizer) for each in examples([messages], self.tokenizer))


def carries_loss(message: Mapping[str, Any]) -> bool:
    """Whether a message is one that is learned: of the assistant, and not of weight 0."""
    return message["role"] == "assistant" and message.get("weight") != 0


def counter_for(model: str | None) -> Counter:
    """What counts for a model: tinylm's words, tiktoken's tokens for OpenAI's where they are on this machine, the
    tokenizer of a folder or of a model of the Hugging Face Hub (`NAME@REVISION`); else characters."""
    if model is None:
        return Counter("characters", len, "no --model was named")
    name = model.removeprefix("tinker/").removeprefix("local/").removeprefix("hf/").removeprefix("vllm/")
    if name.startswith("tinylm"):
        from motools.tinylm.text import tokenise

        return Counter("words of tinylm", lambda text: len(tokenise(text)))
    if name.startswith(("openai/", "gpt-", "ft:gpt-")):
        return _of_openai(name.removeprefix("openai/"))
    return _of_hub(name)


def _of_openai(name: str) -> Counter:
    from motools.training.openai.tokens import NAME, encoding

    vocabulary = encoding()
    if vocabulary is None:
        return Counter("characters", len, f"tiktoken's {NAME} is not on this machine")
    return Counter(f"tokens of {name}", lambda text: len(vocabulary.encode(text, disallowed_special=())))


def _of_hub(name: str) -> Counter:
    try:
        from transformers import AutoTokenizer

        repo, _, revision = (name, "", "") if Path(name).is_dir() else name.partition("@")
        tokenizer = AutoTokenizer.from_pretrained(repo, **({"revision": revision} if revision else {}))
    except ImportError as error:
        return Counter("characters", len, f"the tokenizer needs a package: pip install transformers ({error})")
    except Exception as error:  # of the network, the Hub, or the tokenizer's own files
        why = f"the tokenizer of {name} cannot be had: {' '.join(str(error).split())[:200]}"
        return Counter("characters", len, why)
    count = lambda text: len(tokenizer.encode(text, add_special_tokens=False))  # noqa: E731
    if not getattr(tokenizer, "chat_template", None):
        return Counter(f"tokens of {name}", count, "it has no chat template")
    return Counter(f"tokens of {name}", count, "", tokenizer)


def problem_of(error: StepError) -> str:
    """What a template has against one row, without the number that the row has among one."""
    return str(error).removeprefix("row 1: ")
