"""What a step asks of its inputs beside their content is part of its trace: their names, and the order of several."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from chain import Chain

from motools.execution.observation import Inputs

ATOMS: Any = {"data": "the dataset", "best": "the model"}
ROLES = {"data": "dataset", "best": "model", "": "dataset, model"}
ONE: dict[str, Callable[[Any], Any]] = {
    "an item": lambda x: x["data"],
    "one that may be there": lambda x: x.get("data"),
    "whether it is there": lambda x: "data" in x,
    "one that is taken out": lambda x: x.pop("data"),
    "one that is set where it is not there": lambda x: x.setdefault("data"),
}
ALL: dict[str, Callable[[Any], Any]] = {
    "names": lambda x: list(x),
    "names from behind": lambda x: list(reversed(x)),
    "keys": lambda x: list(x.keys()),
    "items": lambda x: list(x.items()),
    "the last one": lambda x: x.popitem(),
    "a copy": lambda x: x.copy(),
    "another copy": lambda x: copy.copy(x),
    "a dict": lambda x: dict(x),
    "arguments": lambda x: dict(**x),
    "a union": lambda x: x | {},
    "a union with them": lambda x: {} | x,
    "equality": lambda x: x == ATOMS,
    "inequality": lambda x: x != ATOMS,
    "how it looks": lambda x: repr(x),
    "json": lambda x: json.dumps(x),
}


def asked(look: Callable[[Any], Any], roles: dict[str, str] = ROLES) -> dict[str, str | None]:
    inputs = Inputs(ATOMS, roles)
    told, before = look(inputs), look(dict(ATOMS))
    found = inputs.asked
    inputs.asked = {}
    assert told == before
    return found


@pytest.mark.parametrize("how", ONE)
def test_who_asks_for_one_has_asked_for_its_name_alone(how: str) -> None:
    assert asked(ONE[how]) == {"data": "dataset"}


@pytest.mark.parametrize("how", ALL)
def test_who_asks_for_all_has_asked_for_their_names_and_their_order(how: str) -> None:
    assert asked(ALL[how]) == ROLES


def test_who_asks_for_atoms_alone_has_asked_for_their_order_where_there_are_several_kinds() -> None:
    assert asked(lambda x: list(x.values())) == {"": "dataset, model"}
    assert asked(lambda x: list(x.values()), {"data": "dataset"}) == {}
    assert asked(lambda x: len(x)) == {}


def test_one_that_is_not_there_has_been_asked_for() -> None:
    assert asked(lambda x: x.get("absent", 3)) == {"absent": None}


def test_inputs_in_another_order_are_others_to_who_takes_them_one_after_the_other(project: Path) -> None:
    chain = Chain.lay(project)
    assert chain.run().code == 0
    chain.edit(
        "chain.py", '{"model": "model", "dataset": "dataset"}, {"r', '{"dataset": "dataset", "model": "model"}, {"r'
    )
    assert chain.run().statuses[:2] != ["finished"] * 2
    assert chain.executed() == ["dataset", "model", "results", "results"]
    text = chain.path("atoms/results/data/part.txt").read_text()
    assert text.index("dataset 0") < text.index("model 0")
    assert chain.run().statuses == ["current"] * 3


def test_inputs_in_another_order_are_the_same_to_who_takes_them_by_name(project: Path) -> None:
    chain = Chain.lay(project)
    chain.edit(
        "chain.py", "for atom in input_atoms.values()", "for atom in map(input_atoms.get, ['dataset', 'model']) if atom"
    )
    assert chain.run().code == 0
    chain.edit(
        "chain.py", '{"model": "model", "dataset": "dataset"}, {"r', '{"dataset": "dataset", "model": "model"}, {"r'
    )
    assert chain.run().code == 0
    assert chain.executed() == ["dataset", "model", "results"]
