"""Git's history of lock files: what each commit gained or lost, merges too, whatever people call themselves."""

from __future__ import annotations

import random
import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from chain import commit, git

from motools.repo.history import History
from motools.repo.project import Project


def lock(folder: Path, *digits: str, name: str = "dvc.lock") -> None:
    """A lock file of a stage for each digit, whose output has the hash of so many of it."""
    stages = "".join(f"  s{d}:\n    outs:\n    - path: o\n      hash: md5\n      md5: {d * 32}.dir\n" for d in digits)
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(f"schema: '2.0'\nstages:\n{stages}")


def told(folder: Path) -> dict[str, list[str]]:
    """Digit -> the messages of the commits that gained or lost it, newest first."""
    messages = dict(line.split(" ", 1) for line in git(folder, "log", "--all", "--format=%H %s").splitlines())
    of_hashes = History(Project(folder).git).of_hashes()
    return {md5[0]: [messages[each] for each in commits] for md5, commits in of_hashes.items()}


@pytest.fixture
def merged(project: Path) -> Path:
    """Two branches of a lock file, and a merge in which a person has put together what neither had."""
    lock(project, "1")
    commit(project, "one")
    git(project, "switch", "-qc", "other")
    lock(project, "1", "2")
    commit(project, "two")
    git(project, "switch", "-q", "-")
    lock(project, "1", "3")
    commit(project, "three")
    git(project, "merge", "-q", "-s", "ours", "--no-commit", "other")
    lock(project, "2", "3", "4")
    commit(project, "merged")
    git(project, "branch", "-qD", "other")
    return project


def test_a_merge_gains_and_loses_what_is_so_on_no_side(merged: Path) -> None:
    assert told(merged) == {"1": ["merged", "one"], "2": ["two"], "3": ["three"], "4": ["merged"]}


def test_a_side_that_a_merge_has_left_aside_is_history_still(project: Path) -> None:
    lock(project, "1")
    commit(project, "one")
    git(project, "switch", "-qc", "other")
    lock(project, "2")
    commit(project, "two")
    git(project, "switch", "-q", "-")
    commit(project, "nothing")
    git(project, "merge", "-q", "-s", "ours", "other")
    git(project, "branch", "-qD", "other")
    assert told(project) == {"1": ["two", "one"], "2": ["two"]}


def test_an_output_that_was_an_input_before_is_gained(project: Path) -> None:
    (project / "dvc.lock").write_text(f"stages:\n  s:\n    deps:\n    - path: o\n      md5: {'1' * 32}.dir\n")
    commit(project, "read")
    lock(project, "1")
    (project / "dvc.lock").open("a").write(f"  t:\n    deps:\n    - path: o\n      md5: {'1' * 32}.dir\n")
    commit(project, "made")
    assert told(project) == {"1": ["made", "read"]}


def test_files_of_imports_and_locks_of_other_folders_count_and_nothing_else(project: Path) -> None:
    lock(project, "1", name="a/dvc.lock")
    lock(project, "2", name="a/data.csv.dvc")
    lock(project, "3", name="dvc.lock.bak")
    commit(project, "all")
    (project / "a" / "dvc.lock").unlink()
    commit(project, "gone")
    assert told(project) == {"1": ["gone", "all"], "2": ["all"]}


def test_no_message_and_no_name_is_taken_for_something_else(project: Path) -> None:
    subjects = ["", "\x01", f"\x01{'a' * 40}", f":100644 100644 {'a' * 40} {'b' * 40} M", "a" * 40]
    for number, subject in enumerate(subjects):
        lock(project, str(number))
        git(project, "add", "-A")
        words = ["-c", f"user.name=A\x01{subject}", "commit", "-q", "--allow-empty-message", "-m", subject]
        subprocess.run(["git", *words], cwd=project, check=True, capture_output=True)
    versions = History(Project(project).git).versions()
    assert [each.path for each in versions] == ["dvc.lock"] * 5
    lines = git(project, "log", f"-{len(subjects)}", "--format=%H %s").split("\n")
    assert [f"{each.commit} {each.subject}" for each in versions] == lines[:-1]
    assert len(told(project)) == 5


@pytest.mark.parametrize("seed", range(3))
def test_it_is_what_counting_in_every_version_tells(project: Path, seed: int) -> None:
    chance = random.Random(seed)
    branches, names = ["main"], [f"{number:032x}" for number in range(300)]
    git(project, "switch", "-qC", "main")
    for number in range(20):
        if chance.random() < 0.2:
            branches.append(f"b{number}")
            git(project, "switch", "-qc", branches[-1])
        elif chance.random() < 0.2:
            git(project, "switch", "-q", chance.choice(branches))
        elif chance.random() < 0.3:
            git(project, "merge", "-q", "-s", "ours", "--no-commit", *chance.sample(branches, 1))
        for _ in range(chance.randrange(4)):
            names[chance.randrange(300)] = f"{chance.randrange(320):032x}"
        (project / "dvc.lock").write_text("".join(f"md5: {name}\n" for name in names[chance.randrange(3) :]))
        commit(project, f"{number}")
    repository = Project(project).git
    expected: dict[str, set[str]] = {}
    for line in git(project, "log", "--all", "--format=%H %P").splitlines():
        name, *parents = line.split()
        texts = [
            subprocess.run(["git", "show", f"{each}:dvc.lock"], cwd=project, capture_output=True, text=True).stdout
            for each in [name, *parents]
        ]
        now, *before = [Counter(re.findall("[0-9a-f]{32}", text)) for text in texts]
        changed = [{md5 for md5 in now | each if now[md5] != each[md5]} for each in before or [Counter[str]()]]
        for md5 in set.intersection(*changed):
            expected.setdefault(md5, set()).add(name)
    by_md5 = History(repository).of_hashes()
    assert {md5: set(commits) for md5, commits in by_md5.items()} == expected
    order = git(project, "log", "--all", "--topo-order", "--format=%H").split()
    assert all(commits == sorted(commits, key=order.index) for commits in by_md5.values())
