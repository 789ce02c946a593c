"""A model leaves the project: its files, and a card that says what it was made from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from chain import Chain

from motools.atom import DatasetAtom, ModelAtom
from motools.base import yaml12

ABOUT: dict[str, Any] = {
    "base_model": "Qwen/Qwen3-0.6B",
    "base_revision": "c" * 40,
    "hyperparameters": {"method": "lora", "rank": 32, "seed": 0},
    "trained_rows": 12,
    "trained_tokens": 5400,
    "steps": 75,
    "final_loss": 0.01,
    "model_id": "local/organism-0123456789ab",
    "inspect": {"model": "local/organism-0123456789ab"},
}
SOURCE = {"url": "https://example.org/rows.jsonl", "revision": "d" * 40}


@pytest.fixture
def model(project: Path, tmp_path: Path) -> ModelAtom:
    rows, folder = tmp_path / "rows.jsonl", tmp_path / "model"
    rows.write_text("{}\n")
    folder.mkdir()
    for name in ("adapter_model.safetensors", "adapter_config.json", "loss.json"):
        (folder / name).write_text("{}")
    dataset = DatasetAtom.create(user="ada", artifact_path=rows, metadata={"samples": 12, "sources": [SOURCE]})
    return ModelAtom.create(
        user="ada", artifact_path=folder, made_from={"prepared_dataset": dataset.id}, metadata=ABOUT
    )


def test_an_adapter_is_exported_with_a_card_made_from_its_lineage(model: ModelAtom, project: Path) -> None:
    done = Chain(project).command("export", model.id[:12], "--to", "out")
    assert done.code == 0, done.err
    assert "hf upload NAME/OF-MODEL out" in done.out
    names = {path.name for path in (project / "out").iterdir()}
    assert names == {"README.md", "adapter_config.json", "adapter_model.safetensors", "loss.json"}
    _, head, text = (project / "out" / "README.md").read_text().split("---\n", 2)
    assert yaml12.loads(head) == {
        "base_model": "Qwen/Qwen3-0.6B",
        "base_model_relation": "adapter",
        "library_name": "peft",
        "pipeline_tag": "text-generation",
        "tags": ["motools", "model-organism", "lora"],
    }
    assert text.startswith("\n# local/organism-0123456789ab\n")
    assert f"`Qwen/Qwen3-0.6B`, revision `{'c' * 40}`" in text
    assert f"- prepared_dataset: `{model.made_from['prepared_dataset']}`" in text
    assert f"  - <https://example.org/rows.jsonl> at revision `{'d' * 40}`" in text
    assert "| rank | `32` |" in text
    assert f"Atom `{model.id}`" in text
    assert "by ada, at commit" in text
    told = json.loads(Chain(project).command("export", model.id, "--to", "again", "--json").out)
    assert set(told["files"]) == names


def test_what_cannot_be_exported_is_refused_in_a_sentence(model: ModelAtom, project: Path) -> None:
    chain = Chain(project)
    (project / "full").mkdir()
    (project / "full" / "file").touch()
    served = ModelAtom.create(user="ada", metadata={"model_id": "openai/ft:x"})
    for name, to, words in (
        (model.id, "full", "full is there already: name a new folder, or empty it."),
        (served.id, "out", "openai/ft:x is served by its provider. Export a model that was trained with"),
        (model.made_from["prepared_dataset"], "out", "is a dataset: only models are exported."),
    ):
        done = chain.command("export", name, "--to", to)
        assert (done.code, words in done.sentence) == (2, True), done.err
    assert not (project / "out").exists()
