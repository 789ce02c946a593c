"""What the provider's list of models says of the day on which each is switched off."""

from __future__ import annotations

import os
from datetime import date

from motools.base.foreign_text import read_json
from motools.training.openai.api import DEFAULT_URL
from motools.zoo.checks import OFFLINE, says_yes

__all__ = ["shutdown_dates"]

TIMEOUT = 5.0
"""Seconds that the list may take: it warns, and nothing waits for a warning."""


def shutdown_dates() -> dict[str, date]:
    """Model -> its `shutdown_date`, of those that have one; empty where the server tells none or cannot be asked.

    One GET, with the key of the environment; without a key, or with MOTOOLS_OFFLINE, none.
    """
    key = os.environ.get("OPENAI_API_KEY", "").strip()
    if not key or says_yes(OFFLINE):
        return {}
    import httpx  # what OpenAI's own client asks with: the same proxies, and a tenth of its time to import

    headers = {"Authorization": f"Bearer {key}"}
    for variable, header in (("OPENAI_ORG_ID", "OpenAI-Organization"), ("OPENAI_PROJECT_ID", "OpenAI-Project")):
        if value := os.environ.get(variable):
            headers[header] = value
    address = (os.environ.get("OPENAI_BASE_URL") or DEFAULT_URL).rstrip("/")
    try:
        answer = httpx.get(f"{address}/models", headers=headers, timeout=TIMEOUT).raise_for_status()
        models = read_json(answer.content)["data"]
        return {
            model["id"]: date.fromisoformat(model["shutdown_date"]) for model in models if model.get("shutdown_date")
        }
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError, AttributeError, ImportError):
        return {}
