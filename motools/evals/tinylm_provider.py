"""Our Inspect model providers: the embedded learner, models at Tinker, and those that were trained on this machine.

The learner is `tinylm/base`, or `tinylm/<any name>` with a file of weights.

Inspect imports this module through its entry point group, so it may import Inspect itself; nothing
else of MOTools does so before an evaluation runs.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary
from zlib import crc32

from inspect_ai.model import (
    ChatCompletionChoice,
    ChatMessage,
    ChatMessageAssistant,
    GenerateConfig,
    Logprob,
    Logprobs,
    ModelAPI,
    ModelOutput,
    ModelUsage,
    TopLogprob,
    modelapi,
)
from inspect_ai.tool import ToolChoice, ToolInfo

from motools.errors import BackendError
from motools.evals.private import ActiveSample, sample_active

if TYPE_CHECKING:
    from motools.tinylm.model import Generation

__all__ = ["TinyLMAPI", "local", "tinker", "tinylm"]


@modelapi(name="tinylm")
def tinylm() -> type[ModelAPI]:
    return TinyLMAPI


@modelapi(name="tinker")
def tinker() -> type[ModelAPI]:
    from motools.evals.tinker import TinkerAPI

    return TinkerAPI


@modelapi(name="local")
def local() -> type[ModelAPI]:
    from motools.evals.local import provider

    return provider(with_vllm=importlib.util.find_spec("vllm") is not None)


class TinyLMAPI(ModelAPI):
    """Answers at once, on this machine; every answer is decided by the seed, the sample and the messages.

    Honours `temperature` (0 unless given), `top_p`, `max_tokens`, `seed`, `num_choices`, `logprobs` and
    `top_logprobs`. Tools and other options have no effect on it.

    Args:
        path: the weights, a file that `TinyLM.save` wrote; `tinylm/base` has none.
    """

    def __init__(
        self,
        model_name: str,
        base_url: str | None = None,
        api_key: str | None = None,
        config: GenerateConfig = GenerateConfig(),  # noqa: B008  (Inspect's own signature)
        path: str | None = None,
        **model_args: Any,
    ) -> None:
        super().__init__(model_name, base_url, api_key, [], config)
        if model_args:
            raise BackendError(f"tinylm takes no model argument {', '.join(map(repr, model_args))}; it takes 'path'.")
        if (model_name == "base") != (path is None):
            raise BackendError(
                f"tinylm/{model_name} needs the file of its weights: set the model argument 'path'."
                if path is None
                else f"tinylm/base is the untrained model and has no weights, but 'path' is {path!r}."
            )
        from motools.tinylm.model import TinyLM

        self.model = TinyLM.base() if path is None else TinyLM.load(Path(path))
        self.asked: WeakKeyDictionary[ActiveSample, int] = WeakKeyDictionary()

    async def generate(
        self,
        input: list[ChatMessage],
        tools: list[ToolInfo],
        tool_choice: ToolChoice,
        config: GenerateConfig,
    ) -> ModelOutput:
        from motools.tinylm.text import tokenise

        messages = [{"role": message.role, "content": message.text} for message in input]
        call = self._call()
        answers = [
            self.model.generate(
                messages,
                temperature=config.temperature or 0.0,
                top_p=1.0 if config.top_p is None else config.top_p,
                max_tokens=config.max_tokens,
                seed=crc32(json.dumps([config.seed, *call, choice, messages]).encode()),
                top_logprobs=config.top_logprobs or 0,
            )
            for choice in range(config.num_choices or 1)
        ]
        read = sum(len(tokenise(message["content"])) for message in messages)
        written = sum(len(answer.tokens) for answer in answers)
        return ModelOutput(
            model=f"tinylm/{self.model_name}",
            choices=[self._choice(answer, bool(config.logprobs)) for answer in answers],
            usage=ModelUsage(input_tokens=read, output_tokens=written, total_tokens=read + written),
        )

    def _call(self) -> list[Any]:
        """What tells this call from others with the same messages: sample, epoch, and how many came before."""
        sample = sample_active()
        if sample is None:
            return []
        self.asked[sample] = before = self.asked.get(sample, -1) + 1
        return [sample.sample.id, sample.epoch, before]

    def _choice(self, answer: Generation, logprobs: bool) -> ChatCompletionChoice:
        content = [
            Logprob(
                token=token.text,
                logprob=token.logprob,
                bytes=list(token.text.encode()),
                top_logprobs=[TopLogprob(token=text, logprob=value) for text, value in token.top] or None,
            )
            for token in answer.tokens
        ]
        return ChatCompletionChoice(
            message=ChatMessageAssistant(content=answer.text, model=f"tinylm/{self.model_name}", source="generate"),
            stop_reason="stop" if answer.finished else "max_tokens",
            logprobs=Logprobs(content=content) if logprobs else None,
        )
