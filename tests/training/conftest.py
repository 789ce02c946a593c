"""A project that trains at a server which speaks OpenAI's protocol: the scene of that trainer's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from openai_scene import Scene
from openai_server import OpenAIServer


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer(polls=3) as server:
        yield server


@pytest.fixture
def scene(project: Path, server: OpenAIServer) -> Scene:
    return Scene.lay(project, server)
