"""What a result was before: in which commit it became what it is, by whom, and what had changed for it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from chain import Chain, Lay, commit, git

from motools.atom.history import Step, history
from motools.errors import AtomError
from motools.repo.project import Project
from motools.repo.survey import Survey

OTHER = """    Step("again", {"model": "model"}, {"more": "eval"}, Config,
         lambda config, input_atoms, workspace: make("more", "eval", config, input_atoms, workspace)),
"""


def told(folder: Path, what: str, pipeline: str | None = None) -> list[Step]:
    return history(Survey(Project.find(folder)), what, pipeline)


def three_seeds(project: Path) -> None:
    chain = Chain.lay(project)
    for seed in range(3):
        if seed == 2:
            git(project, "switch", "-qc", "later")
        chain.set(seed=seed)
        assert chain.run().code == 0
        commit(project, f"seed {seed}")


@pytest.fixture
def chain(lay: Lay) -> Chain:
    """Run and committed with the seeds 0, 1 and 2, the last on a branch of its own."""
    return Chain(lay(three_seeds))


def test_every_result_of_a_step_is_told_with_what_had_changed(chain: Chain) -> None:
    steps = told(chain.folder, "train")
    assert [step.subject for step in steps] == ["seed 2", "seed 1", "seed 0"]
    assert [sorted(step.changes) for step in steps] == [
        ["atoms/dataset", "train.seed: 1 -> 2"],
        ["atoms/dataset", "train.seed: 0 -> 1"],
        [],
    ]
    assert len({step.atoms["model"] for step in steps}) == 3
    assert all(step.made and not step.rewritten for step in steps)


def test_an_output_an_atom_and_a_metric_have_histories_too(chain: Chain) -> None:
    model = told(chain.folder, "model")
    assert [step.stage for step in model] == ["train"] * 3
    (one,) = told(chain.folder, model[0].atoms["model"])
    assert one == model[0]
    values = told(chain.folder, "score.mean")
    assert [step.value for step in values] == [2.5, 1.5, 0.5]
    assert [step.value for step in told(chain.folder, "task.score.mean")] == [2.5, 1.5, 0.5]


def test_a_metric_that_several_steps_have_is_told_of_each(chain: Chain) -> None:
    chain.edit("chain.py", '    Step("evaluate"', OTHER + '    Step("evaluate"')
    assert chain.run().code == 0
    commit(chain.folder, "another evaluation")
    steps = told(chain.folder, "task.score.mean")
    assert [(step.stage, step.value) for step in steps] == [
        ("again", 0.5),
        ("evaluate", 2.5),
        ("evaluate", 1.5),
        ("evaluate", 0.5),
    ]


def test_an_atom_is_told_with_what_had_changed_for_it_and_an_output_under_whatever_step_made_it(chain: Chain) -> None:
    steps = told(chain.folder, "model")
    (one,) = told(chain.folder, steps[1].atoms["model"][:12])
    assert "train.seed: 0 -> 1" in one.changes
    chain.edit("chain.py", 'Step("train", {"dataset"', 'Step("fit-2", {"dataset"')
    params = (chain.folder / "params.yaml").read_text()
    (chain.folder / "params.yaml").write_text(params.replace("train:", "fit-2:"))
    assert chain.run().code == 0
    commit(chain.folder, "another name")
    now = told(chain.folder, "model")
    assert [step.stage for step in now] == ["fit-2", "train", "train", "train"]
    assert now[1:] == steps


def test_a_result_of_a_step_that_is_gone_is_told_still(chain: Chain) -> None:
    was = told(chain.folder, "task.score.mean")
    lock = chain.folder / "dvc.lock"
    lock.write_text(lock.read_text().partition("  evaluate:\n")[0])
    commit(chain.folder, "without")
    assert told(chain.folder, "task.score.mean")[1:] == was
    assert [step.subject for step in told(chain.folder, was[0].atoms["results"])] == ["seed 2"]


def test_a_commit_that_changed_nothing_of_it_is_left_out(chain: Chain) -> None:
    before = told(chain.folder, "prepare")
    text = (chain.folder / "params.yaml").read_text()
    (chain.folder / "params.yaml").write_text(text + "# a word\n")
    commit(chain.folder, "a word")
    assert told(chain.folder, "prepare") == before


def test_a_merge_tells_what_neither_side_had_and_nothing_else(chain: Chain) -> None:
    folder = chain.folder
    git(folder, "switch", "-qc", "other", "HEAD~1")
    chain.set("train", seed=7)
    assert chain.run().code == 0
    commit(folder, "train 7")
    sides = told(folder, "train")
    subprocess.run(["git", "merge", "-q", "--no-commit", "later"], cwd=folder, capture_output=True, timeout=60)
    git(folder, "checkout", "--theirs", "dvc.lock", "params.yaml", "metrics")
    chain.set("evaluate", seed=8)
    assert chain.run().code == 0
    commit(folder, "merged")
    now = told(folder, "train")  # as it was on one side; which of the two comes first is git's affair
    assert sorted(now, key=lambda step: step.commit) == sorted(sides, key=lambda step: step.commit)
    assert told(folder, "evaluate")[0].subject == "merged"
    assert told(folder, "score.mean")[0].value == 8.5


def test_another_result_of_the_same_is_not_told_as_the_first(chain: Chain) -> None:
    lock = chain.folder / "dvc.lock"
    text = lock.read_text()
    lock.write_text(text.replace(chain.oid("atoms/results"), f"{'f' * 32}.dir"))
    commit(chain.folder, "by hand")
    assert told(chain.folder, "evaluate")[0].changes == ("nothing that dvc.lock names",)


def test_a_commit_that_was_amended_away_is_told_as_such(project: Path) -> None:
    chain = Chain.lay(project)
    commit(project, "draft")
    assert chain.run().code == 0
    git(project, "add", "-A")
    git(project, "commit", "-q", "--amend", "-m", "done")
    git(project, "reflog", "expire", "--expire=now", "--all")
    git(project, "gc", "-q", "--prune=now")
    (step,) = told(project, "train")
    assert step.rewritten
    assert "since amended or squashed" in chain.command("history", "train").out


def test_a_commit_that_a_graft_stands_in_for_is_told_once_and_by_its_own_id(chain: Chain) -> None:
    newest = told(chain.folder, "train")[0].commit
    git(chain.folder, "replace", "--graft", newest)
    stand_in = (chain.folder / ".git" / "refs" / "replace" / newest).read_text().strip()
    commits = [step.commit for step in told(chain.folder, "train")]
    assert newest in commits
    assert stand_in not in commits


def test_a_shallow_clone_does_not_say_of_a_commit_that_it_was_rewritten(chain: Chain) -> None:
    there = chain.folder.parent / "shallow"
    git(chain.folder, "clone", "-q", "--depth", "1", f"file://{chain.folder}", str(there))
    steps = told(there, "train")
    assert [step.or_before for step in steps] == [True]
    assert not any(step.rewritten for step in steps)


def test_an_author_of_another_name_today_is_named_as_git_does(chain: Chain) -> None:
    chain.path(".mailmap").write_text("Ada Lovelace <ada@new.example.org> <ada@example.org>\n")
    assert told(chain.folder, "evaluate")[0].author == "Ada Lovelace <ada@new.example.org>"


def test_other_folders_count_unless_one_is_named(chain: Chain) -> None:
    shutil.copytree(chain.folder, chain.folder / "arm", ignore=shutil.ignore_patterns(".*", "arm"))
    git(chain.folder, "add", "-f", "arm/dvc.lock")
    git(chain.folder, "commit", "-qm", "an arm")
    assert {step.folder for step in told(chain.folder, "train")} == {".", "arm"}
    assert [step.subject for step in told(chain.folder, "train", "arm")] == ["an arm"]


def test_a_stage_that_is_gone_is_told_as_gone(chain: Chain) -> None:
    lock = chain.folder / "dvc.lock"
    lock.write_text(lock.read_text().partition("  evaluate:\n")[0])
    commit(chain.folder, "without")
    step = told(chain.folder, "evaluate")[0]
    assert (step.subject, step.changes, dict(step.atoms)) == ("without", ("gone",), {})


def test_a_fresh_clone_tells_the_same_by_its_remote_alone(chain: Chain, tmp_path: Path) -> None:
    subprocess.run(
        ["dvc", "remote", "add", "-q", "-d", "s", str(tmp_path / "remote")], cwd=chain.folder, check=True, timeout=60
    )
    assert chain.command("push").code == 0
    commit(chain.folder, "remote")
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(chain.folder), str(clone)], check=True, timeout=60)
    assert told(clone, "score.mean") == told(chain.folder, "score.mean")


def test_a_shallow_clone_says_that_there_may_have_been_more_before(chain: Chain, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    words = ["git", "clone", "-q", "--depth", "1", f"file://{chain.folder}", str(clone)]
    subprocess.run(words, check=True, timeout=60)
    (step,) = told(clone, "train")
    assert step.or_before


def test_what_never_was_is_refused_with_what_was_meant(chain: Chain) -> None:
    with pytest.raises(AtomError, match="Did you mean 'train'"):
        told(chain.folder, "trian")
    done = chain.command("history", "nothing")
    assert (done.code, "called 'nothing'" in done.sentence) == (2, True)


def test_lock_files_that_no_one_can_read_are_passed_over(chain: Chain) -> None:
    lock = chain.folder / "dvc.lock"
    sound = lock.read_text()
    for text in (
        "stages:\n  'tr:\n    outs: 3\n",
        "stages: 3\n",
        "  train:\n    outs: 3\n",
        "stages:\n  train:\n    [\n",
        "\x00\n",
    ):
        lock.write_text(text)
        commit(chain.folder, "broken")
    lock.write_text(sound)
    commit(chain.folder, "mended")
    assert "seed 0" in [step.subject for step in told(chain.folder, "train")]


def test_scripts_read_it_as_json(chain: Chain) -> None:
    found: list[dict[str, Any]] = json.loads(chain.command("history", "score.mean", "--json").out)
    assert [each["value"] for each in found] == [2.5, 1.5, 0.5]


def test_before_the_first_commit_it_says_what_to_type(project: Path) -> None:
    git(project, "update-ref", "-d", "HEAD")
    for words in (("history", "evaluate_model"), ("diff",)):
        done = Chain(project).command(*words)
        assert done.code == 2
        assert re.search(
            r"^Error: (No commit has|There is no commit).* Type: git add --all && git commit$", done.err, re.M
        )
