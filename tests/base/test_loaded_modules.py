"""Modules that were loaded since one was looked at last."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from motools.base.loaded_modules import asked_once, loaded_since


@pytest.fixture
def load() -> Iterator[list[str]]:
    made: list[str] = []
    yield made
    for name in made:
        sys.modules.pop(name, None)


def test_each_module_is_told_once_and_all_where_it_cannot_be_known_what_is_new(load: list[str]) -> None:
    every, mark = loaded_since(None)
    assert set(every) == set(sys.modules)
    assert loaded_since(mark) == ([], mark)
    load += ["made_up_one", "made_up_two"]
    for name in load:
        sys.modules[name] = ModuleType(name)
    new, after = loaded_since(mark)
    assert new == load
    assert loaded_since(after) == ([], after)
    sys.modules["made_up_one"] = sys.modules.pop("made_up_one")  # loaded anew
    assert loaded_since(after)[0] == ["made_up_one"]
    del sys.modules["made_up_two"]
    assert set(loaded_since(after)[0]) == set(sys.modules)


@pytest.mark.parametrize("is_new", [True, False])
def test_what_was_loaded_before_the_last_one_was_loaded_anew_is_told(load: list[str], is_new: bool) -> None:
    load += ["made_up_one", "made_up_two"]
    sys.modules["made_up_one"] = ModuleType("made_up_one")
    mark = loaded_since(None)[1]
    one = sys.modules.pop("made_up_one")
    sys.modules["made_up_two"] = ModuleType("made_up_two")
    sys.modules["made_up_one"] = ModuleType("made_up_one") if is_new else one
    assert {"made_up_one", "made_up_two"} <= set(loaded_since(mark)[0])


def test_of_each_module_it_is_asked_once_and_what_is_gone_is_not_told(load: list[str]) -> None:
    asked: list[str] = []

    def is_made_up(name: str) -> bool:
        asked.append(name)
        return name.startswith("made_up")

    names = asked_once(is_made_up)
    assert names() == []
    assert set(asked) == set(sys.modules)
    load += ["made_up_one", "made_up_two"]
    sys.modules |= {name: ModuleType(name) for name in load}
    asked.clear()
    assert names() == load == asked
    del sys.modules["made_up_one"]
    assert names() == ["made_up_two"]
