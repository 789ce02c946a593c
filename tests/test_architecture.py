"""The house: no circle, no floor too many, and a picture that is true."""

from __future__ import annotations

from graphlib import CycleError
from pathlib import Path

import pytest
from architecture import PAGE, House, circles, floors, page


@pytest.fixture(scope="module")
def house() -> House:
    return House.of("motools", "mozoo")


def test_no_room_and_no_module_is_in_a_circle(house: House) -> None:
    assert circles(house.arrows) == []
    assert circles(house.imports) == []


def test_the_packages_stand_on_nine_floors_at_most(house: House) -> None:
    of_ours = {name: floor for name, floor in floors(house.arrows).items() if name not in ("motools.__main__", "mozoo")}
    assert max(of_ours.values()) < 9


def test_the_page_shows_the_house_as_it_is(house: House) -> None:
    assert PAGE.read_text() == page(house), "`make architecture` draws it anew"


def test_a_circle_is_found_wherever_the_import_is_written(tmp_path: Path) -> None:
    texts = {"motools.a": "def f():\n    from motools.b import g\n", "motools.b": "import motools.c", "motools.c": ""}
    files = {}
    for name, text in texts.items():
        files[name] = tmp_path / f"{name}.py"
        files[name].write_text(text)
    assert floors(House(files).arrows) == {"motools.c": 0, "motools.b": 1, "motools.a": 2}
    files["motools.c"].write_text("from motools import a\n")
    assert circles(House(files).imports) == [["motools.a", "motools.b", "motools.c"]]
    with pytest.raises(CycleError):
        floors(House(files).arrows)
    files["motools.c"].write_text("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from motools import a\n")
    assert circles(House(files).imports) == [["motools.a", "motools.b", "motools.c"]]
    files["motools.c"].write_text("text = 'from motools import a'\n")
    assert circles(House(files).imports) == []
