"""Experiments: a sweep of 1,000 evaluations, many folders in which nothing has changed, and a long past.

The sweep is one params.yaml; the past is 300 atoms of 1,000 commits, and an atom of 2,000 ancestors. Limits are seconds
of a quiet machine.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

from measure import Figure, in_turns, main, parser, seconds, settle
from projects import executed, make_project, make_study, run


def measure(folder: Path, arguments: Namespace) -> Iterator[Figure]:
    n = arguments.repeats or (1 if arguments.small else 5)
    values = arguments.values or (2 if arguments.small else 10)
    yield from of_a_sweep(make_study(folder / "sweep", values), values, n)
    yield from of_folders(folder / "folders", 3 if arguments.small else 40, n)
    atoms, commits, ancestors = (30, 30, 50) if arguments.small else (300, 1000, 2000)
    yield from of_the_past(folder / "past", atoms, commits, ancestors, n)


def of_a_sweep(project: Path, values: int, n: int) -> Iterator[Figure]:
    """So many prepares, trainings of each, evaluations of each of these."""
    what, expected = f"{values**3} evaluations", values + values**2 + values**3
    plan = seconds(project, "motools", "run", "--dry-run", "--quiet")
    yield Figure(f"{what}, first plan", plan, "the limit", 5.0, 1.0, 1)
    first = seconds(project, "motools", "run", "-q")
    assert len(executed(project)) == expected, f"{len(executed(project))} executions, not {expected}"
    yield Figure(f"{what}, first run", first, "a step", first / expected, None, 1)
    lines = float(len((project / "params.yaml").read_text(encoding="utf-8").splitlines()))
    yield Figure(f"{what}, params.yaml", lines, "the limit", 40.0, 1.0, 1, "lines")
    settle()
    seconds(project, "motools", "run", "-q")
    times = in_turns(
        n,
        noop=lambda: seconds(project, "motools", "run", "-q"),
        yaml=lambda: seconds(project, sys.executable, "-c", "import yaml"),
        results=lambda: seconds(project, "motools", "results"),
    )
    yield Figure(f"{what}, nothing changed", times["noop"], "import yaml", max(0.1, times["yaml"]), 5.0, n)
    yield Figure(f"{what}, motools results", times["results"], "the limit", 1.0, 1.0, n)
    assert len(executed(project)) == expected, "something ran although nothing had changed"


def of_folders(project: Path, count: int, n: int) -> Iterator[Figure]:
    """The run of many pipelines of three stages, and of one of them, when nothing has changed."""
    make_study(project, 1)
    for number in range(count):
        (one := project / "experiments" / str(number)).mkdir(parents=True)
        text = f"workflow: ../../study.py:workflow\ntrain: {{number: {number}}}\n"
        (one / "params.yaml").write_text(text, encoding="utf-8")
    run(project, "motools", "run", "-q", "experiments")
    settle()
    run(project, "motools", "run", "-q", "experiments")
    times = in_turns(
        n,
        many=lambda: seconds(project, "motools", "run", "-q", "experiments"),
        one=lambda: seconds(project, "motools", "run", "-q", "experiments/0"),
    )
    yield Figure(f"{count} folders, nothing changed", times["many"], "one folder", times["one"], 2.0, n)
    assert len(executed(project)) == 1 + 2 * count, "something ran twice"


def of_the_past(project: Path, atoms: int, commits: int, ancestors: int, n: int) -> Iterator[Figure]:
    """What is listed and told of atoms that a dvc.lock with many commits names."""
    make_project(project)
    store, ids = project / ".dvc" / "cache" / "files" / "md5", list[str]()
    for number in range(atoms):
        made_from = {"before": ids[-1]} if number % 10 else {}
        ids.append(forge(store, made_from, number))
    stages = "".join(
        f"  s{number}:\n    cmd: motools step run w s{number}\n    outs:\n    - path: atoms/a{number}\n"
        f"      hash: md5\n      md5: {each.rpartition('-')[2]}.dir\n      size: 1\n"
        for number, each in enumerate(ids)
    )
    lock = f"schema: '2.0'\nstages:\n{stages}"
    stream = []
    for number in range(commits):
        data = re.sub(r"run w s(\d)\n", rf"run w v{number} s\1\n", lock).encode()
        head = f"commit refs/heads/main\ncommitter A <a@b.c> {1700000000 + number} +0000\ndata 1\nx\n"
        stream.append(f"{head}M 644 inline dvc.lock\ndata {len(data)}\n".encode() + data + b"\n")
    subprocess.run(["git", "fast-import", "--quiet", "--force"], cwd=project, input=b"".join(stream), check=True)
    subprocess.run(["git", "checkout", "-q", "-f", "main"], cwd=project, check=True)
    (project / "dvc.lock").write_text(lock, encoding="utf-8")
    below: dict[str, str] = {}
    for number in range(ancestors // 2):  # two of each floor, made of both of the floor below: a great many ways down
        pair = [forge(store, below, f"{number} {side}") for side in "ab"]
        below = dict(zip("ab", pair, strict=True))
    deep, what = below["a"], f"{atoms} atoms, {commits} commits"
    times = in_turns(
        n,
        list=lambda: seconds(project, "motools", "atoms", "list"),
        lineage=lambda: seconds(project, "motools", "lineage", f"a{atoms - 1}"),
        deep=lambda: seconds(project, "motools", "lineage", deep),
    )
    yield Figure(f"{what}, motools atoms list", times["list"], "the limit", 1.0, 1.0, n)
    yield Figure(f"{what}, motools lineage", times["lineage"], "the limit", 1.0, 1.0, n)
    yield Figure(f"{ancestors} ancestors, motools lineage", times["deep"], "the limit", 5.0, 1.0, n)


def forge(store: Path, made_from: dict[str, str], says: object) -> str:
    """The id of an atom that is put into the cache as a pull would put it there."""
    about = json.dumps({"kind": "dataset", "made_from": made_from, "metadata": {"n": says}}).encode()
    listing = json.dumps([{"md5": _put(store, about), "relpath": "atom.json"}]).encode()
    return f"dataset-{_put(store, listing, '.dir')}"


def _put(store: Path, content: bytes, suffix: str = "") -> str:
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    path = store / md5[:2] / f"{md5[2:]}{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.write_bytes(content)
        os.chmod(path, 0o444)
    return md5


if __name__ == "__main__":
    about = parser(__doc__)
    about.add_argument("--values", type=int, help="of each of the sweep's three axes (default: 10; small: 2)")
    main(about, measure)
