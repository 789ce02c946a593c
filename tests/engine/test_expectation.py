"""How far a run is and how long it may take, and a display that fits every terminal."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from motools.engine.expectation import Expectation, share_of
from motools.engine.progress import Display


@pytest.mark.parametrize(
    ("said", "share"),
    [
        ("greets: sample 12/20", 0.6),
        ("epoch 3/3 loss 0.1", 1.0),
        ("step 1/4 of round 2/4", 0.5),
        ("no number", None),
        ("0/5", None),
        ("7/3", None),
        ("on 2026/11/27", None),
        ("rate 1.5/2", None),
        ("", None),
    ],
)
def test_how_much_is_done_by_what_a_step_says(said: str, share: float | None) -> None:
    assert share_of(said) == share


def test_what_is_left_is_told_by_what_stages_took_before_and_say_now() -> None:
    asked = []

    def before(stage: str) -> float | None:
        asked.append(stage)
        return {"prepare": 2.0, "train@seed=0": 10.0}.get(stage)

    run = Expectation(["prepare", "train@seed=0", "train@seed=1"], before)
    assert (run.done, run.total) == (0, 3)
    assert run.left({"prepare": (1.0, "")}) == 1 + 10 + 10
    run.ended("prepare", 2.0)
    assert run.left({"train@seed=0": (4.0, ""), "train@seed=1": (0.0, "")}) == pytest.approx(10)
    assert run.left({"train@seed=0": (4.0, "epoch 1/2"), "train@seed=1": (0.0, "")}) == pytest.approx(10)
    run.ended("train@seed=0", 20.0)
    assert run.left({"train@seed=1": (5.0, "")}) == pytest.approx(15)  # as long as its sister
    assert run.left({"train@seed=1": (30.0, "")}) == 0
    run.ended("train@seed=1")
    assert (run.done, run.left({})) == (3, None)
    assert asked == ["prepare", "train@seed=0"]


def test_nothing_is_guessed_of_what_nobody_knows() -> None:
    run = Expectation(["a", "b"], lambda stage: 3.0 if stage == "a" else None)
    assert run.left({"a": (1.0, "")}) is None
    run.ended("b")
    assert run.left({"a": (1.0, "")}) == 2


@pytest.mark.parametrize("width", [40, 80, 200])
def test_the_display_fits_the_terminal_and_tells_what_matters(width: int, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("a very long line that a step says of what it is doing just now: sample 12/20, " + "and so on " * 30)
    display = Display("quiet")
    display.expects(["prepare", "train_model@learning_rate=0.0001,seed=2", "evaluate"], lambda stage: 60.0)
    display.started("prepare", (), log)
    display.finished("prepare", 60.0)
    display.started("train_model@learning_rate=0.0001,seed=2", (), log)
    display._console = screen = Console(width=width, file=io.StringIO(), force_terminal=False)
    screen.print(display.now())
    lines = screen.file.getvalue().splitlines()
    assert len(lines) == 2
    assert all(len(line) <= width for line in lines)
    assert "train_model" in lines[0]
    assert "0 s" in lines[0]
    assert "a very" in lines[0]
    assert lines[1].startswith("1 of 3 done, about 1 min left")
    display.answered("train_model@learning_rate=0.0001,seed=2", "restored")
    display.skipped("evaluate", "needs what failed")
    assert "left" not in str(display.now().renderables)
