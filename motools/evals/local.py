"""Models of this machine as an Inspect provider: `local/<id of one that was trained here>`, or `local/<base model>`.

Where vLLM is installed, it serves them (Inspect's `vllm/BASE:ADAPTER`), one server for all adapters of a base model;
else Transformers does (Inspect's `hf/`), with the adapter put on the base model.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from inspect_ai.model import ChatMessage, GenerateConfig, ModelAPI, ModelOutput
from inspect_ai.tool import ToolChoice, ToolInfo

from motools.errors import StepError
from motools.training.local.base import Base

__all__ = ["provider"]


def provider(with_vllm: bool) -> type[ModelAPI]:
    """The class that Inspect makes its models of."""
    return _with_vllm() if with_vllm else _with_transformers()


def _reached(name: str, args: dict[str, Any]) -> tuple[Base, Path | None]:
    """The base model, and the folder of what was trained, None where that is asked for itself; takes its own arguments
    out of the provider's.

    Raises:
        StepError: the base model is not the one that was trained on.
    """
    path, content = args.pop("path", None), args.pop("content", None)
    named, revision = args.pop("trained_on", None), args.pop("revision", None)
    base = Base.of(name) if named is None else Base(named, revision)
    if content is not None and (here := base.content()) != content:
        raise StepError(
            f"The base model {base.name} is another than when local/{name} was trained on it: its content is {here}, "
            f"and was {content}. Put the folder back as it was."
        )
    return base, Path(path).parent if path else None


def _is_adapter(folder: Path | None) -> bool:
    return folder is not None and (folder / "adapter_config.json").exists()


def _with_transformers() -> type[ModelAPI]:
    from motools.evals.private import HuggingFaceAPI
    from motools.training.local.loop import device_here

    class LocalAPI(HuggingFaceAPI):
        """Greedy unless a temperature above 0 is asked for. With one, answers depend on which questions are asked
        together, and a seed does not make them the same again."""

        def __init__(
            self,
            model_name: str,
            base_url: str | None = None,
            api_key: str | None = None,
            config: GenerateConfig = GenerateConfig(),  # noqa: B008  (Inspect's own signature)
            **model_args: Any,
        ) -> None:
            base, folder = _reached(model_name, model_args)
            whole = folder is not None and not _is_adapter(folder)
            given: dict[str, Any] = {
                "model_path": str(folder) if whole else base.source,
                "tokenizer_path": str(folder or base.source),
                "tokenizer_call_args": {"add_special_tokens": False},  # the chat template has them
                "use_safetensors": True,
                **({} if whole else base.how),
            }
            if "device" not in model_args:
                device_here()  # raises where the GPU cannot be used
            with base.told("weights"):
                super().__init__(model_name, base_url, api_key, config, **{**given, **model_args})
            if folder is not None and not whole:
                from peft import PeftModel

                self.model = PeftModel.from_pretrained(self.model, str(folder), torch_device=str(self.device))
            self.model.eval()

        async def generate(
            self, input: list[ChatMessage], tools: list[ToolInfo], tool_choice: ToolChoice, config: GenerateConfig
        ) -> ModelOutput:
            self.do_sample = bool(config.temperature)
            if not self.do_sample:
                config = config.model_copy(update={"temperature": None, "top_p": None, "top_k": None})
            return await super().generate(input, tools, tool_choice, config)

    return LocalAPI


def _with_vllm() -> type[ModelAPI]:
    from motools.evals.private import VLLMAPI

    class LocalAPI(VLLMAPI):
        """Keeps the model's own name in logs and results; greedy unless a temperature is asked for."""

        def __init__(
            self,
            model_name: str,
            base_url: str | None = None,
            api_key: str | None = None,
            config: GenerateConfig = GenerateConfig(),  # noqa: B008  (Inspect's own signature)
            **model_args: Any,
        ) -> None:
            base, folder = _reached(model_name, model_args)
            served = base.source if _is_adapter(folder) or folder is None else str(folder)
            adapter = f":{folder}" if _is_adapter(folder) else ""
            pinned = {"revision": base.revision} if base.revision and served == base.source else {}
            if config.temperature is None:
                config = config.model_copy(update={"temperature": 0.0})
            super().__init__(f"{served}{adapter}", base_url, api_key=api_key, config=config, **{**pinned, **model_args})
            self.model_name = model_name

    return LocalAPI
