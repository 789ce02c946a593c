"""Fingerprints of programs made at random: an equal digest means an equal result."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from fingerprint_cases import write
from hypothesis import given, settings
from hypothesis import strategies as st

from motools import fingerprint
from motools.code import Place
from motools.repo import Project

# Programs of statements that bind, change and use a few names in two files; one literal or two statements
# of them differ. Whatever that does to the result, an unchanged digest must mean an unchanged result.

NUMBER = st.integers(0, 9).map(str)
NAME = st.sampled_from("A B C D".split())
FUNCTION = st.sampled_from("f g h".split())
STATEMENT = st.one_of(
    st.builds("{0} = [{1}]".format, NAME, NUMBER),
    st.builds("{0} = [{1}]".format, NAME, NUMBER),
    st.builds("{0}.append({1})".format, NAME, NUMBER),
    st.builds("{0} += [{1}]".format, NAME, NUMBER),
    st.builds("{0} = {1}".format, NAME, NAME),
    st.builds("{0} = [{1}, {2}]".format, NAME, NAME, NUMBER),
    st.builds("for n in range(2): {0}.append(n + {1})".format, NAME, NUMBER),
    st.builds("for {0} in [{1}]: {0}.append({2})".format, NAME, NAME, NUMBER),
    st.builds("if {0}: {1} = [{2}]\nelse: {1} = [{3}]".format, NUMBER, NAME, NUMBER, NUMBER),
    st.builds("try: {0} = {1}[{2}]\nexcept Exception: {0} = [{3}]".format, NAME, NAME, NUMBER, NUMBER),
    st.builds("def {0}(): return [{1}, {2}]".format, FUNCTION, NAME, NUMBER),
    st.builds("def {0}(): {1}.append({2}); return {1}".format, FUNCTION, NAME, NUMBER),
    st.builds("def {0}():\n    global {1}\n    {1} = [{2}]\n    return {1}".format, FUNCTION, NAME, NUMBER),
    st.builds("def {0}(): return {1}()".format, FUNCTION, FUNCTION),
    st.builds("def {0}({1}=[{2}]): {3} = {1}; return [{1}, {3}]".format, FUNCTION, NAME, NUMBER, NAME),
    st.builds("{0} = {1}()".format, NAME, FUNCTION),
    st.builds("{0}()".format, FUNCTION),
    st.builds("{0}().append({1})".format, FUNCTION, NUMBER),
    st.builds("{0}.x = {1}".format, FUNCTION, NUMBER),
    st.builds("{0} = [getattr({1}, 'x', {2})]".format, NAME, FUNCTION, NUMBER),
    st.builds("class {0}:\n    x = {1}\n    def __new__(cls): return [cls.x, {2}]".format, FUNCTION, NUMBER, NAME),
    st.builds("{0} = [{1} for {1} in {2} + [{3}]]".format, NAME, NAME, NAME, NUMBER),
    st.builds("[{0} := [n] for n in [{1}]]".format, NAME, NUMBER),
    st.builds("match {0}:\n    case [{1}, *rest]: {1} = [{2}, rest]".format, NAME, NAME, NUMBER),
    st.builds("fill = lambda rows, n={0}: rows.append(n)\nfill({1})".format, NUMBER, NAME),
    st.builds("del {0}".format, NAME),
)
OF_OTHER = st.one_of(
    st.builds("from other import {0}".format, NAME | FUNCTION),
    st.builds("from other import *".format),
    st.builds("import other\nother.{0} = [{1}]".format, NAME, NUMBER),
    st.builds("import other\nother.{0}.append({1})".format, NAME, NUMBER),
    st.builds("import other\n{0} = other.{1}()".format, NAME, FUNCTION),
)
START = "\n".join(["A, B, C, D = [1], [2], [3], [4]", *(f"def {f}(): return [0]" for f in "fgh")])


def guarded(statements: list[str]) -> str:
    """Each statement on its own: one that fails does nothing, as far as that goes."""
    lines = [f"try:\n    {text}\nexcept Exception: pass" for text in (t.replace("\n", "\n    ") for t in statements)]
    return "\n".join([START, *lines])


@st.composite
def programs(draw: Any) -> tuple[dict[str, str], dict[str, str]]:
    """A program and one that differs from it in a number, or in the order of two statements."""
    other = draw(st.lists(STATEMENT, max_size=4))
    steps = draw(st.lists(STATEMENT | OF_OTHER, min_size=1, max_size=6))
    both = [*((0, text) for text in other), *((1, text) for text in steps)]
    places = [(n, match.span()) for n, (_, text) in enumerate(both) for match in re.finditer(r"\b\d\b", text)]
    after = list(both)
    if places and draw(st.booleans()):
        n, (start, end) = draw(st.sampled_from(places))
        after[n] = (both[n][0], both[n][1][:start] + "7" + both[n][1][end:])
    else:
        n = draw(st.integers(0, len(both) - 1))
        after.insert(draw(st.integers(0, len(both) - 1)), after.pop(n))
    last = draw(st.builds("def step(): return [{0}, {1}(), {2}, other.{3}]".format, NAME, FUNCTION, NAME, NAME))
    return tuple(  # type: ignore[return-value]
        {
            "other.py": guarded([text for file, text in each if file == 0]),
            "steps.py": guarded([text for file, text in each if file == 1]) + f"\nimport other\n{last}\n",
        }
        for each in (both, after)
    )


def outcome(folder: Path) -> str:
    """What the step returns, in modules that are gone afterwards."""
    sys.path.insert(0, str(folder))
    try:
        spec: dict[str, Any] = {"__name__": "steps"}
        exec((folder / "steps.py").read_text(), spec)
        try:
            return repr(spec["step"]())
        except Exception as error:
            return repr(error)
    finally:
        sys.path.remove(str(folder))
        sys.modules.pop("other", None)


def digest_of(folder: Path) -> str:
    return fingerprint.of_reference(
        folder / "steps.py", "step", fingerprint.Sources(Place(Project(folder), folder))
    ).digest


@settings(deadline=None, max_examples=150)
@given(programs())
def test_an_equal_digest_means_an_equal_result(
    tmp_path_factory: pytest.TempPathFactory, pair: tuple[dict[str, str], dict[str, str]]
) -> None:
    root = tmp_path_factory.mktemp("programs")
    before, after = (write(root / name, files) for name, files in zip(("before", "after"), pair, strict=True))
    if digest_of(before) == digest_of(after):
        assert outcome(before) == outcome(after)
