"""YAML: we read what DVC reads, and what we write, DVC and readers of YAML 1.1 read back."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.utils.serialize import YAMLFileCorruptedError, dumps_yaml, parse_yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from motools.base import yaml12
from motools.base.yaml12 import reading, writing
from motools.errors import ConfigError

REFUSED = "refused"

_WORDS = """
1 1.0 +1 -0 00 07 08 010 0o7 0o17 0o8 0b101 0b2 0x1F 0xg 1_000 1__0 _1 1_ 123456789012345678901234567890
1e-4 1E5 1e5 1.5e3 -1e-4 1e+16 1e400 .5 -.5 +.5 .5e-3 .5e3 5. 1.e5 1.2.3 -0.0 0.e1 1e e5 1_0.5 .1_0
.inf -.inf +.inf .Inf .INF .nan .NaN .NAN -.nan inf nan Infinity
true True TRUE tRue false False FALSE yes Yes YES no No NO on On ON off Off OFF y Y n N
null Null NULL nUll ~ none None 12:30 1:30:00 190:20:30.15 10:20 0.1.2 1,000 -- + - . = ++1 -+1 0O7 0X1 -0x1F +0b1
a/b http://host:80/x gpt-4o-mini-2024-07-18 loaders:get_rows '' "" 'it''s' "\\u00e9\\n" %x a#b !!str
2020-01-01 2020-1-1 2020-01-01T10:00:00Z 2020-01-01T10:00:00 2020-01-01T10:00:00+02:00 2020-13-01
"""
WORDS = _WORDS.split()

TEXTS = [
    "",
    "\n# only a comment\n",
    "---\n",
    "a: 1\nb: [1, 2, {c: null}]\n",
    '{"a": [1, 2.5, {"b": null}], "c": true}',
    "- - 1\n  - 2\n- x\n",
    "a: |\n  x\n  y\n",
    "a: >-\n  x\n  y\n",
    "a: |+\n  x\n\n",
    "a: 'x\n\n  y'\n",
    "a: 0.1\r\nb: 2\r\n",
    "\ufeffa: 1\n",
    "é: ü\n日本: 語\n",
    "a: \U0001f600\n",
    "key with space: b # comment\n",
    "a:\n- 1\n- 2\n",
    "a: {x: 1,}\n",
    "a: {? x}\n",
    "2: a\ntrue: b\nnull: c\n2020-01-01: d\n",
    "a: &x {b: 1}\nc: *x\n",
    "a: &x {b: 1}\nc:\n  <<: *x\n  b: 2\n",
    "<<: [{a: 1}, {b: 2, a: 3}]\nc: 1\n",
    "y: &y {b: 0}\ntop:\n  deep: &x {<<: *y, b: 1}\nc: {<<: *x}\n",
    "'<<': 1\n",
    "a: !!int '3'\nb: !!str 3\nc: !!float 3\nd: !!bool yes\n",
    "a: !!binary aGk=\nb: !!set {x, y}\n",
    "a: 2020-01-01\n",
]

BROKEN = [
    "a: [1\n",
    "a: b: c\n",
    "a:\n\tb: 1\n",
    "a: 'x\n",
    "a: @x\n",
    "a: %x\n",
    "a: \x07\n",
    "a: *unknown\n",
    "a: 1\n---\nb: 2\n",
    "a:   \n  b: 1\n c: 2\n",
    "a: !unknown 1\n",
    "a: !!python/object:os.system {}\n",
    "a: !!bool perhaps\n",
    "a: !!timestamp never\n",
    "a: !!set [x]\n",
    "a: !!int x\n",
    "a: " + "9" * 5000,
]

REPEATED = [
    "a: 1\na: 2\n",
    "{a: 1, a: 2}",
    "a:\n  b: 1\n  c: 2\n  b: 3\n",
    "1: a\n01: b\n",
    "1: a\n1.0: b\n",
    "1: a\ntrue: b\n",
    "true: 1\nTrue: 2\n",
    "null: 1\n~: 2\n",
    "<<: {a: 1}\nb: 2\n<<: {c: 3}\n",
]


def ours(text: str) -> Any:
    try:
        return yaml12.loads(text) or {}
    except ConfigError:
        return REFUSED


def dvcs(text: str) -> Any:
    """DVC's own reading. Where a value is nonsense (the 13th month) ruamel raises what it will."""
    try:
        return parse_yaml(text, "params.yaml")
    except (YAMLFileCorruptedError, ValueError, LookupError, AttributeError):
        return REFUSED


def exact(value: Any) -> Any:
    """A value in which 1, 1.0 and True, 0.0 and -0.0, and two orders of keys differ, and nan equals itself."""
    if isinstance(value, dict):
        return ["dict", [(exact(key), exact(item)) for key, item in value.items()]]
    if isinstance(value, list):
        return [exact(item) for item in value]
    return (type(value), repr(value)) if isinstance(value, float) else (type(value), value)


@pytest.mark.parametrize("frame", ["a: {}\n", "[{}]\n", "{}: 1\n", "- {}\n", "{}\n"])
def test_a_scalar_is_read_as_dvc_reads_it(frame: str) -> None:
    for word in WORDS:
        text = frame.format(word)
        assert exact(ours(text)) == exact(dvcs(text)), text


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_is_read_as_dvc_reads_it(text: str) -> None:
    assert dvcs(text) != REFUSED
    assert exact(ours(text)) == exact(dvcs(text))


@settings(deadline=None)
@given(st.text("0123456789_+-.eExXoObBtTrRuUfFaAlLsSnNyY~:=<> ", min_size=1, max_size=7))
def test_any_scalar_is_read_as_dvc_reads_it(word: str) -> None:
    text = f"a: {word}\n"
    assert exact(ours(text)) == exact(dvcs(text))


KEYS = st.text(max_size=8) | st.sampled_from(["yes", "1", "1e-4", "null", "~", "<<", "=", "a: b", "#", "x" * 200])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    | st.sampled_from(WORDS)
    | st.text("\n \t:#-'\"\\é\x85\u2028\ufeff\x00\x1b\U0001f600a", max_size=12)
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3))


@settings(deadline=None)
@given(VALUES)
def test_what_is_written_reads_back_the_same_here_in_dvc_and_in_yaml_1_1(value: Any) -> None:
    text = yaml12.dumps({"a": value})
    assert exact(yaml12.loads(text)) == exact({"a": value})
    assert exact(dvcs(text)) == exact({"a": value})
    assert exact(yaml.safe_load(text)) == exact({"a": value})


LOCKED = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=90)
    | st.sampled_from([*WORDS, "python train.py --rate 1e-4 " * 4, "two\nlines", "a: b", "é" * 80]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
)


@settings(deadline=None)
@given(st.dictionaries(KEYS, LOCKED, max_size=3))
def test_a_lock_file_is_written_as_dvc_writes_it(value: Any) -> None:
    text = yaml12.dumps_lock(value)
    assert text == dumps_yaml(value)
    assert exact(yaml12.loads(text)) == exact(dvcs(text) or {})


def test_a_written_text_is_what_a_person_would_write() -> None:
    value = {"model": "gpt-4o", "rate": 0.00001, "word": "yes", "steps": [1, True, None], "é": "ü"}
    text = "model: gpt-4o\nrate: 1.0e-05\nword: 'yes'\nsteps:\n- 1\n- true\n- null\né: ü\n"
    assert yaml12.dumps(value) == text


def test_a_value_that_occurs_twice_is_written_twice() -> None:
    shared = {"b": 1}
    assert yaml12.dumps({"a": shared, "c": shared}) == "a:\n  b: 1\nc:\n  b: 1\n"


@pytest.mark.parametrize("text", BROKEN)
def test_broken_yaml_is_refused_as_dvc_refuses_it(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^params.yaml.*: not valid YAML: .+\.$"):
        yaml12.loads(text, "params.yaml")
    assert text.startswith("a: !!") or dvcs(text) == REFUSED


@pytest.mark.parametrize("text", REPEATED)
def test_a_key_that_stands_twice_is_refused_as_dvc_refuses_it(text: str) -> None:
    with pytest.raises(ConfigError, match="twice"):
        yaml12.loads(text)
    assert dvcs(text) == REFUSED


def test_an_error_says_where_it_is() -> None:
    with pytest.raises(ConfigError, match=r"^conf.yaml, line 2, column 3: not valid YAML: the key 'b' stands twice\.$"):
        yaml12.loads("{b: 1,\n  b: 2}", "conf.yaml")


def test_a_second_document_is_named_as_what_it_is() -> None:
    with pytest.raises(ConfigError, match=r"^p.yaml, line 2, column 1: not valid YAML: a line `---` begins a second"):
        yaml12.loads("a: 1\n---\nb: 1\n", "p.yaml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "a:\n  b: 1\n\tc: 2\n",
            "line 3, column 1: not valid YAML: a tab stands here, and YAML is indented with spaces",
        ),
        ("a:\n\tb: 1\n", "line 2, column 1: not valid YAML: a tab stands here"),
        ("a:\r\n  b: 1\r\n\tc: 2\r\n", "line 3, column 1: not valid YAML: a tab stands here"),
        ("a:\n   b: 1\n  c: 2\n", "line 3, column 3: not valid YAML: this line does not go on with what is above it"),
        ("a:\n  b: 1\n    c: 2\n", "line 3, column 6: not valid YAML: a colon stands where no key can be"),
        ("a: b: c\n", "line 1, column 5: not valid YAML: a colon stands where no key can be"),
        ("a: *star\n", "line 1, column 4: not valid YAML: `*` begins the name of an alias"),
        ("a: @home\n", "line 1, column 4: not valid YAML: no text begins with this character. Put it into quotes."),
        ("a: 1\nb 2\nc: 3\n", "line 2, column 1: not valid YAML: a key needs a colon"),
        ("a: 'b\nc: 1\n", "line 1, column 4: not valid YAML: a quote is opened here"),
        ("a: [1, 2\nb: 1\n", "line 1, column 4: not valid YAML: a bracket is opened here"),
        ("a: 1\nb: {c: 1 d: 2}\n", "line 2, column 4: not valid YAML: a brace is opened here"),
    ],
)
def test_what_people_mistype_is_said_in_their_words(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        yaml12.loads(text, "p.yaml")
    assert str(refused.value).startswith(f"p.yaml, {said}")


@pytest.mark.parametrize(
    "text",
    [
        "a: 1\n<<<<<<< HEAD\nb: 1\n=======\nb: 2\n>>>>>>> other\n",
        "a: 1\n<<<<<<< ours\nb: 1\n||||||| base\n=======\nb: 2\n>>>>>>> theirs\n",
        "a: 1\n<<<<<<<\n=======\n>>>>>>>\n",
        "a: 1\n<<<<<<< HEAD\r\nb: [1\r\n=======\r\n",
        "a: |\n  text\n<<<<<<< HEAD\n  other\n",
    ],
)
def test_what_a_merge_has_left_is_named_with_what_to_do(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^p.yaml, line [23]: a merge .*`git checkout --ours p.yaml` .*`git add`"):
        yaml12.loads(text, "p.yaml")


def test_text_that_looks_like_a_merge_s_and_is_valid_is_read() -> None:
    assert yaml12.loads("a: |\n  <<<<<<< HEAD\n") == {"a": "<<<<<<< HEAD\n"}


@pytest.mark.parametrize("head", ["%YAML 1.1\n---\n", "# a comment\n\n%YAML 1.1\n---\n"])
def test_a_text_that_asks_for_yaml_1_1_is_refused_since_dvc_would_read_other_values(head: str) -> None:
    assert dvcs(f"{head}a: yes\n") == {"a": True}
    with pytest.raises(ConfigError, match="Delete its line %YAML"):
        yaml12.loads(f"{head}a: yes\n")
    assert yaml12.loads("%YAML 1.2\n---\na: yes\n") == {"a": "yes"}
    assert yaml12.loads("a: |\n  %YAML 1.1\n") == {"a": "%YAML 1.1\n"}


def test_a_file_that_is_not_utf8_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes("a: é\n".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"params\.yaml: not valid YAML: it is not UTF-8"):
        yaml12.load(path)


def test_no_file_and_an_empty_file_are_nothing(tmp_path: Path) -> None:
    assert yaml12.load(tmp_path / "none.yaml") is None
    (tmp_path / "empty.yaml").touch()
    assert yaml12.load(tmp_path / "empty.yaml") is None


def test_reading_warns_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yaml12.loads('a: "\\x41"\nb: 0x10\n')


MANY = 50_000
HOSTILE = {
    "brackets": "[" * MANY + "]" * MANY,
    "brackets without end": "[" * MANY,
    "braces": "{a: " * MANY,
    "dashes": "- " * MANY,
    "keys that are mappings": "? " * MANY,
    "indented ever more": "\n".join(" " * n + f"a{n}:" for n in range(2_000)),
    "brackets after tags and dates": "- !!int 3\n- 2020-01-01\n- " + "[" * MANY,
    "aliases of aliases": "a0: &a0 [x, x]\n"
    + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 20)),
    "merged aliases of aliases": "a0: &a0 {x: 1}\n"
    + "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}], k{n}: 1}}\n" for n in range(1, 20)),
    "a chain of aliases": "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, MANY)),
    "an alias inside of itself": "a: &a [1, {b: *a}]",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_would_end_the_process_or_take_for_ever_is_refused_in_a_sentence_at_once(name: str) -> None:
    began = time.process_time()
    with pytest.raises(ConfigError, match=r"the file, line \d+, column \d+: .*\. Write it flatter\.$"):
        yaml12.loads(HOSTILE[name], "the file")
    assert time.process_time() - began < 10


def test_what_a_person_nests_and_repeats_is_read() -> None:
    deep = "[" * reading.DEPTH + "]" * reading.DEPTH
    assert yaml12.loads(deep) == json.loads(deep)
    shared = yaml12.loads("a: &a {x: [1, 2]}\nb: [*a, *a]\nc: {<<: *a, y: 2}\n")
    assert shared == {"a": {"x": [1, 2]}, "b": [{"x": [1, 2]}] * 2, "c": {"x": [1, 2], "y": 2}}


@pytest.mark.cold
def test_a_list_of_10_mb_takes_a_few_times_its_size_in_memory_and_time_in_proportion(tmp_path: Path) -> None:
    def cost(count: int) -> tuple[float, int]:
        path = tmp_path / "list.yaml"
        path.write_text("a:\n" + "".join(f"  - {number}\n" for number in range(count)))
        code = (
            "import resource, sys, time; from pathlib import Path; from motools.base.yaml12 import reading as yaml12\n"
            "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss; began = time.process_time()\n"
            "assert len(yaml12.load(Path(sys.argv[1]))['a']) == int(sys.argv[2])\n"
            "print(time.process_time() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
        )
        words = [sys.executable, "-c", code, str(path), str(count)]
        seconds, kilobytes = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
        return float(seconds), int(kilobytes)

    for _ in range(3):  # what else the machine does may count for one
        small, _ = cost(100_000)
        large, kilobytes = cost(1_000_000)
        if large < 40 * small:  # the square of ten would be 100
            break
    else:
        raise AssertionError((small, large))
    assert kilobytes < 200_000


# -- what is plain is written without YAML's own writer ------------------------------------------

ODD = (
    "true no on y null ~ << = 12 1.5 1e5 1e123456789012345678901234567890 12345678901234567890123456789012 0x1f 0o7 "
    "0b1 1_0 _1 +1 - -a .5 .inf ... --- 1:30 190:20:30 2024-01-01 a:b a: @a $x a#b ${item.at} é"
).split()
LETTERS = "abefn019_/.@=+,$-: oOxXtT"


@pytest.mark.parametrize("dumper", [writing._Dumper, writing._LockDumper])
def test_what_is_written_quickly_is_what_yaml_itself_would_write(dumper: Any) -> None:
    draw = random.Random(7)

    def word() -> str:
        if draw.random() < 0.2:
            return draw.choice([*ODD, "", "a: b", "a #b", "a  b", " a", "a ", "of two words"])
        return "".join(draw.choice(LETTERS) for _ in range(draw.choice([1, 3, 8, 40, 99, 140])))

    def value(depth: int) -> Any:
        kind = draw.random()
        if depth and kind < 0.3:
            return {word(): value(depth - 1) for _ in range(draw.randint(0, 3))}
        if depth and kind < 0.5:
            return [value(depth - 1) for _ in range(draw.randint(0, 3))]
        return draw.choice([word(), word(), word(), draw.randint(-5, 10**9), True, False, 0.5, 1e-7, 1e20])

    plain = writing._PLAIN_OF_LOCKS if dumper is writing._LockDumper else writing._PLAIN_OF_PEOPLE
    width = 80 if dumper is writing._LockDumper else 10**6
    quick = 0
    for _ in range(4000):
        content = {word(): value(2)}
        text = plain.text(content)
        if text is not None:
            quick += 1
            assert text == yaml.dump(
                content, Dumper=dumper, default_flow_style=False, sort_keys=False, allow_unicode=True, width=width
            )
    assert quick > 500
    for count in range(1, 30):  # where lines are broken
        content = {"a" * 30: {"b" * 5 * count: " ".join(["words"] * count)}}
        text = plain.text(content)
        assert text in (None, yaml.dump(content, Dumper=dumper, default_flow_style=False, sort_keys=False, width=width))
