"""What `motools compare` prints: the same figures on a terminal, as LaTeX, Markdown, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from motools.atom import DatasetAtom, EvalAtom, ModelAtom
from motools.cli.app import main

Call = Callable[..., Any]


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    def call(*words: str) -> tuple[Any, str, str]:
        monkeypatch.setattr(sys, "argv", ["motools", "compare", *words])
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            main()
        return (caught.value.code or 0, *capsys.readouterr())

    return call


@pytest.fixture
def arms(project: Path, tmp_path: Path) -> list[str]:
    """Two arms of three trainings, of a score whose name is hard to write; the first word of each is its name."""
    dataset = DatasetAtom.create(user="ada")
    words = []
    for arm, hits in (("control:", (1, 2, 1)), ("organism:", (7, 8, 6))):
        words.append(arm)
        for seed, right in enumerate(hits):
            about = {"model_id": f"{arm}{seed}", "hyperparameters": {"seed": seed}}
            model = ModelAtom.create(user="ada", metadata=about, made_from={"dataset": dataset.id})
            folder = tmp_path / f"{arm[:-1]}{seed}"
            folder.mkdir()
            samples = [
                {"id": f"q{n}", "epoch": 1, "input": "?", "scores": {"a_b|50%": {"value": int((3 * n) % 10 < right)}}}
                for n in range(10)
            ]
            (folder / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in samples))
            (folder / "metrics.json").write_text(
                json.dumps({"t": {"a_b|50%": {"accuracy": right / 10, "stderr": 0.1}}})
            )
            words.append(EvalAtom.create(user="ada", artifact_path=folder, made_from={"model": model.id}).id)
    return words


def test_the_figures_are_the_same_in_every_form(arms: list[str], printed: Call) -> None:
    told = json.loads(printed(*arms, "--json", "--margin", "0.1")[1])
    control, organism = (line for line in told["lines"] if line["metric"].endswith("accuracy"))
    assert (control["arm"], organism["arm"], control["trainings"]) == ("control", "organism", 3)
    difference = organism["difference"]
    assert difference["value"] == pytest.approx(17 / 30)
    assert told["differences"] == [{"metric": organism["metric"], "arm": "organism", **difference}]
    assert (told["family"], told["margin"], difference["same_seeds"], difference["seeds"]) == (1, 0.1, True, [3, 3])

    rows = list(csv.DictReader(io.StringIO(printed(*arms, "--csv", "--margin", "0.1")[1])))
    assert [row["arm"] for row in rows] == ["control", "organism"] * 2
    assert float(rows[1]["difference_trainings_low"]) == difference["trainings"]["low"]
    assert float(rows[1]["difference_p_holm"]) == difference["p_holm"]
    assert float(rows[1]["difference_p_within"]) == difference["p_within"]
    assert rows[0]["difference"] == rows[3]["low"] == ""
    alone = csv.DictReader(io.StringIO(printed(arms[1], "--csv")[1]))
    assert alone.fieldnames == [*rows[0]], "whatever is compared"

    code, plain, notes = printed(*arms, "--margin", "0.1")
    head, first, second, *_ = (line.split("\t") for line in plain.splitlines())
    assert code == 0
    assert head == (
        "metric,arm,value,95 % interval,over trainings,n,trainings,difference,its 95 % interval,"
        "its interval over trainings,p,Holm's p,p\\, no more than 0.1,Holm's p of that,at most,detectable,samples"
    ).replace("\\,", ";").replace(",", "\t").replace(";", ",").split("\t")
    assert first[7:] == [""] * 10
    assert second[:3] == ["t.a_b|50%.accuracy", "organism", "0.7"]
    assert second[8] == f"{difference['low']:.3g} to {difference['high']:.3g}"
    assert second[-1] == "10 paired, by seed"
    assert notes.splitlines() == told["notes"]


def test_latex_and_markdown_have_a_cell_for_each_column_and_nothing_that_they_would_take_for_their_own(
    arms: list[str], printed: Call
) -> None:
    lines = printed(*arms, "--latex")[1].splitlines()
    (columns,) = re.findall(r"tabular}{([lr]+)}", lines[1])
    body = [line for line in lines if line.endswith(r"\\")]
    assert {len(re.split(r"(?<!\\)&", line)) for line in body} == {len(columns)}
    assert [line.partition(" &")[0] for line in body[1:3]] == [r"t.a\_b|50\%.accuracy"] * 2
    assert [line for line in lines if re.search(r"(?<!\\)%", line) and not line.startswith("% ")] == []
    assert lines[lines.index(r"\end{tabular}") + 1].startswith("% p, at most and detectable")

    text = printed(*arms, "--markdown")[1]
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.split(r"(?<!\\)\|", line)) for line in table} == {len(columns) + 2}
    assert r"t.a\_b\|50%.accuracy" in table[2]
    assert "Detectable: a true difference of this size" in text


@pytest.mark.parametrize("width", [40, 80, 130, 250])
def test_on_a_terminal_the_differences_stand_below_where_they_do_not_fit_beside(
    width: int, arms: list[str], printed: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda self: True)
    out = re.sub(r"\x1b\[[0-9;]*m", "", printed(*arms)[1])
    assert all(cell_len(line.rstrip()) <= width for line in out.splitlines())
    heads = sum(line.startswith("metric") for line in out.splitlines())
    assert heads == {40: 0, 80: 1, 130: 2, 250: 1}[width], "narrower still, a figure a line"
    assert out.count("detectable") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["{0}", "a:"], "stands before the first arm"),
        (["a:", "b:", "{0}"], "The arm 'a' has no evaluation"),
        (["a:", "{0}", "a:", "{1}"], "The arm 'a' stands twice"),
        (["a:", "{0}", "{0}"], "The arm 'a' has 2 evaluations of one model"),
        (["{0}", "{1}", "--csv", "--json"], "--csv and --json are two forms of one table"),
        (["{0}", "{1}", "--margin", "-1"], "A margin of -1 holds no difference"),
        (["{0}", "{1}", "--primary", "accuracy"], "--primary accuracy: the evaluations have no such metric"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_a_sentence(
    words: list[str], said: str, arms: list[str], printed: Call
) -> None:
    code, out, err = printed(*(word.format(arms[1], arms[2]) for word in words))
    assert (code, out) == (2, "")
    assert said in err
