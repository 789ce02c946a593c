"""The table of a pipeline's results: which rows there are, and that no old figure stands for the present config's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from chain import Chain, remove

import motools
from motools.base import yaml12
from motools.repo.dvc_locks import PathLocks


@pytest.fixture
def chain(project: Path) -> Chain:
    chain = Chain.lay(project)
    vary(chain, {"train.seed": [0, 1]})
    return chain


def vary(chain: Chain, sweep: Any, **sections: Any) -> None:
    path = chain.path("params.yaml")
    params = {**yaml12.load(path), **sections}
    params.pop("sweep", None)
    path.write_text(yaml12.dumps(params if sweep is None else {**params, "sweep": sweep}))


def told(chain: Chain, *options: str) -> list[tuple[str, str, float | None]]:
    """A row each: what varies, the state, and the figure if it has one."""
    done = chain.command("results", str(chain.folder), "--json", *options)
    assert done.code == 0, done.err
    rows = json.loads(done.out)
    return [
        (
            ",".join(f"{name}={value}" for name, value in row["axes"].items()),
            row["state"],
            row["metrics"].get("task.score.mean", {}).get("value"),
        )
        for row in rows
    ]


def test_there_is_a_row_for_each_end_that_the_config_asks_for_also_before_it_has_run(chain: Chain) -> None:
    assert chain.run("--stages", "prepare").code == 0
    assert told(chain) == [("seed=0", "not run", None), ("seed=1", "not run", None)]
    table = motools.results(stale=True)
    assert ([row.atom for row in table.rows], table.notes) == ([None, None], []), "nothing of it is missing"
    assert chain.run().code == 0
    assert told(chain) == [("seed=0", "current", 0.5), ("seed=1", "current", 0.5)]


def test_a_figure_that_the_config_no_longer_gives_is_not_shown_and_is_marked_where_it_is_asked_for(
    chain: Chain,
) -> None:
    chain.run()
    chain.set("evaluate", seed=3)
    assert told(chain) == [("seed=0", "stale", None), ("seed=1", "stale", None)]
    assert told(chain, "--stale") == [("seed=0", "stale", 0.5), ("seed=1", "stale", 0.5)]
    done = chain.command("results", str(chain.folder))
    assert "0.5" not in done.out
    assert "2 stale: evaluate.seed: 0 -> 3." in done.said
    chain.run()
    assert told(chain) == [("seed=0", "current", 3.5), ("seed=1", "current", 3.5)]


def test_what_the_sweep_has_no_more_has_no_row_and_what_is_new_has_not_run(chain: Chain) -> None:
    chain.run()
    vary(chain, {"train.seed": [1, 2]})
    assert told(chain) == [("seed=1", "current", 0.5), ("seed=2", "not run", None)]
    assert ("seed=0", "stale", 0.5) in told(chain, "--stale")
    vary(chain, None)
    assert told(chain) == [("", "not run", None)]
    assert "params.yaml has no sweep any more" in chain.command("results", str(chain.folder), "--stale").said


def test_an_axis_of_the_same_name_that_means_another_key_makes_no_old_result_current(chain: Chain) -> None:
    chain.run()
    vary(chain, {"prepare.seed": [0, 1]})
    assert [state for _, state, _ in told(chain)] == ["stale", "stale"]
    done = chain.command("results", str(chain.folder))
    assert "current" not in done.out
    chain.run()
    assert [state for _, state, _ in told(chain)] == ["current", "current"]


def test_the_same_name_of_an_axis_with_another_key_of_the_step_is_stale(chain: Chain) -> None:
    vary(chain, {"train.seed": [7]})
    chain.run()
    vary(chain, {"zip": {"train.seed": [7], "train.fill": [11]}})
    assert told(chain)[0][1] == "not run"
    vary(chain, {"train.more.seed": [7]})
    assert told(chain)[0][1] == "stale"


def test_what_failed_or_needs_what_failed_is_told_so_and_the_others_are_as_they_were(chain: Chain) -> None:
    chain.edit("chain.py", 'return make("model"', 'assert config.seed == 0\n    return make("model"')
    assert chain.run().code == 1
    assert told(chain) == [("seed=0", "current", 0.5), ("seed=1", "failed", None)]
    done = chain.command("results", str(chain.folder))
    assert "1 failed: train@seed=1 failed at" in done.said


def test_what_is_being_executed_is_running(chain: Chain) -> None:
    chain.run()
    outs = [str(chain.path(path)) for path in ("atoms/model/seed=1", "runs/train/seed=1.json")]
    with PathLocks(chain.folder).held("train@seed=1", [], outs):
        assert [state for _, state, _ in told(chain)] == ["current", "running"]
    assert [state for _, state, _ in told(chain)] == ["current", "current"]


def test_without_a_sweep_there_is_one_row_and_code_that_changed_makes_it_stale(chain: Chain) -> None:
    vary(chain, None)
    chain.run()
    assert told(chain) == [("", "current", 0.5)]
    chain.edit("chain.py", 'f"{name} {config.seed}', 'f"{name}: {config.seed}')
    assert told(chain)[0][1] == "stale"


def test_each_output_of_an_execution_that_makes_several_has_a_row(chain: Chain) -> None:
    made = """\
made = {at: make("results", "eval", config, input_atoms, workspace / at)[0].path for at in "ab"}
    return [AtomConstructor(f"results@at={at}", path, "eval") for at, path in made.items()]


def ends(config):
    return {"at": ["a", "b"]}
"""
    chain.edit("chain.py", 'return make("results", "eval", config, input_atoms, workspace)\n', made)
    chain.edit("chain.py", "Config, evaluate)", "Config, evaluate, varies=ends)")
    done = chain.run()
    assert done.code == 0, done.err
    assert [(*row.axes.values(), row.state) for row in motools.results().rows] == [
        (seed, at, "current") for seed in ("0", "1") for at in ("a", "b")
    ]


def test_several_folders_are_one_table_and_a_folder_of_folders_stands_for_those_in_it(chain: Chain) -> None:
    chain.run()
    for name in ("a", "b"):
        chain.path("experiments", name).mkdir(parents=True)
        text = {"workflow": "../../chain.py:workflow", "evaluate": {"seed": ord(name)}}
        chain.path("experiments", name, "params.yaml").write_text(yaml12.dumps(text))
    assert chain.command("run", str(chain.path("experiments", "a"))).code == 0
    table = motools.results(chain.path("experiments"), chain.folder)
    assert [(row.folder, row.state) for row in table.rows] == [
        ("experiments/a", "current"),
        (".", "current"),
        (".", "current"),
    ]
    assert [f"{row.figures['task.score.mean'].value:g}" for row in table.rows] == ["97.5", "0.5", "0.5"]
    frame = table.to_pandas()
    assert list(frame["folder"]) == ["experiments/a", ".", "."]


def test_a_result_that_is_not_at_hand_has_a_row_without_figures_and_it_is_told_how_to_get_it(chain: Chain) -> None:
    chain.run()
    md5 = chain.oid("atoms/results/seed=0").removesuffix(".dir")
    before = motools.results()
    assert [(len(row.figures) > 0, row.state) for row in before.rows] == [(True, "current")] * 2
    assert before.notes == []
    assert before.rows[0].atom == f"eval-{md5}"
    for path in (".dvc/cache", "atoms/results", ".motools"):
        remove(chain.path(path))
    after = motools.results()
    assert [(row.figures, row.models, row.state) for row in after.rows] == [({}, (), "current")] * 2
    assert after.rows[0].atom == md5
    assert after.notes == ["2 results are not at hand: `motools pull` brings them."]


def test_a_figure_of_what_is_out_of_date_is_none_unless_it_is_asked_for(chain: Chain) -> None:
    chain.run()
    chain.set("evaluate", seed=3)
    assert [row.figures for row in motools.results().rows] == [{}, {}]
    assert all(row.figures for row in motools.results(stale=True).rows)


def test_what_failed_is_no_trouble_of_what_needs_nothing_of_it(chain: Chain) -> None:
    aside = 'def aside(config, input_atoms, workspace):\n    raise RuntimeError("no")\n\n\nworkflow = '
    chain.edit("chain.py", "workflow = ", aside)
    step = '    Step("aside", {"dataset": "dataset"}, {"other": "dataset"}, Config, aside),\n    Step("evaluate"'
    chain.edit("chain.py", '    Step("evaluate"', step)
    assert chain.run().code == 1
    assert {(row.name, row.state) for row in motools.results().rows} == {("other", "failed"), ("results", "current")}
    chain.set("train", seed=0, fill=11)
    assert {(row.name, row.state) for row in motools.results().rows} == {("other", "failed"), ("results", "stale")}


def test_the_table_is_written_as_csv_markdown_and_parquet(chain: Chain) -> None:
    import pandas

    chain.run()
    done = chain.command("results", str(chain.folder), "--csv", "--sort=-seed")
    header, first, second = done.out.splitlines()
    assert header.startswith("folder,name,seed,task.score.mean,")
    assert (first[:14], second[:14]) == (".,results,1,0.", ".,results,0,0.")
    assert chain.command("results", str(chain.folder), "--markdown").out.startswith("| seed | score |")
    file = chain.path("table.parquet")
    assert chain.command("results", str(chain.folder), "--parquet", str(file)).code == 0
    assert list(pandas.read_parquet(file)["seed"]) == [0, 1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--csv", "--json"), "--csv and --json are two forms of one table"),
        (("--where", "seed"), "--where takes COLUMN=VALUE or COLUMN=A,B"),
        (("--where", "sed=1"), "There is no column 'sed'. Did you mean 'seed'?"),
        (("nowhere",), "There is no folder nowhere"),
    ],
)
def test_what_cannot_be_shown_is_refused(chain: Chain, words: tuple[str, ...], said: str) -> None:
    chain.run("--stages", "prepare")
    done = chain.command("results", *words)
    assert done.code == 2
    assert said in done.said
