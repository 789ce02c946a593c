"""Tests that need PyTorch: `make test-local` runs them, and no other target collects them."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest
from local_scene import Alone, make_model

collect_ignore_glob = ["test_*"] if importlib.util.find_spec("torch") is None else []


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch

    torch.set_num_threads(1)  # of small models the second thread makes nothing but work
    return make_model(tmp_path_factory.mktemp("models") / "base")


@pytest.fixture
def alone(base: Path, tmp_path: Path) -> Alone:
    folder = tmp_path / "alone"
    shutil.copytree(base, folder / "base")
    return Alone(folder)
