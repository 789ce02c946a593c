"""The benchmarks run and print what they promise; their verdicts need a quiet machine and are no test."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "benchmarks"
SMALLEST = {
    "startup": ["--repeats", "1"],
    "noop": ["--repeats", "1"],
    "change_last": ["--repeats", "1"],
    "parallel": ["--stages", "2"],
    "memory": ["--stages", "2", "--rows", "100"],
    "sweep": ["--sizes", "2,4", "--dvc", "2", "--repeats", "1"],
    "experiments": ["--repeats", "1"],
    "profile_1000": ["--sizes", "2,4"],
    "trace": ["--repeats", "1"],
    "large_atoms": ["--repeats", "1"],
    "join": ["--stages", "6"],
    "large_outputs": ["--repeats", "1", "--files", "20"],
    "history": ["--repeats", "1"],
    "executors": ["--steps", "4", "--workers", "1", "--what", "folder"],
}
AGAINST = {
    "startup": {"dvc --help"},
    "noop": {"dvc repro", "doit"},
    "change_last": {"dvc repro", "doit"},
    "parallel": {"the sleep"},
    "memory": {"the limit"},
    "sweep": {"dvc repro", "2 stages", "doit, a command a task", "doit, a function a task", "import yaml"},
    "experiments": {"the limit", "a step", "import yaml", "one folder"},
    "profile_1000": {"2 stages"},
    "trace": {"unobserved"},
    "large_atoms": {"the file", "md5sum"},
    "join": {"doit, a command a task", "doit, a function a task", "a second"},
    "large_outputs": {"dvc repro", "dvc checkout", "dvc add, after writing them", "dvc add again"},
    "history": {"a second"},
    "executors": {"here", "a step here"},
}


@pytest.mark.long
@pytest.mark.parametrize("name", SMALLEST)
def test_every_benchmark_prints_its_ratios_as_json(name: str) -> None:
    command = [sys.executable, str(FOLDER / f"{name}.py"), "--small", "--json", *SMALLEST[name]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"
    content = json.loads(done.stdout)
    assert content["benchmark"] == name
    assert {figure["against"] for figure in content["figures"]} == AGAINST[name]
    for figure in content["figures"]:
        assert figure["ratio"] == figure["ours"] / figure["peer"], name
        assert set(figure) >= {"what", "unit", "at_most", "met", "n"}, name


@pytest.mark.long
def test_the_intervals_hold_the_truth_about_95_times_in_100() -> None:
    """Of a thousand draws, three standard errors around what the page says of twenty thousand."""
    command = [sys.executable, str(FOLDER / "coverage.py"), "--draws", "1000", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)["figures"]
    asked = {"one share", "two shares, same questions"}
    assert {(each["what"], each["n"]) for each in figures} >= {(what, n) for what in asked for n in (8, 20, 100)}
    for each in figures:
        assert 0.92 <= each["held"]["all"] <= 0.985, each
        assert each["held"].keys() == {"all", "0.02", "0.5"}


def test_the_page_of_the_benchmarks_names_each() -> None:
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    helpers = {"all", "measure", "projects"}
    assert {path.stem for path in FOLDER.glob("*.py")} - helpers >= set(SMALLEST)
    for name in SMALLEST:
        assert f"`{name}.py`" in page, name
