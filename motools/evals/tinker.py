"""Models at Tinker as an Inspect provider: `tinker/<base model>`, or `tinker/<the id of one that was trained there>`.

Asked through the OpenAI-compatible endpoint of the server that TINKER_BASE_URL names, with TINKER_API_KEY.
"""

from __future__ import annotations

import os
from typing import Any

from inspect_ai.model import GenerateConfig

from motools.evals.private import OpenAICompatibleAPI
from motools.training.tinker.serving import endpoint, path_of

__all__ = ["TinkerAPI"]


class TinkerAPI(OpenAICompatibleAPI):
    """Keeps the model's own name in logs and results; the server is asked by the path of its weights."""

    def __init__(
        self,
        model_name: str,
        base_url: str | None = None,
        api_key: str | None = None,
        config: GenerateConfig = GenerateConfig(),  # noqa: B008  (Inspect's own signature)
        **model_args: Any,
    ) -> None:
        self.path = path_of(model_name)
        super().__init__(
            model_name,
            base_url or endpoint(),
            api_key or os.environ.get("TINKER_API_KEY"),
            config,
            service="Tinker",
            **model_args,
        )

    def service_model_name(self) -> str:
        return self.path

    def canonical_name(self) -> str:
        return self.model_name
