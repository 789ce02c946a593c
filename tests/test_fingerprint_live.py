"""Fingerprints of functions as they are at run time: closures, partials, decorators."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from fingerprint_cases import LIVE_CHANGES, LIVE_SAME, version, write
from motools.fingerprint import Fingerprint

from motools import code, fingerprint
from motools.code import Place
from motools.errors import WorkflowError
from motools.repo import Project


@pytest.fixture
def project(bare_project: Path) -> Path:
    return bare_project


def of_loaded(project: Path, source: str, others: dict[str, str] | None = None, name: str = "step") -> Fingerprint:
    """The fingerprint of a function that was loaded from a folder of its own."""
    folder = project / f"f{len(list(project.iterdir()))}"
    write(folder, {"made.py": source, **(others or {})})
    place = Place(Project.find(folder), folder)
    fn = code.load(f"made.py:{name}", place)
    found = fingerprint.of_function(fn, fingerprint.Sources(place))
    for module in ("made", *(Path(other).stem for other in others or {})):
        sys.modules.pop(module, None)
    assert found is not None
    return found


def live(project: Path, text: str) -> list[str]:
    versions = [version(text, number) for number in (0, 1)]
    return [of_loaded(project, files.pop("steps.py"), files).digest for files in versions]


@pytest.mark.parametrize("case", LIVE_CHANGES)
def test_a_loaded_function_changes_with(project: Path, case: str) -> None:
    before, after = live(project, LIVE_CHANGES[case])
    assert before != after


@pytest.mark.parametrize("case", LIVE_SAME)
def test_a_loaded_function_does_not_change_with(project: Path, case: str) -> None:
    before, after = live(project, LIVE_SAME[case])
    assert before == after


@pytest.mark.parametrize(
    "value", ["object()", "__import__('pathlib').Path('x')", "b'a'", "[1, [object()]]", "[].append"]
)
def test_what_has_no_stable_text_is_refused_with_what_to_do(project: Path, value: str) -> None:
    for source in (
        f"def make(n):\n    def step(): return n\n    return step\nstep = make({value})",
        f"from functools import partial\ndef f(n): return n\nstep = partial(f, {value})",
    ):
        with pytest.raises(WorkflowError, match=r"holds a \w+, .* Put it into the step's config\.$"):
            of_loaded(project, source)


def test_a_function_that_holds_itself_or_nothing_yet_has_a_fingerprint(project: Path) -> None:
    source = """
def make(n):
    def step(): return n and (step(), late)
    if n < 0: late = 1
    return step
step = make({})
"""
    digests = [of_loaded(project, source.replace("{}", n)).digest for n in ("1", "1", "2")]
    assert digests[0] == digests[1] != digests[2]


def test_installed_code_has_no_fingerprint_of_its_own(project: Path) -> None:
    place = Place(Project.find(), project)
    for fn in (json.dumps, json.JSONEncoder, partial(json.dumps, indent=2), len, dict):
        assert fingerprint.of_function(fn, fingerprint.Sources(place)) is None
    assert fingerprint.of_arguments(json.dumps, fingerprint.Sources(place)) is None
    given = [fingerprint.of_arguments(partial(json.dumps, indent=n), fingerprint.Sources(place)) for n in (2, 3)]
    assert None not in given
    assert given[0] != given[1]


def test_a_script_and_the_module_it_is_give_one_fingerprint(project: Path) -> None:
    source = """
from pathlib import Path
from motools import fingerprint
from motools.code import Place
from motools.repo import Project
LIMIT = 3
def make(n):
    def step(): return n + LIMIT
    return step
step = make(4)
if __name__ == "__main__":
    print(fingerprint.of_function(step, fingerprint.Sources(Place(Project.find(), Path.cwd()))).digest)
"""
    write(project, {"script.py": source})
    said = subprocess.run([sys.executable, "script.py"], capture_output=True, text=True, check=True).stdout.strip()
    place = Place(Project.find(), project)
    found = fingerprint.of_function(code.load("script.py:step", place), fingerprint.Sources(place))
    assert found is not None
    assert found.digest == said
