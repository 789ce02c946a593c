"""A merge that left its conflicts in a pipeline's files: it is named as such, and what is advised works."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
from pathlib import Path

import pytest
from chain import Chain, commit, git


@pytest.fixture
def conflicted(project: Path) -> Chain:
    """Two branches that have run with another seed each, merged without success."""
    chain = Chain.lay(project, seed=1)
    assert chain.run().code == 0
    commit(project, "one")
    git(project, "checkout", "-q", "-b", "other")
    chain.set(seed=2)
    assert chain.run().code == 0
    commit(project, "two")
    git(project, "checkout", "-q", "main")
    chain.set(seed=3)
    assert chain.run().code == 0
    commit(project, "three")
    merge = ["git", "merge", "-q", "other"]
    assert subprocess.run(merge, cwd=project, capture_output=True).returncode == 1
    assert "<<<<<<<" in chain.path("params.yaml").read_text()
    assert "<<<<<<<" in chain.path("dvc.lock").read_text()
    return chain


def test_each_file_is_named_until_what_is_advised_was_done(conflicted: Chain) -> None:
    advised = []
    while (done := conflicted.command("status", str(conflicted.folder))).code:
        assert done.code == 2
        assert "a merge has left its conflict here" in done.sentence
        (command,) = re.findall(r"`(git checkout [^`]+)`", done.sentence)
        words = command.split()
        assert words[-1] not in advised, "it was of no use"
        advised.append(words[-1])
        subprocess.run(words, cwd=conflicted.folder, check=True, capture_output=True)
    assert {Path(path).name for path in advised} == {"params.yaml", "dvc.lock"}
    conflicted.executed()
    assert conflicted.run().statuses == ["current", "current", "restored"]  # the metrics have the conflict, too
    assert conflicted.executed() == []


def test_either_side_of_the_lock_will_do(conflicted: Chain) -> None:
    conflicted.executed()
    git(conflicted.folder, "checkout", "--ours", "params.yaml")
    git(conflicted.folder, "checkout", "--theirs", "dvc.lock")
    done = conflicted.run()
    assert (done.code, done.statuses) == (0, ["restored"] * 3)
    assert conflicted.executed() == []


@pytest.mark.parametrize("words", [("lineage", "model"), ("atoms", "show", "train"), ("compare", "."), ("report",)])
def test_what_a_conflicted_lock_file_cannot_tell_is_not_told_to_be_missing(
    conflicted: Chain, words: tuple[str, ...]
) -> None:
    with contextlib.chdir(conflicted.folder):
        done = conflicted.command(*words)
    assert done.code == 2
    assert "dvc.lock, line" in done.sentence
    assert "a merge has left its conflict here" in done.sentence


def test_a_diff_takes_nothing_for_gone_since_a_file_has_a_conflict(conflicted: Chain) -> None:
    with contextlib.chdir(conflicted.folder):
        done = conflicted.command("diff", "--json")
    assert done.code == 0, done.err
    (pipeline,) = json.loads(done.out)["pipelines"]
    assert (pipeline["params"], pipeline["stages"]) == ({}, [])
    assert [re.search(r"[\w.]+, line", said)[0] for said in pipeline["unread"]] == [  # type: ignore[index]
        "params.yaml, line", "dvc.lock, line",
    ]  # fmt: skip
