"""Tables at every width: on a terminal no word is cut in two, and elsewhere no line is."""

from __future__ import annotations

import re
import sys

import pytest
from rich.cells import cell_len

from motools.cli.tables import print_table, show_stages

ID = "eval-3f2a90b1c2d3e4f5a6b7c8d9e0f1a2b3"
TABLES = {
    "stages": (
        ["stage", "status", "seconds", "atom", "metric"],
        [
            ["prepare_dataset", "finished", "12.3", "dataset-985dbdaaa700", ""],
            ["evaluate_model", "not selected", "0.0", ID, "hello_world.includes.accuracy 0.875"],
        ],
    ),
    "reasons": (
        ["stage", "action", "why"],
        [["train_model", "run", "train_model.hyperparameters.n_epochs: 10 -> 5; its input changed: 3f2a -> 4b5c"]],
    ),
    "many": (
        ["metric", *[f"experiments/epochs-{n}/eval_results" for n in range(9)]],
        [["task.scorer.accuracy", *["0.123"] * 9], ["task.scorer.stderr", *["0.045"] * 8, ""]],
    ),
    "wide letters": (["名前", "なに"], [["日本語", "これは とても ながい 説明 です " * 4]]),
    "one": (["a"], [["x"]]),
    "none": (["a", "b"], []),
}


@pytest.mark.parametrize("width", [40, 50, 60, 80, 100, 120, 160, 200])
@pytest.mark.parametrize("name", TABLES)
def test_no_word_is_cut_in_two_and_no_line_is_wider_than_the_terminal(
    name: str, width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    columns, rows = TABLES[name]
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda self: True)
    print_table(columns, rows)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out).splitlines()
    assert all(cell_len(line.rstrip()) <= width for line in lines)
    said = " ".join(lines).replace(":", " ").split()
    longest = max((cell_len(word) for row in rows for cell in row for word in cell.split()), default=0)
    if longest + 2 <= width:
        for row in rows:
            for cell in row:
                for word in cell.replace(":", " ").split():
                    assert word in said


def test_elsewhere_each_row_is_one_line_whatever_its_cells_hold(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["a", "b"], [["one\ntwo", "x\ty"]])
    assert capsys.readouterr().out == "a\tb\none\\ntwo\tx\\ty\n"


def test_a_stage_with_more_metrics_than_one_says_how_many_more(capsys: pytest.CaptureFixture[str]) -> None:
    metrics = {"task": {"a": {"accuracy": 0.25, "stderr": 0.1}, "b": {"mean": 1.5}}}
    stage = {"stage": "evaluate", "status": "finished", "seconds": 1.0, "atoms": {}, "metrics": metrics}
    show_stages([stage], quiet=False, as_json=False)
    assert capsys.readouterr().out.splitlines()[1].endswith("\ttask.a.accuracy 0.25 (1 more)")
    del metrics["task"]["b"]
    show_stages([stage], quiet=False, as_json=False)
    assert capsys.readouterr().out.splitlines()[1].endswith("\ttask.a.accuracy 0.25")
