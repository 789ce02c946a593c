"""The house as it stands: rooms, floors and circles, read off the imports.

    make architecture        draws the picture of docs/architecture.md anew, and prints the floors

A room is a package of motools/ or a file beside them. A room stands one floor above the highest room that it imports
from, wherever in its files the import is written, and whether it is executed or only read by a type checker.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"
BEGIN = "What follows is made from the imports by `make architecture`.\n"


@dataclass(frozen=True)
class House:
    """The modules of packages, and what each imports of them."""

    files: Mapping[str, Path]

    @classmethod
    def of(cls, *packages: str) -> House:
        """The packages below the root of this repository."""
        files = {}
        for package in packages:
            for path in sorted((ROOT / package).rglob("*.py")):
                parts = path.relative_to(ROOT).with_suffix("").parts
                files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
        return cls(files)

    @cached_property
    def imports(self) -> dict[str, set[str]]:
        """Module -> the modules it imports from, but itself."""
        return {name: set(self._imported(name)) - {name} for name in self.files}

    def _imported(self, name: str) -> Iterator[str]:
        for node in ast.walk(ast.parse(self.files[name].read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            else:
                continue
            for imported in names:
                while imported and imported not in self.files:
                    imported = imported.rpartition(".")[0]
                if imported:
                    yield imported

    @property
    def rooms(self) -> dict[str, list[str]]:
        """Room -> its modules."""
        rooms: dict[str, list[str]] = {}
        for name in self.files:
            rooms.setdefault(room_of(name), []).append(name)
        return rooms

    @property
    def arrows(self) -> dict[str, set[str]]:
        """Room -> the rooms that it imports from."""
        return {
            room: {room_of(imported) for module in modules for imported in self.imports[module]} - {room}
            for room, modules in self.rooms.items()
        }

    def lines(self, room: str) -> int:
        return sum(len(self.files[name].read_text().splitlines()) for name in self.rooms[room])

    def purpose(self, room: str) -> str:
        """The first line of the room's docstring."""
        text = ast.get_docstring(ast.parse(self.files[self.rooms[room][0]].read_text())) or ""
        return text.partition("\n")[0]


def room_of(module: str) -> str:
    """`motools.repo` of `motools.repo.cache`; another package is one room."""
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] == "motools" else parts[0]


def circles(arrows: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Sets of two or more that can be reached from each other, by their names."""
    reached: dict[str, set[str]] = {}
    for start in arrows:
        seen: set[str] = set()
        todo = [*arrows[start]]
        while todo:
            if (name := todo.pop()) not in seen:
                seen.add(name)
                todo += arrows[name]
        reached[start] = seen
    together = {tuple(sorted({a, *(b for b in reached[a] if a in reached[b])})) for a in arrows if a in reached[a]}
    return [list(names) for names in sorted(together)]


def floors(arrows: Mapping[str, Iterable[str]]) -> dict[str, int]:
    """Name -> its floor, from 0. Raises `graphlib.CycleError` where there is a circle."""
    found: dict[str, int] = {}
    for name in TopologicalSorter(arrows).static_order():
        found[name] = 1 + max((found[below] for below in arrows[name]), default=-1)
    return found


def picture(house: House) -> str:
    """The floors as a table, the highest first, and the arrows as a Mermaid chart without those that others imply."""
    arrows = house.arrows
    where = floors(arrows)
    rows = ["| floor | room | what it is for |", "|---|---|---|"]
    for name in sorted(where, key=lambda room: (-where[room], room)):
        rows.append(f"| {where[name]} | `{_short(name)}` | {house.purpose(name)} |")
    chart = ["```mermaid", "flowchart TD"]
    for name in sorted(where, key=lambda room: (-where[room], room)):
        implied = {further for below in arrows[name] for further in _below(below, arrows)}
        chart += [f"    {_short(name)} --> {_short(below)}" for below in sorted(arrows[name] - implied)]
    return "\n".join([*chart, "```", "", *rows, ""])


def _short(name: str) -> str:
    return name.removeprefix("motools.")


def _below(name: str, arrows: Mapping[str, Iterable[str]]) -> set[str]:
    return {further for below in arrows[name] for further in {below, *_below(below, arrows)}}


def page(house: House) -> str:
    """The page with the picture as it should be now."""
    before, begin, _ = PAGE.read_text().partition(BEGIN)
    return f"{before}{begin}\n{picture(house)}"


def main() -> None:
    house = House.of("motools", "mozoo")
    found = circles(house.arrows) + circles(house.imports)
    if found:
        sys.exit("There are circles:\n" + "\n".join("  " + ", ".join(names) for names in found))
    PAGE.write_text(page(house))
    for name, floor in sorted(floors(house.arrows).items(), key=lambda each: -each[1]):
        print(f"{floor:3}  {_short(name):12}{house.lines(name):7,} lines")


if __name__ == "__main__":
    main()
