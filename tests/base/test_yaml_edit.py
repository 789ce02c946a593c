"""Editing YAML text: it says what is wanted, and keeps what a person wrote."""

from __future__ import annotations

import io
from typing import Any

import pytest
import yaml
from dvc.utils.serialize import parse_yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from motools.base import values, yaml12, yaml_edit

MINE = """\
# A file of mine.

a: 1   # one
b: two
# about c
c:
  # about d
  d: 'three'  # quoted

  e:
    - 4   # four
    # five
    - 5
  f: |
    long
    text

  # about g
  g: {h: 6, i: [7, 8]}   # flow

# about j
j: null
k:
# the end
"""
START = {"a": 1, "b": "two", "c": {"d": "three", "e": [4, 5], "f": "long\ntext\n", "g": {"h": 6, "i": [7, 8]}}}
START |= {"j": None, "k": None}


def inside(**changes: Any) -> dict[str, Any]:
    """MINE's values with changes in `c`; None for what goes."""
    section = {**START["c"], **changes}  # type: ignore[dict-item]
    return {**START, "c": {name: value for name, value in section.items() if value != "gone"}}


@pytest.mark.parametrize(
    ("wanted", "before", "after"),
    [
        (START, "", ""),
        ({**START, "a": 2}, "a: 1   # one", "a: 2   # one"),
        ({**START, "a": True}, "a: 1   # one", "a: true   # one"),
        ({**START, "a": "1"}, "a: 1   # one", "a: '1'   # one"),
        ({**START, "a": []}, "a: 1   # one", "a: []   # one"),
        ({**START, "a": [1, {"x": 2}]}, "a: 1   # one\n", "a:   # one\n  - 1\n  - x: 2\n"),
        ({**START, "a": {"x": {"y": 1}}}, "a: 1   # one\n", "a:   # one\n  x:\n    y: 1\n"),
        ({**START, "b": "more\nlines"}, "b: two", 'b: "more\\nlines"'),
        ({**START, "k": 9}, "k:\n", "k: 9\n"),
        ({**START, "k": {"x": 1}}, "k:\n", "k:\n  x: 1\n"),
        ({**START, "j": "null"}, "j: null", "j: 'null'"),
        ({**START, "new": 1}, "k:\n", "k:\nnew: 1\n"),
        ({"first": 0, **START}, "a: 1", "first: 0\na: 1"),
        (
            {"a": 1, "x": 1, "y": {"z": []}, "b": "two", **START},
            "b: two",
            "x: 1\ny:\n  z: []\nb: two",
        ),
        ({name: value for name, value in START.items() if name != "a"}, "a: 1   # one\n", ""),
        ({name: value for name, value in START.items() if name != "k"}, "k:\n", ""),
        (inside(d=3), "d: 'three'  # quoted", "d: 3  # quoted"),
        (inside(d="gone"), "  d: 'three'  # quoted\n", ""),
        (inside(e=[4, 6]), "- 5", "- 6"),
        (inside(e=["yes", 5]), "- 4   # four", "- 'yes'   # four"),
        (inside(e=[4]), "  e:\n    - 4   # four\n    # five\n    - 5\n", "  e:\n    - 4\n"),
        (inside(e=0), "  e:\n    - 4   # four\n    # five\n    - 5\n", "  e: 0\n"),
        (inside(e="gone"), "  e:\n    - 4   # four\n    # five\n    - 5\n", ""),
        (inside(f="short"), "  f: |\n    long\n    text\n", "  f: short\n"),
        (inside(f="gone"), "  f: |\n    long\n    text\n", ""),
        (inside(f=[1]), "  f: |\n    long\n    text\n", "  f:\n    - 1\n"),
        (inside(g={"h": 1, "i": [7, 8]}), "{h: 6,", "{h: 1,"),
        (inside(g={"h": 6, "i": [7, 9]}), "[7, 8]}", "[7, 9]}"),
        (inside(g={"h": 6}), "  g: {h: 6, i: [7, 8]}   # flow\n", "  g:   # flow\n    h: 6\n"),
        (inside(g={}), "{h: 6, i: [7, 8]}", "{}"),
        (inside(g="gone"), "  g: {h: 6, i: [7, 8]}   # flow\n", ""),
        (inside(new=1), "   # flow\n", "   # flow\n  new: 1\n"),
        ({**START, "c": 3}, MINE[MINE.index("c:\n") : MINE.index("\n# about j")], "c: 3\n"),
        (
            {name: value for name, value in START.items() if name != "c"},
            MINE[MINE.index("c:\n") : MINE.index("\n# about j")],
            "",
        ),
    ],
)
def test_only_what_differs_is_touched(wanted: dict[str, Any], before: str, after: str) -> None:
    assert MINE.count(before) == 1 or before == after
    assert yaml_edit.updated(MINE, wanted) == MINE.replace(before, after, 1)


def test_a_number_that_ruamel_would_round_stays_exact() -> None:
    wanted = {"a": 2.645533193394365e16, "b": 2}
    assert yaml12.loads(yaml_edit.updated("{a: 2.645533193394365e+16, b: 1}", wanted)) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "{a: 1, b: two}",
        "a: 1",
        "a: 1\r\nb: two # x\r\n",
        "---\na: 1\n...\n",
        "a: &x 1\nb: *x\n",
        "x: &x {c: 1}\na: {<<: *x}\n",
        "? a\n: 1\n",
        '"a": !!int 1\n',
        "a: plain\n  text\nb: 'quoted\n\n  text'\n",
        "a: 'x\u2028y'\nb: 1\n",
        "\ufeffa: 1\n",
        "a:\n- 1\n- b: 1\n  c: 2\n",
        "a: >-\n  x\n\n\n# y\nb: |2-\n    x\n",
        "a: |\n  x\n  # no comment\n\n# comment\n",
        "    a: 1\n    b:\n       c: 1\n",
        "a: {\n  x: 1,  # one\n  y: 2\n}\n",
    ],
)
def test_any_layout_comes_to_say_what_is_wanted(text: str) -> None:
    for wanted in (START, {"a": [1, 2]}, {"a": {"x": 3}, "b": "é\n"}, {"b": {"c": 1}}, {"a": "two", "n": 1}):
        assert values.same_values(parse_yaml(yaml_edit.updated(text, wanted), "x"), wanted)


NAMES = st.sampled_from(["a", "b", "c", "on", "1", "x y", "é"])
SCALARS = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | st.text(max_size=5)
SCALARS |= st.sampled_from(["yes", "1e-4", "a: b", "# x", "- y", "two\nlines", "end\n", " pad ", "[", "1:30"])
VALUES = st.recursive(SCALARS, lambda v: st.lists(v, max_size=3) | st.dictionaries(NAMES, v, max_size=3), max_leaves=8)
MAPPINGS = st.dictionaries(NAMES, VALUES, min_size=1, max_size=4)


def by_ruamel(value: Any) -> str:
    stream = io.StringIO()
    YAML().dump(value, stream)
    return stream.getvalue()


@settings(deadline=None, max_examples=150)
@given(MAPPINGS, MAPPINGS, st.sampled_from([yaml12.dumps, by_ruamel, lambda v: yaml12.dumps(v, flow=True)]))
def test_every_text_comes_to_say_what_is_wanted_to_every_reader(before: Any, wanted: Any, write: Any) -> None:
    text = yaml_edit.updated(write(before), wanted)
    assert values.same_values(yaml12.loads(text), wanted)
    assert values.same_values(parse_yaml(text, "x"), wanted)
    fresh = "\n".join(line for name, value in wanted.items() for line in yaml_edit.lines(name, value)) + "\n"
    for read in (yaml12.loads, yaml.safe_load, lambda text: parse_yaml(text, "x")):
        assert values.same_values(read(fresh), wanted)


LEAVES = st.dictionaries(
    st.sampled_from("pqrs"), st.integers(0, 3) | st.lists(st.integers(0, 2), max_size=2), max_size=3
)
COMMENTED = st.dictionaries(st.sampled_from("abcd"), st.integers(0, 3) | LEAVES, min_size=1, max_size=4)


@settings(deadline=None, max_examples=150)
@given(COMMENTED, COMMENTED)
def test_a_comment_on_a_line_of_its_own_stays_unless_it_is_inside_of_what_goes(
    before: dict[str, Any], wanted: dict[str, Any]
) -> None:
    lines, kept = [], []
    for name, value in before.items():
        lines += [f"# about {name}", *yaml_edit.lines(name, value)]
        kept.append(f"# about {name}")
        if isinstance(value, dict) and value:
            lines.pop()
            while not lines[-1].startswith(f"{name}:"):
                lines.pop()
            for inner, item in value.items():
                lines += [f"  # about {name}.{inner}", *yaml_edit.lines(inner, item, 2)]
                if isinstance(wanted.get(name), dict) and wanted[name]:
                    kept.append(f"  # about {name}.{inner}")
    text = "\n".join([*lines, "# the end", ""])
    assert values.same_values(yaml12.loads(text), before)
    after = yaml_edit.updated(text, wanted)
    assert [line for line in after.splitlines() if line in kept] == kept
    assert after.endswith("# the end\n") or set(wanted) - set(before)
    assert values.same_values(yaml12.loads(after), wanted)
