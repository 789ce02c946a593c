"""Configs: what a section may say, what is refused, and in which words."""

from __future__ import annotations

import datetime
import decimal
import enum
import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motools.base.configs import StepConfig, as_values, parse, schema
from motools.definition.config import Code, Name, marked
from motools.errors import ConfigError


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Optimizer(StepConfig):
    """A section inside a section."""

    steps: int = 1
    """How many steps."""
    schedule: list[int] = field(default_factory=list)


@dataclass
class Config(StepConfig):
    """One field of each kind."""

    count: int = 3
    """How many."""
    rate: float = 0.5
    """How fast."""
    name: str = "x"
    on: bool = False
    limit: int | None = None
    size: Literal["small", "large"] = "small"
    colour: Colour = Colour.RED
    pair: tuple[int, str] = (1, "a")
    many: tuple[int, ...] = ()
    rates: list[float] = field(default_factory=list)
    optimizer: Optimizer = field(default_factory=Optimizer)
    """How it is optimised."""
    other: Optimizer | None = None
    free: dict[str, Any] = field(default_factory=dict)


@dataclass
class Derived(Config):
    """Another default of an inherited field, and one field more."""

    count: int = 4
    extra: str = "e"
    """What is more."""


@dataclass
class Named(StepConfig):
    """A field without a default, one that names code, one that names a trainer."""

    model: str
    loader: Code = "module:function"
    backend: Name("trainer") = "dummy"  # type: ignore[valid-type]


@pytest.mark.parametrize(
    ("key", "value", "kept"),
    [
        ("rate", 3, 3.0),
        ("rate", -2.5e-9, -2.5e-9),
        ("rates", [1, 2.5], [1.0, 2.5]),
        ("count", 10**30, 10**30),
        ("limit", None, None),
        ("limit", 2, 2),
        ("size", "large", "large"),
        ("colour", "blue", "blue"),
        ("pair", [2, "b"], [2, "b"]),
        ("pair", (2, "b"), [2, "b"]),
        ("many", [1, 2, 3], [1, 2, 3]),
        ("optimizer", {"steps": 2}, {"steps": 2, "schedule": []}),
        ("other", {"schedule": [1]}, {"steps": 1, "schedule": [1]}),
        ("free", {"a": [1, 1.0, True, None, {"b": "3"}]}, {"a": [1, 1.0, True, None, {"b": "3"}]}),
        ("name", 'né\n日本 \\ "', 'né\n日本 \\ "'),
    ],
)
def test_a_value_of_the_right_kind_is_kept_exactly(key: str, value: Any, kept: Any) -> None:
    values = as_values(parse(Config, {key: value}, "step"))
    assert json.dumps(values[key]) == json.dumps(kept)  # tells 1, 1.0 and true apart


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("count", "3", '"3" should be a valid integer'),
        ("count", 3.0, "3.0 should be a valid integer"),
        ("count", True, "true should be a valid integer"),
        ("count", None, "null should be a valid integer"),
        ("rate", "0.5", '"0.5" should be a valid number'),
        ("rate", True, "true should be a valid number"),
        ("rate", None, "null should be a valid number"),
        ("name", 1, "1 should be a valid string. Put it in quotes."),
        ("name", ["a"], '["a"] should be a valid string.'),
        ("name", None, "null should be a valid string"),
        ("on", 1, "1 should be a valid boolean"),
        ("on", "true", '"true" should be a valid boolean'),
        ("limit", "2", '"2" should be a valid integer'),
        ("limit", 2.0, "2.0 should be a valid integer"),
        ("size", "larg", "\"larg\" should be 'small' or 'large'"),
        ("colour", "green", "\"green\" should be 'red' or 'blue'"),
        ("colour", "RED", "\"RED\" should be 'red' or 'blue'"),
        ("pair.1", [1, 2], "2 should be a valid string"),
        ("pair.1", [1], "missing"),
        ("pair", [1, "a", 2], "at most 2 items"),
        ("pair", 1, "1 should be"),
        ("many.1", [1, "2"], '"2" should be a valid integer'),
        ("rates.0", ["1"], '"1" should be a valid number'),
        ("optimizer.steps", {"steps": "2"}, '"2" should be a valid integer'),
        ("optimizer.step", {"step": 2}, "Did you mean 'steps'? Known: steps, schedule."),
        ("optimizer.schedule.0", {"schedule": [1.0]}, "1.0 should be a valid integer"),
        ("optimizer", None, "null should be keys and values"),
        ("other.steps", {"steps": True}, "true should be a valid integer"),
        ("free.a", {"a": float("nan")}, "nan is not a number that can be compared"),
        ("free.a[1].b", {"a": [0, {"b": float("-inf")}]}, "-inf is not a number that can be compared"),
        ("rate", float("inf"), "inf is not a number"),
        ("free.day", {"day": datetime.date(2024, 1, 2)}, "is a date. Put it in quotes"),
        ("name", datetime.datetime(2024, 1, 2), "is a datetime. Put it in quotes"),
        ("free.a", {"a": b"x"}, "is a bytes"),
        ("free", {1: "x"}, "the key 1 is not a word. Put it in quotes."),
        ("free.a", {"a": {True: "x"}}, "the key True is not a word. Put it in quotes."),
        ("cuont", 3, "unknown key. Did you mean 'count'? Known: count, rate, name"),
        ("zzz", 3, "unknown key. Known: count, rate, name"),
    ],
)
def test_any_other_value_is_refused_with_its_key_and_what_was_seen(key: str, value: Any, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(Config, {key.partition(".")[0]: value}, "step")
    assert str(caught.value).startswith(f"step.{key}: ")
    assert said in str(caught.value)


@pytest.mark.parametrize("values", [[], [1], "text", 3, True])
def test_a_section_that_has_no_keys_is_refused(values: Any) -> None:
    with pytest.raises(ConfigError, match=r"^step: expected keys and values, found "):
        parse(Config, values, "step")


def test_a_key_that_is_no_text_is_refused_at_the_top_too() -> None:
    with pytest.raises(ConfigError, match=r"^step: the key 1 is not a word"):
        parse(Config, {1: 2}, "step")


def test_every_wrong_key_is_named_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        parse(Config, {"count": "1", "rate": "2"}, "step")
    assert "step.count: " in str(caught.value)
    assert "step.rate: " in str(caught.value)


def test_a_key_without_a_default_must_be_there() -> None:
    with pytest.raises(ConfigError, match=r"^step\.model: missing, and it has no default\.$"):
        parse(Named, {}, "step")


def test_a_class_that_is_no_dataclass_is_refused() -> None:
    class Forgotten(StepConfig):
        count: int = 1

    with pytest.raises(ConfigError, match="Forgotten is not a dataclass: put @dataclass above it"):
        parse(Forgotten, {}, "step")


@pytest.mark.parametrize("values", [None, {}, {"pair": [2, "b"], "other": {}, "free": {"b": 1, "a": 2}}])
def test_values_have_every_key_in_order_and_parse_to_themselves(values: Any) -> None:
    config = parse(Config, values, "step")
    written = as_values(config)
    assert list(written) == list(Config.__dataclass_fields__)
    assert json.loads(json.dumps(written)) == written
    again = parse(Config, written, "step")
    assert again == config
    assert json.dumps(as_values(again)) == json.dumps(written)


def test_a_section_that_is_missing_is_the_defaults() -> None:
    assert parse(Config, None, "step") == Config()


def test_the_values_that_are_given_are_not_touched() -> None:
    given = {"free": {"a": [1]}, "optimizer": {"steps": 2}}
    parse(Config, given, "step").free["a"].append(2)
    assert given == {"free": {"a": [1]}, "optimizer": {"steps": 2}}


def test_a_config_that_holds_what_params_cannot_keep_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"free\.a: nan is not a number"):
        as_values(Config(free={"a": float("nan")}))


def test_a_set_is_refused_or_written_in_one_order() -> None:
    @dataclass
    class Tagged(StepConfig):
        tags: set[int] = field(default_factory=set)

    try:
        written = [as_values(parse(Tagged, {"tags": tags}, "step")) for tags in ([8, 0], [0, 8])]
    except ConfigError:
        return
    assert written[0] == written[1]


@pytest.mark.parametrize(("key", "value"), [("other", {"step": 2}), ("several", [{"step": 2}])])
def test_an_unknown_key_in_an_optional_or_listed_section_gets_a_suggestion(key: str, value: Any) -> None:
    @dataclass
    class Deep(StepConfig):
        other: Optimizer | None = None
        several: list[Optimizer] = field(default_factory=list)

    with pytest.raises(ConfigError, match=r"Did you mean 'steps'\? Known: steps, schedule\."):
        parse(Deep, {key: value}, "step")


@dataclass
class Rich(StepConfig):
    """Defaults that are written as text."""

    path: Path = Path("rows/all.txt")
    day: datetime.date = datetime.date(2024, 1, 2)
    length: datetime.timedelta = datetime.timedelta(minutes=90)
    share: decimal.Decimal = decimal.Decimal("0.10")
    computed: int = field(default=2, init=False)


def test_defaults_that_are_objects_are_written_as_text_and_read_back() -> None:
    written = {"path": "rows/all.txt", "day": "2024-01-02", "length": "PT1H30M", "share": "0.10"}
    assert as_values(Rich()) == written
    assert parse(Rich, {}, "step") == parse(Rich, written, "step") == Rich()
    assert parse(Rich, {"path": "other"}, "step").path == Path("other")
    with pytest.raises(ConfigError, match=r"^step\.day: \"today\" should be a valid date"):
        parse(Rich, {"day": "today"}, "step")


def test_a_default_is_held_to_the_rules_that_hold_for_what_is_written() -> None:
    @dataclass
    class Careless(StepConfig):
        count: int = "3"  # type: ignore[assignment]
        path: int = Path("x")  # type: ignore[assignment]

    with pytest.raises(ConfigError) as caught:
        parse(Careless, {}, "step")
    assert str(caught.value) == ('step.count: "3" should be a valid integer. step.path: "x" should be a valid integer.')
    assert parse(Careless, {"count": 1, "path": 2}, "step").count == 1


@dataclass
class Plain:
    """A section that is no StepConfig."""

    steps: int = 1


def test_a_section_that_is_a_plain_dataclass_is_as_strict() -> None:
    @dataclass
    class Outer(StepConfig):
        inner: Plain = field(default_factory=Plain)

    with pytest.raises(ConfigError, match=r"^step\.inner\.step: unknown key\. Did you mean 'steps'\?"):
        parse(Outer, {"inner": {"step": 2}}, "step")
    with pytest.raises(ConfigError, match=r"^step\.inner\.steps: \"2\" should be a valid integer"):
        parse(Outer, {"inner": {"steps": "2"}}, "step")


def test_values_that_hold_themselves_are_refused() -> None:
    loop: dict[str, Any] = {}
    loop["a"] = loop
    with pytest.raises(ConfigError, match=r"^step: it holds itself"):
        parse(Config, {"free": loop}, "step")


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x85"))
PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
VALUES = st.recursive(PLAIN, lambda v: st.lists(v, max_size=3) | st.dictionaries(TEXT, v, max_size=3))


@pytest.mark.parametrize("value", ["one\x85two", {"one\x85two": 1}, ["one\x85two"]])
def test_a_line_break_that_dvc_does_not_keep_is_refused(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"^step\.free.*U\+0085.* Write \\n"):
        parse(Config, {"free": {"a": value}}, "step")


@settings(deadline=None)
@given(st.dictionaries(TEXT, VALUES, max_size=3))
def test_any_value_in_an_untyped_place_is_kept_exactly(free: dict[str, Any]) -> None:
    kept = as_values(parse(Config, {"free": free}, "step"))["free"]
    assert json.dumps(kept) == json.dumps(free)


def test_the_schema_describes_every_documented_field_inherited_ones_too() -> None:
    found = schema(Derived)
    said = {name: about.get("description") for name, about in found["properties"].items()}
    assert list(said) == list(Derived.__dataclass_fields__)
    assert {name: text for name, text in said.items() if text} == {
        "count": "How many.",
        "rate": "How fast.",
        "optimizer": "How it is optimised.",
        "extra": "What is more.",
    }
    assert found["properties"]["count"]["default"] == 4
    assert found["$defs"]["Optimizer"]["properties"]["steps"]["description"] == "How many steps."
    assert found["additionalProperties"] is False


def test_the_schema_knows_what_is_required_and_which_names_are_published() -> None:
    found = schema(Named)
    assert found["required"] == ["model"]
    published, own = found["properties"]["backend"]["anyOf"]
    assert {"dummy", "tinylm"} <= set(published["enum"])
    assert own == {"pattern": ":", "type": "string"}, "module:Class or file.py:Class"


def test_fields_that_name_code_and_published_entries_are_told_apart() -> None:
    code, entries = marked(Named, as_values(Named("m")))
    assert code == {"loader": "module:function"}
    assert entries == {"backend": ("trainer", "dummy")}


@pytest.mark.cold
def test_no_plugin_of_pydantic_is_looked_for() -> None:
    script = """
from dataclasses import dataclass
from importlib import metadata
from motools.base.configs import StepConfig, parse, schema

@dataclass
class Config(StepConfig):
    seed: int = 0

def refused(**_):
    raise SystemExit("all that is installed was looked through")

metadata.distributions = refused
print(parse(Config, {}, "train").seed, schema(Config)["properties"]["seed"]["default"])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout) == (0, "0 0\n"), done.stderr


@dataclass
class Forms(StepConfig):
    """Fields of which each has several forms."""

    one: int | str | None = None
    rows: list[int] | str = "all"
    section: Optimizer | list[int] = field(default_factory=list)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("one", [], "step.one: [] should be a valid integer or a valid string."),
        ("one", {"a": 1}, 'step.one: {"a": 1} should be a valid integer or a valid string.'),
        ("rows", 3, "step.rows: 3 should be a list or a valid string."),
        ("rows", ["a"], 'step.rows.0: "a" should be a valid integer.'),
        ("section", {"steps": "many"}, 'step.section.steps: "many" should be a valid integer.'),
        ("section", {"step": 2}, "step.section.step: unknown key. Did you mean 'steps'? Known: steps, schedule."),
    ],
)
def test_a_value_that_has_none_of_its_forms_is_one_mistake_and_one_sentence(key: str, value: Any, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(Forms, {key: value}, "step")
    assert str(caught.value) == said
