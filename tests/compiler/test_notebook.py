"""Workflows that cells of a notebook define: what is written of them, and that an edited cell wakes its step."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from motools.code.search_path import pipeline_folder
from motools.compiler.notebook import Cells, module_text, write
from motools.definition.workflow import Workflow
from motools.engine.state import StepState, WorkflowState
from motools.errors import WorkflowError

IMPORTS = "from dataclasses import dataclass\nfrom motools.workflow import *"
CONFIG = "@dataclass\nclass Config(StepConfig):\n    word: str = 'one'"
STEP = """\
def shout(text):
    return text.upper()

def make(config, inputs, workspace):
    (workspace / "x").write_text(shout(config.word) + END)
    return [AtomConstructor("made", workspace / "x", "text")]"""
OTHER = """\
def last(config, inputs, workspace):
    (workspace / "y").write_text("y")
    return [AtomConstructor("ended", workspace / "y", "text")]"""
WORKFLOW = """\
workflow = Workflow("own", [
    Step("make", {}, {"made": "text"}, Config, make),
    Step("last", {}, {"ended": "text"}, Config, last),
])"""
RUN = "state = run_workflow(workflow=workflow, quiet=True)"


def test_what_a_name_needs_is_taken_as_it_was_bound_last_and_nothing_else() -> None:
    cells = [
        "import os, math\nfrom pathlib import *",
        "limit = 1\nprint('a side effect')",
        "broken = (",
        "def area(r): return math.pi * r * helper()",
        "def helper(): return 1",
        "x = 2; y = x + limit",
        "limit = 3",
        "class Box:\n    side = x\n\n    def volume(self):\n        return self.side ** 3 + limit",
        "@staticmethod\ndef helper(): return 2",
        "result = area(y) + Box().volume()",
        "os.getcwd()",
    ]
    text = module_text("result", cells)
    assert text.split("\n\n") == [
        "import os, math",
        "from pathlib import *",
        "limit = 1",
        "def area(r): return math.pi * r * helper()",
        "@staticmethod\ndef helper(): return 2",
        "x = 2",
        "y = x + limit",
        "limit = 3",
        "class Box:\n    side = x",
        "    def volume(self):\n        return self.side ** 3 + limit",
        "result = area(y) + Box().volume()\n",
    ]


def test_a_name_that_is_added_to_has_all_of_its_statements() -> None:
    assert module_text("n", ["n = 1", "m = 5", "n += 1", "n += m"]) == "n = 1\n\nm = 5\n\nn += 1\n\nn += m\n"
    future = module_text("f", ["import os", "from __future__ import annotations", "def f(x: os.PathLike): ..."])
    assert future.startswith("from __future__ import annotations\n\nimport os\n")
    with pytest.raises(WorkflowError, match="No cell of the notebook gives 'gone' a value"):
        module_text("gone", ["x = 1"])


def test_what_is_defined_anew_stays_at_its_place_unless_what_comes_between_used_it() -> None:
    cells = ["def f(): return 1", "def g(): return f()", "END = 1", "w = [g, END]"]
    again = [*cells, "def f(): return 2", "END = 3", "w = [g, END]"]
    assert module_text("w", again) == "def f(): return 2\n\ndef g(): return f()\n\nEND = 3\n\nw = [g, END]\n"
    used = ["def f(): return 1", "x = f()", "def f(): return 2", "def g(): return f() + x", "w = g()"]
    assert module_text("w", used).split("\n\n") == [*used[:4], "w = g()\n"]


def test_texts_and_comments_of_a_cell_stay_as_they_are() -> None:
    cell = "def f():\n    # why\n    return 'é'  # so\n"
    assert module_text("f", [cell]) == cell


def test_what_was_changed_otherwise_is_refused(project: Path) -> None:
    cells = [IMPORTS, CONFIG, "END = '!'", STEP, OTHER, WORKFLOW]
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell in cells:
        exec(cell, names)
    place = pipeline_folder(project)
    found, reference = write(names["workflow"], Cells(cells, names), place)
    assert reference == "own_notebook.py:workflow"
    assert (found.name, found is names["workflow"]) == ("own", False)
    names["END"] = "?"
    with pytest.raises(WorkflowError, match="'END' is something else in the notebook"):
        write(names["workflow"], Cells(cells, names), place)
    names["END"] = "!"
    exec("def shout(text):\n    return text", names)  # by no cell
    with pytest.raises(WorkflowError, match="'shout' is something else in the notebook"):
        write(names["workflow"], Cells(cells, names), place)
    with pytest.raises(WorkflowError, match="has no name in the notebook"):
        write(Workflow("own", names["workflow"].steps), Cells(cells, names), place)
    (project / "own_notebook.py").write_text("mine = 1\n")
    with pytest.raises(WorkflowError, match="is a file of yours"):
        write(names["workflow"], Cells(cells, names), place)


def test_a_key_in_a_cell_is_not_written_to_the_file(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "planted-value-0123456789")
    for value, told in (
        ("planted-value-0123456789", "holds the value of SOME_API_KEY"),
        ("sk-" + "a1" * 20, "looks like the key of an account"),
    ):
        cells = [IMPORTS, CONFIG, f"END = {value!r}", STEP, OTHER, WORKFLOW]
        names: dict[str, Any] = {"__name__": "__main__"}
        for cell in cells:
            exec(cell, names)
        with pytest.raises(WorkflowError, match=f"What the cells define {told}"):
            write(names["workflow"], Cells(cells, names), pipeline_folder(project))
    assert not (project / "own_notebook.py").exists()


def in_notebook(folder: Path, *sessions: Sequence[str]) -> list[list[str]]:
    """What became of the steps at each `RUN` of notebooks, each a process of its own, whose cells these are."""
    script = """
        import json, sys
        from IPython.core.interactiveshell import InteractiveShell

        shell, told = InteractiveShell.instance(), []
        for cell in json.load(sys.stdin):
            result = shell.run_cell(cell, store_history=True)
            result.raise_error()
            if "run_workflow(" in cell:
                told.append([step.status for step in shell.user_ns["state"].step_states])
        print(json.dumps(told))
    """
    found = []
    for cells in sessions:
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(script)],
            input=json.dumps(list(cells)),
            capture_output=True,
            text=True,
            cwd=folder,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        found += json.loads(done.stdout.splitlines()[-1])
    return found


def test_an_edited_cell_wakes_its_step_and_no_other(project: Path) -> None:
    pytest.importorskip("IPython")
    begin = [IMPORTS, CONFIG, "END = '!'", STEP, OTHER, WORKFLOW]
    edited = STEP.replace(".upper()", ".title()")
    first = [*begin, RUN, RUN, edited, WORKFLOW, RUN, "END = '?'", RUN, STEP, "END = '!'", WORKFLOW, RUN]
    assert in_notebook(project, first, [*begin, RUN]) == [
        ["finished", "finished"],
        ["current", "current"],
        ["finished", "restored"],
        ["finished", "restored"],
        ["restored", "restored"],
        ["current", "current"],
    ]
    assert (project / "atoms" / "made" / "data" / "x").read_text() == "ONE!"
    done = subprocess.run(["motools", "run", "--json"], cwd=project, capture_output=True, text=True)
    assert [stage["status"] for stage in json.loads(done.stdout)] == ["current", "current"], done.stderr


def test_a_state_is_readable_and_a_table_in_a_notebook() -> None:
    made = {"model": "model-0123456789abcdef0123456789abcdef"}
    state = WorkflowState(
        [StepState("train", "finished", made, 2.5), StepState("evaluate_it", "failed", error="a <fault> of it")]
    )
    assert repr(state) == (
        "step         status    seconds  atoms\n"
        "train        finished  2.5      model-0123456789ab\n"
        "evaluate_it  failed    0.0      a <fault> of it"
    )
    table = state._repr_html_()
    assert "<td>model-0123456789ab</td>" in table
    assert "a &lt;fault&gt; of it" in table
