"""Results that a pipeline no longer asks for: the commands that read them say so, and execute nothing to know it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from chain import NAMES, Chain, commit, dvc, git

from motools.base import yaml12
from motools.engine.outdated import _same, sentence


@pytest.fixture(scope="module")
def ran(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    chain = Chain.lay(Path(shutil.copytree(template, tmp_path_factory.mktemp("ran") / "project", symlinks=True)))
    assert chain.run().code == 0
    return chain.folder


@pytest.fixture
def chain(ran: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Chain:
    chain = Chain(Path(shutil.copytree(ran, tmp_path / "project", symlinks=True)))
    monkeypatch.chdir(chain.folder)
    commit(chain.folder)
    return chain


def why(chain: Chain, name: str = "results") -> list[str]:
    """What `atoms show` gives as reasons; the sentence says the same, and is there only then."""
    done = chain.command("atoms", "show", name, "--json")
    assert done.code == 0, done.err
    reasons: list[str] = json.loads(done.out)["out_of_date"]
    assert all(reason in done.err for reason in reasons[:3])
    assert bool(reasons) == ("out of date" in done.err)
    return reasons


def test_nothing_is_said_of_what_is_current(chain: Chain) -> None:
    assert [why(chain, name) for name in ("dataset", "model", "results")] == [[], [], []]


def test_a_value_of_the_config_makes_its_result_out_of_date_and_those_made_of_it(chain: Chain) -> None:
    chain.set("train", seed=7)
    assert why(chain, "dataset") == []
    assert why(chain, "model") == ["train.seed: 0 -> 7"]
    assert why(chain) == ["atoms/model, which train has made, is out of date"]
    chain.set("train", seed=0)
    assert why(chain) == []


@pytest.mark.parametrize(
    ("why", "told"),
    [
        (["a"], "x is out of date: a."),
        (["a", "b", "c"], "x is out of date: a; b; c."),
        (["a", "b", "c", "d", "e"], "x is out of date: a; b; c; and 2 more."),
        (["a", "its files cannot be read: b"], "x may be out of date: a; its files cannot be read: b."),
    ],
)
def test_a_sentence_names_three_reasons_at_most(why: list[str], told: str) -> None:
    assert sentence("x", why) == f"{told} `motools status` says what a run would do."


def test_every_command_that_tells_of_a_result_says_it(chain: Chain) -> None:
    ids = {name: f"{chain.oid(f'atoms/{name}').removesuffix('.dir')}" for name in ("dataset", "results")}
    chain.set("evaluate", seed=7)
    reasons = ["evaluate.seed: 0 -> 7"]
    for name in ("results", "atoms/results", ids["results"], f"eval-{ids['results'][:8]}"):
        assert why(chain, name) == reasons
        lineage = chain.command("lineage", name, "--json")
        assert json.loads(lineage.out)["out_of_date"] == reasons
        assert f"{name} is out of date: evaluate.seed: 0 -> 7." in lineage.err
    compared = chain.command("compare", "results", "results", "--json")
    assert [each["out_of_date"] for each in json.loads(compared.out)["evaluations"]] == [reasons, reasons]
    assert "results is out of date" in chain.command("compare", "results").err
    listed = chain.command("atoms", "list", "--json")
    assert {a["name"]: a["out_of_date"] for a in json.loads(listed.out)} == {
        "dataset": [],
        "model": [],
        "results": reasons,
    }
    assert listed.said == "Out of date: results. `motools status FOLDER` says why."
    assert why(chain, ids["dataset"]) == []


def test_of_many_results_that_are_out_of_date_the_first_are_named_and_the_others_counted(chain: Chain) -> None:
    chain.set("evaluate", seed=7)
    lock = chain.folder / "dvc.lock"
    head, evaluate, entry = lock.read_text().partition("  evaluate:\n")
    copies = [f"  again{n}:\n{entry.replace('results', f'results{n}')}" for n in range(19)]
    lock.write_text(head + evaluate + entry + "".join(copies))
    names = ["results", *(f"results{n}" for n in range(11))]
    said = chain.command("atoms", "list").err
    assert said == f"Out of date: {', '.join(names)}, and 8 more. `motools status FOLDER` says why.\n"


def test_costs_says_it_of_what_its_figures_were_paid_for(project: Path) -> None:
    chain = Chain.lay(project)
    usage = '(workspace / "usage.json").write_text(\'{"openai/x": {"input_tokens": 5}}\')'
    chain.edit("chain.py", "    return [AtomConstructor", f"    {usage}\n    return [AtomConstructor")
    assert chain.run().code == 0
    assert chain.command("costs").err == ""
    chain.set("train", seed=7)
    done = chain.command("costs", "--json")
    assert {name: bool(each["out_of_date"]) for name, each in json.loads(done.out).items()} == {
        "prepare": False,
        "train": True,
        "evaluate": True,
        "total": False,
    }
    assert "What train has made is out of date: train.seed: 0 -> 7." in done.err


def test_code_counts_where_the_step_has_used_what_changed(chain: Chain) -> None:
    chain.edit("chain.py", 'return make("results"', 'print("more"); return make("results"')
    assert why(chain, "model") == []
    assert why(chain) == ["chain.py: evaluate()"]


def test_a_comment_in_its_code_changes_no_result(chain: Chain) -> None:
    chain.edit("chain.py", "def evaluate(", "# said\ndef evaluate(")
    assert why(chain) == []


def test_another_workflow_asks_for_other_results(chain: Chain) -> None:
    chain.edit("params.yaml", "chain.py:workflow", "chain.py:other")
    told = why(chain, "dataset")
    assert told == [
        "its command changed: motools step run chain.py:workflow prepare -> motools step run chain.py:other prepare"
    ]


def test_what_no_stage_makes_any_more_is_out_of_date_and_what_is_frozen_is_not(chain: Chain) -> None:
    chain.set("evaluate", seed=7)
    dvc(chain.folder, "freeze", "evaluate")
    assert why(chain) == []
    stages = yaml12.load(chain.path("dvc.yaml"))
    del stages["stages"]["evaluate"]
    chain.path("dvc.yaml").write_text(yaml12.dumps(stages))
    assert why(chain) == ["dvc.yaml has no stage evaluate any more"]


def test_a_file_that_cannot_be_read_leaves_it_open(chain: Chain) -> None:
    with chain.path("params.yaml").open("a") as file:
        file.write("<<<<<<< HEAD\n")
    done = chain.command("atoms", "show", "results")
    assert done.code == 0
    assert "results may be out of date: its files cannot be read:" in done.said
    assert "a merge has left its conflict here" in done.said


def test_nothing_of_the_project_is_executed_to_tell(chain: Chain) -> None:
    chain.set("evaluate", seed=7)
    chain.path("chain.py").write_text("open('executed.log', 'a').write('imported 1\\n')\nraise SystemExit(9)\n")
    chain.executed()
    for words in (["atoms", "show", "results"], ["atoms", "list"], ["compare", "results"], ["costs"]):
        assert chain.command(*words).code == 0
    assert "results is out of date" in chain.command("lineage", "results").err
    assert chain.executed() == []


def test_an_equal_result_that_another_folder_asks_for_is_not_out_of_date(chain: Chain) -> None:
    other = chain.path("other")
    other.mkdir()
    (other / "params.yaml").write_text(chain.path("params.yaml").read_text().replace("chain.py:", "../chain.py:"))
    assert chain.command("run", str(other)).code == 0
    md5 = chain.oid("atoms/results").removesuffix(".dir")
    chain.set("evaluate", seed=7)
    assert why(chain, md5) == [], "by its id it is what other/ asks for"
    assert why(chain, "atoms/results") == ["evaluate.seed: 0 -> 7"]
    assert why(chain, "other/atoms/results") == []


def test_a_clone_without_the_outputs_tells_it_from_the_lock_files(
    chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(chain.folder, "clone", "-q", str(chain.folder), str(tmp_path / "clone"))
    there = Chain(tmp_path / "clone")
    dvc(there.folder, "cache", "dir", "--local", str(chain.path(".dvc", "cache")))
    monkeypatch.chdir(there.folder)
    assert why(there) == []
    there.set("train", seed=7)
    assert why(there) == ["atoms/model, which train has made, is out of date"]


def own_stage(chain: Chain, text: str, out: str) -> Callable[[], list[str]]:
    """Have DVC execute a stage of one's own; gives what `lineage` says of its output, whenever that is asked."""
    stages = yaml12.load(chain.path("dvc.yaml"))
    stages["stages"]["own"] = yaml12.loads(f"{text}outs: [{out}]\n")
    chain.path("dvc.yaml").write_text(yaml12.dumps(stages))
    dvc(chain.folder, "repro", "own")

    def told() -> list[str]:
        reasons: list[str] = json.loads(chain.command("lineage", out, "--json").out)["out_of_date"]
        return reasons

    return told


def test_a_stage_of_ones_own_is_told_by_its_files_and_parameters(chain: Chain) -> None:
    chain.path("rows.txt").write_text("1\n")
    chain.path("folder", "deep").mkdir(parents=True)
    chain.path("folder", "deep", "more.txt").write_text("1\n")
    chain.path("params.yaml").write_text(chain.path("params.yaml").read_text() + "more: {a: {b: 1}}\n")
    told = own_stage(
        chain, "cmd: cat rows.txt > figure.txt\ndeps: [rows.txt, folder]\nparams: [more.a.b]\n", "figure.txt"
    )
    assert told() == []
    dvc(chain.folder, "add", "-q", "rows.txt")
    chain.path("rows.txt").unlink()
    assert told() == [], "its .dvc file says what it is"
    chain.path("folder", "deep", "more.txt").write_text("2\n")
    assert told() == ["folder changed"]
    chain.path("folder", "deep", "more.txt").write_text("1\n")
    chain.path("rows.txt").write_text("2\n")
    assert told() == ["rows.txt changed"]
    chain.edit("params.yaml", "b: 1", "b: 2")
    assert told() == ["more.a.b: 1 -> 2", "rows.txt changed"]


def test_a_stage_of_ones_own_that_reads_in_a_result_is_as_old_as_that(chain: Chain) -> None:
    chain.path("own.yaml").write_text("a: 1\n")
    chain.path("own.toml").write_text("b = 1\n")
    read = "atoms/model/data/part.txt"
    told = own_stage(
        chain, f"cmd: cp {read} copy.txt\ndeps: [{read}]\nparams: [{{own.yaml: [a]}}, {{own.toml: [b]}}]\n", "copy.txt"
    )
    assert told() == []
    chain.set("train", seed=7)
    assert told() == [f"{read}, which train has made, is out of date"]
    chain.set("train", seed=0)
    chain.path("own.toml").write_text("b = 2\n")
    assert told() == [], "what only DVC reads is not read here"
    chain.path("own.yaml").write_text("")
    assert told() == ["a: 1 -> (none)"]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [(1, 1, True), (1, 1.0, True), (1, 2, False), (2, 1, False), (True, 1, False), ("1", 1, False), ([1], [1], True)],
)
def test_a_whole_number_is_a_number_and_a_truth_is_none(one: object, other: object, same: bool) -> None:
    assert _same(one, other) is same
    assert _same(other, one) is same


def test_a_lock_file_that_names_a_device_is_read_no_further(chain: Chain) -> None:
    chain.edit("dvc.lock", "path: chain.py", "path: ../../../../../../../../../../dev/zero")
    assert why(chain) == [], "nothing that the step has used has changed"


def test_the_packages_that_a_step_imported_are_in_its_record_and_told_where_they_are_others_now(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    about = site / "helperlib-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: helperlib\nVersion: 1.0\n")
    (site / "helperlib.py").write_text("")
    monkeypatch.syspath_prepend(str(site))
    chain = Chain.lay(project)
    head = "def train(config, input_atoms, workspace):\n"
    chain.edit("chain.py", head, f"{head}    import helperlib\n")
    done = chain.run()
    assert done.code == 0, done.err
    made = {name: json.loads(chain.path("runs", f"{name}.json").read_text())["versions"] for name in NAMES}
    assert [made[name].get("helperlib") for name in NAMES] == [None, "1.0", None]
    about = about.rename(site / "helperlib-2.0.dist-info")
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: helperlib\nVersion: 2.0\n")
    others = json.loads(chain.command("status", "--env", "--json").out)
    assert others == {"prepare": {}, "train": {"helperlib": ["1.0", "2.0"]}, "evaluate": {}}
