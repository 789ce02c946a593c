"""Results by where they stand: a folder, a stage, an output, a path, now or at a commit; two commits compared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from chain import Chain, Lay, commit

from motools.atom.listing import find_atom, find_evals
from motools.atom.naming import at_both, named
from motools.base import yaml12
from motools.errors import AtomError


def two_states(project: Path) -> None:
    import subprocess

    chain = Chain.lay(project)
    assert chain.run().code == 0
    commit(chain.folder)
    subprocess.run(["git", "tag", "first"], cwd=chain.folder, check=True)
    chain.set("train", seed=1)
    assert chain.run().code == 0
    commit(chain.folder)
    chain.path("sweep").mkdir()
    text = {"workflow": "../chain.py:workflow", "sweep": {"train.seed": [0, 1], "evaluate.fill": [10, 11]}}
    chain.path("sweep", "params.yaml").write_text(yaml12.dumps(text))
    assert chain.command("run", str(chain.path("sweep"))).code == 0


@pytest.fixture
def chain(lay: Lay) -> Chain:
    """Two states of one pipeline, of which the first is committed and tagged, and a sweep in another folder."""
    return Chain(lay(two_states))


def names(text: str, folder: Path) -> list[str]:
    return [each.name for each in named(text, folder)]


def test_a_folder_is_what_its_pipeline_ends_in(chain: Chain) -> None:
    assert names(".", chain.folder) == ["results"]
    assert find_atom(".", chain.folder).id == find_atom("results", chain.folder).id
    assert sorted(names("sweep", chain.folder)) == [
        f"results@seed={seed},fill={fill}" for seed in (0, 1) for fill in (10, 11)
    ]
    with pytest.raises(AtomError, match=r"sweep is 4 results: results@seed=0,fill=10, .*\. Name one of them\."):
        find_atom("sweep", chain.folder)


def test_a_stage_an_output_and_what_holds_for_one_name_its_atoms(chain: Chain) -> None:
    sweep = chain.path("sweep")
    assert find_atom("evaluate", chain.folder).id == find_atom("results", chain.folder).id
    assert names("evaluate@seed=1", sweep) == ["results@seed=1,fill=10", "results@seed=1,fill=11"]
    assert names("results@fill=10", sweep) == ["results@seed=0,fill=10", "results@seed=1,fill=10"]
    one = find_atom("sweep/evaluate@seed=1,fill=11", chain.folder)
    assert one.id == find_atom("sweep/atoms/results/seed=1/fill=11", chain.folder).id
    assert one.id == find_atom("atoms/results/seed=1/fill=11/data", sweep).id


def test_the_same_at_a_commit_is_what_stood_there_then(chain: Chain) -> None:
    now, then = find_atom("model", chain.folder), find_atom("first:model", chain.folder)
    assert then.id != now.id == find_atom("HEAD:train", chain.folder).id
    assert find_atom("first:.", chain.folder).made_from["model"] == then.id
    assert find_atom("first:atoms/model", chain.folder).id == then.id
    assert find_atom("HEAD:..", chain.path("sweep")).id == find_atom("results", chain.folder).id


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("frist:.", "git knows no commit 'frist'"),
        ("first:sweep", "no lock file names sweep. Write REV:FOLDER"),
        ("-x:.", "git knows no commit '-x'"),
        ("evaluate@seed=7", "There is no atom|is not an atom id"),
    ],
)
def test_what_names_nothing_is_told_so(chain: Chain, text: str, said: str) -> None:
    with pytest.raises(AtomError, match=said):
        find_atom(text, chain.folder)


def test_a_range_of_commits_is_two_places_and_a_path_is_none(chain: Chain) -> None:
    assert at_both("main..HEAD", chain.folder) == ["main:.", "HEAD:."]
    assert at_both("v1..feature/x:sweep", chain.folder) == ["v1:sweep", "feature/x:sweep"]
    assert at_both("../sweep", chain.folder) is None
    assert at_both("a/../b", chain.folder) is None
    assert at_both("evaluate", chain.folder) is None


def test_two_commits_are_compared_and_what_a_sweep_varies_but_the_seed_has_to_be_named(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(chain.folder)
    chain.set("evaluate", seed=4)
    chain.run()
    commit(chain.folder)
    told = json.loads(chain.command("compare", "first..HEAD", "--json").out)
    assert told["arms"] == ["first:.", "HEAD:."]
    assert told["metrics"] == {"task.score.mean": [0.5, 4.5]}
    monkeypatch.chdir(chain.path("sweep"))
    refused = chain.command("compare", ".", "../evaluate")
    assert refused.code == 2
    assert ". has 4 evaluations that differ by fill" in refused.said
    assert "Name those of one, such as results@fill=10." in refused.said
    told = json.loads(chain.command("compare", "results@fill=10", "../evaluate", "--json").out)
    assert [len(told["evaluations"]), told["arms"]] == [3, ["results@fill=10", "../evaluate"]]


def test_a_sweep_over_seeds_is_several_evaluations_and_one_alone_is_called_as_it_was_asked_for(chain: Chain) -> None:
    assert list(find_evals("evaluate@fill=10", chain.path("sweep"))) == [
        "results@seed=0,fill=10",
        "results@seed=1,fill=10",
    ]
    id = find_atom("results", chain.folder).id
    assert list(find_evals(id, chain.folder)) == [id]
    with pytest.raises(AtomError, match=r"model: model-.* is a model, not an eval"):
        find_evals("model", chain.folder)
