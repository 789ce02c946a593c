"""Files of data that steps leave beside their outputs and read in C, by names that only a pattern of the code has."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from chain import Chain
from test_sweeps import vary

REST = '''

import sqlite3


def table(name):
    """A database that is opened in C, where nobody sees it."""
    base = sqlite3.connect(":memory:", isolation_level=None)
    base.execute("attach ? as other", (os.path.join(os.path.dirname(__file__), f"{name}.db"),))
    return base


def make_and_leave(name, kind, config, input_atoms, workspace, reads=(), seed=None):
    rows = [table(each).execute("select * from other.sqlite_master").fetchall() for each in reads]
    base = table(f"{name}-{config.seed if seed is None else seed}")
    base.execute("begin")
    base.execute("create table if not exists other.rows (row)")
    base.execute("delete from other.rows")
    base.execute("insert into other.rows values (?)", (f"{time.time_ns()} after {rows}",))
    base.execute("commit")
    return make(name, kind, config, input_atoms, workspace)


def prepare(config, input_atoms, workspace):
    return make_and_leave("dataset", "dataset", config, input_atoms, workspace)


def train(config, input_atoms, workspace):
    return make_and_leave("model", "model", config, input_atoms, workspace, ["dataset-0"])


def evaluate(config, input_atoms, workspace):
    seed = (input_atoms["model"].get_data_path() / "part.txt").read_text().split()[1]
    reads = ["dataset-0", f"model-{seed}"]
    return make_and_leave("results", "eval", config, input_atoms, workspace, reads, seed)


workflow = Workflow("chain", [
    Step("prepare", {}, {"dataset": "dataset"}, Config, prepare),
    Step("train", {"dataset": "dataset"}, {"model": "model"}, Config, train),
    Step("evaluate", {"model": "model"}, {"results": "eval"}, Config, evaluate),
])
'''


@pytest.fixture
def chain(project: Path) -> Chain:
    chain = Chain.lay(project)
    with chain.path("chain.py").open("a") as file:
        file.write(REST)
    return chain


def settles(chain: Chain) -> list[str]:
    """What a run executes, after which there is nothing to do."""
    done = chain.run()
    assert done.code == 0, done.err
    executed = chain.executed()
    again = chain.command("status", str(chain.folder), "--json")
    assert again.code == 0, again.out
    assert {stage["action"] for stage in json.loads(again.out)} == {"current"}
    assert set(chain.run().statuses) == {"current"}
    assert chain.executed() == []
    return sorted(executed)


def test_a_step_is_not_woken_by_what_those_leave_that_do_not_come_before_it(chain: Chain) -> None:
    assert settles(chain) == ["dataset", "model", "results"]
    chain.edit("chain.py", "{time.time_ns()} after", "{time.time_ns()} then after")
    assert settles(chain) == ["dataset", "model", "results"]
    chain.set("train", seed=1)
    assert settles(chain) == ["model", "results"]
    chain.set("train", fill=11)
    assert settles(chain) == ["model", "results"]


def test_a_step_is_woken_by_what_one_leaves_that_comes_before_it_and_by_what_somebody_else_leaves(chain: Chain) -> None:
    assert settles(chain) == ["dataset", "model", "results"]
    chain.set("prepare", pause=0.01)  # the same output, another file beside it
    assert settles(chain) == ["dataset", "model", "results"]
    chain.path("dataset-0.db").unlink()
    assert settles(chain) == ["model", "results"]


def test_the_instances_of_a_sweep_do_not_wake_each_other(chain: Chain) -> None:
    vary(chain, {"train.seed": [1, 2]})
    assert settles(chain) == ["dataset", "model", "model", "results", "results"]
    chain.set("train", fill=11)
    assert settles(chain) == ["model", "model", "results", "results"]


def test_gc_removes_the_notes_of_files_that_are_gone(chain: Chain) -> None:
    def notes() -> int:
        return len([*chain.path(".motools", "made").glob("*/*")])

    assert settles(chain) == ["dataset", "model", "results"]
    assert "Everything in the cache is needed." in chain.command("gc").out
    chain.path("dataset-0.db").unlink()
    before = notes()
    looked = chain.command("gc", "--dry-run").out
    assert "that are gone: 1" in looked
    assert "objects" not in looked
    assert notes() == before
    assert chain.command("gc", "--yes").out.splitlines()[-1] == "Removed."
    assert notes() == before - 1
