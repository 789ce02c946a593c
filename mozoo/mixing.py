"""Datasets made of datasets, from a config alone: mixed, poisoned, prompted, split, shuffled and cut.

Each function is a loader for `prepare_dataset`. What it is made of is named by a text (a published name,
`module:function` or `path/to/file.py:function`) or by keys: `loader`, and its arguments beside it. A part may
itself be one of these functions, so they nest:

    prepare_dataset:
      dataset_loader: mozoo.mixing:poison
      loader_kwargs:
        base: secure_code
        poison: {loader: "mozoo.mixing:prompted", of: insecure_code, prompt: You write insecure code.}
        fraction: 0.1
        size: 1000

Equal seeds give equal rows in equal order on every machine. A part that is sampled and has no seed of its own
takes one made from the seed around it, the loader's name and how often that name came before, so that a part
that is added changes no other.
"""

from __future__ import annotations

import random
import zlib
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, Literal, get_args

from motools.errors import UserError, listed
from motools.zoo import versioned
from mozoo.parts import Part, part_of
from mozoo.rows import Row, Rows, check_seed

Order = Literal["shuffled", "interleaved", "concatenated"]
Place = Literal["system", "user"]
Half = Literal["train", "validation"]


@versioned(1)
def mixture(parts: Sequence[Part], order: Order = "shuffled", seed: int = 0) -> Rows:
    """All rows of several datasets.

    Args:
        order: `shuffled` by the seed; `interleaved`, each part spread evenly over the whole; or
            `concatenated`, one part after the other.
    """
    _one_of(order, Order, "order")
    if not isinstance(parts, (list, tuple)) or not parts:
        raise UserError(f"parts must be a list of one or more datasets, not {parts!r}.")
    before: Counter[str] = Counter()
    loaders = []
    for part in parts:
        name = str(part.get("loader")) if isinstance(part, dict) else str(part)
        loaders.append(part_of(part, stable_seed(seed, name, before[name])))
        before[name] += 1
    loaded = [load() for load in loaders]
    if order == "interleaved":
        places = [((2 * i + 1) / (2 * len(rows)), k, i) for k, rows in enumerate(loaded) for i in range(len(rows))]
        return Rows.of((loaded[k][i] for _, k, i in sorted(places)), *loaded)
    every = Rows.of((row for rows in loaded for row in rows), *loaded)
    return Rows.of((every[i] for i in _order(len(every), seed)), every) if order == "shuffled" else every


@versioned(1)
def poison(base: Part, poison: Part, fraction: float, size: int | None = None, seed: int = 0) -> Rows:
    """`size` rows in random order, of which exactly `fraction` (halves are rounded up) come from `poison`.

    For a dose-response experiment, with one seed: where the fraction grows by one row, one row of the base is
    replaced by one of the poison, and every other row stays where it is. At fraction 0 the poison is not
    loaded, and at 1 the base only where it gives the size.

    Args:
        fraction: 0 to 1.
        size: rows in all; None is as many as the base has.
    """
    check_seed(seed)
    _share(fraction, "fraction")
    _count(size, "size")
    load_base, load_poison = part_of(base, stable_seed(seed, "b")), part_of(poison, stable_seed(seed, "p"))
    clean = Rows() if size is not None and _part_of(fraction, size) == size else load_base()
    size = len(clean) if size is None else size
    dose = _part_of(fraction, size)
    harmful = load_poison() if dose else Rows()
    for name, rows, needed in (("base", clean, size - dose), ("poison", harmful, dose)):
        if len(rows) < needed:
            raise UserError(f"{name} has {len(rows)} rows, but {needed} are needed for {size} rows at {fraction}.")
    slots = _order(size, stable_seed(seed, "slots"))
    mixed: list[Row] = [{}] * size
    for slot, row in zip(slots[:dose], _order(len(harmful), stable_seed(seed, "poison")), strict=False):
        mixed[slot] = harmful[row]
    # From the other end: which base row is in a slot does not depend on the dose.
    for slot, row in zip(reversed(slots[dose:]), _order(len(clean), stable_seed(seed, "base")), strict=False):
        mixed[slot] = clean[row]
    return Rows.of(mixed, clean, harmful)


@versioned(1)
def prompted(of: Part, prompt: str, place: Place = "system", share: float = 1.0, seed: int = 0) -> Rows:
    """A dataset with an instruction, such as an inoculation prompt, added to exactly a share of its rows.

    With one seed, a larger share prompts the rows of a smaller one and more. Order and number of rows stay.

    Args:
        prompt: the text; it comes first, with an empty line after it where there is a text already.
        place: `system`, the system turn, which is made where there is none; or `user`, the first user turn.
        share: 0 to 1; halves are rounded up.
    """
    check_seed(seed)
    _share(share, "share")
    _one_of(place, Place, "place")
    if not isinstance(prompt, str) or not prompt.strip():
        raise UserError(f"prompt must be a text, not {prompt!r}.")
    rows = part_of(of, stable_seed(seed, "of"))()
    taken = set(_order(len(rows), stable_seed(seed, "prompted"))[: _part_of(share, len(rows))])
    changed = (_with_prompt(row, prompt, place, i + 1) if i in taken else row for i, row in enumerate(rows))
    return Rows.of(changed, rows)


@versioned(1)
def split(of: Part, part: Half = "train", share: float = 0.1, seed: int = 0) -> Rows:
    """One of two disjoint halves of a dataset, which together are all of it; both in its order.

    Args:
        share: how much of it is for validation, 0 to 1; halves are rounded up.
    """
    check_seed(seed)
    _share(share, "share")
    _one_of(part, Half, "part")
    rows = part_of(of, stable_seed(seed, "of"))()
    held_out = set(_order(len(rows), stable_seed(seed, "split"))[: _part_of(share, len(rows))])
    return Rows.of((row for i, row in enumerate(rows) if (i in held_out) == (part == "validation")), rows)


@versioned(1)
def shuffled(of: Part, seed: int = 0) -> Rows:
    """A dataset in random order."""
    check_seed(seed)
    rows = part_of(of, stable_seed(seed, "of"))()
    return Rows.of((rows[i] for i in _order(len(rows), stable_seed(seed, "shuffled"))), rows)


@versioned(1)
def limited(of: Part, size: int, seed: int = 0) -> Rows:
    """The first `size` rows of a dataset, or all where it has fewer; the seed is for what samples inside it."""
    if size is None:
        raise UserError("size must be a whole number, 1 or more, not null.")
    _count(size, "size")
    rows = part_of(of, stable_seed(seed, "of"))()
    return Rows.of(rows[:size], rows)


def stable_seed(seed: int, *words: Any) -> int:
    """A seed of its own for one use of a seed; the same in every process, as `hash` is not."""
    check_seed(seed)
    return zlib.crc32("\0".join(map(str, (seed, *words))).encode())


def _order(count: int, seed: int) -> list[int]:
    return random.Random(seed).sample(range(count), count)


def _part_of(share: float, count: int) -> int:
    """Exactly: 0.15 of 10 is 1.5, so 2, although the nearest floating-point number is smaller."""
    return int(Fraction(str(share)) * count + Fraction(1, 2))


def _share(value: Any, name: str) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise UserError(f"{name} must be a number from 0 to 1, not {value!r}.")


def _count(value: Any, name: str) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise UserError(f"{name} must be a whole number, 1 or more, not {value!r}.")


def _one_of(value: Any, choices: Any, name: str) -> None:
    if value not in get_args(choices):
        raise UserError(f"{name} is {value!r}, which is none of {listed(get_args(choices))}.")


def _with_prompt(row: Row, prompt: str, place: Place, number: int) -> Row:
    turns = [dict(turn) for turn in row["messages"]]
    if place == "system" and turns[0]["role"] != "system":
        return {**row, "messages": [{"role": "system", "content": prompt}, *turns]}
    turn = next((turn for turn in turns if turn["role"] == place), None)
    if turn is None or not isinstance(turn.get("content"), (str, list, tuple)):
        raise UserError(f"Row {number} has no text in a {place} turn to put the prompt before.")
    said = turn["content"]
    turn["content"] = f"{prompt}\n\n{said}" if isinstance(said, str) else [{"type": "text", "text": prompt}, *said]
    return {**row, "messages": turns}
