"""The trainers that need no PyTorch pass the suite of all trainers."""

from __future__ import annotations

from pathlib import Path

from guarantees import OfOpenAI, OfTinker, OfTinyLM, table


class TestOpenAI(OfOpenAI): ...


class TestTinker(OfTinker): ...


class TestTinyLM(OfTinyLM): ...


def test_the_page_has_the_table_of_the_guarantees() -> None:
    page = Path(__file__).parents[2] / "docs" / "write_a_trainer.md"
    assert table() in page.read_text(encoding="utf-8")
