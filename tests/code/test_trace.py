"""Traces without an execution: files are loaded and functions are executed on paper, and then something changes."""

from __future__ import annotations

import cProfile
import dataclasses
import hashlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from code_cases import write

from motools.code import making_traces, module_search, trace
from motools.code.making_traces import Execution, make_trace
from motools.code.search_path import PipelineFolder
from motools.code.trace import Code, Trace, dependencies, from_dict
from motools.code.world import World
from motools.observe import WHOLE_ENVIRONMENT, Events, Source, environment_digest, listing, observer, path_digest
from motools.repo.project import Project


@dataclass
class Scene:
    """A project of a few files and a pipeline in one of its folders."""

    root: Path
    folder: Path

    @property
    def place(self) -> PipelineFolder:
        return PipelineFolder(Project(self.root), self.folder)

    def path(self, name: str) -> str:
        return str(self.root / name)

    def trace(
        self,
        files: dict[str, str],
        ran: dict[str, str],
        events: Events | None = None,
        loading: Events | None = None,
        skip: tuple[str, ...] = (),
        made: set[str] | None = None,
        **more: Any,
    ) -> Trace:
        """Of an execution that loaded these files of code and executed these functions, by file."""
        write(self.root, files)
        events = events or Events()
        events.ran |= {(self.path(name), function, 0) for name, all_of in ran.items() for function in all_of.split()}
        sources = {
            self.path(name): Source(
                text.encode(),
                name.removesuffix(".py").removesuffix("/__init__").replace("/", "."),
                name.endswith("__init__.py"),
            )
            for name, text in files.items()
            if name.endswith(".py") and name not in skip
        }
        more = {"entry": next(iter(sources)), **more}
        return make_trace(Execution(sources, loading or Events(), events, **more), self.place, made)

    def changes(self, of: Trace, roles: dict[str, str] | None = None) -> list[str]:
        read = from_dict(of.as_dict())
        assert read == of
        return World(self.place).changes(of, roles or {})


@pytest.fixture
def scene(bare_project: Path) -> Scene:
    return Scene(bare_project, bare_project)


@pytest.fixture
def below(bare_project: Path) -> Scene:
    (bare_project / "experiments" / "a").mkdir(parents=True)
    return Scene(bare_project, bare_project / "experiments" / "a")


FILES = {
    "steps.py": "import helper\n\n\ndef step():\n    return helper.one()\n\n\ndef other():\n    return 1\n",
    "helper.py": "N = 1\nM = 2\n\n\ndef one():\n    return N\n\n\ndef two():\n    return M\n",
}
RAN = {"steps.py": "step", "helper.py": "one"}


def test_what_was_executed_counts_and_nothing_else(scene: Scene) -> None:
    found = scene.trace(FILES, RAN)
    assert list(found.code) == ["helper.py", "steps.py"]
    assert found.entries == ["steps.py"]
    assert found.order == []
    helper = found.code["helper.py"]
    assert (helper.module, helper.package) == ("helper", False)
    assert helper.md5 == hashlib.md5(FILES["helper.py"].encode()).hexdigest()
    assert [label for label, _ in helper.top] == ["one()", "N"]
    assert list(helper.functions) == ["one"]
    assert scene.changes(found) == []


@pytest.mark.parametrize(
    ("name", "before", "after", "said"),
    [
        ("helper.py", "return N", "return N + 1", ["helper.py: one()"]),
        ("helper.py", "N = 1", "N = 2", ["helper.py: N"]),
        ("helper.py", "return M", "return M + 1", []),
        ("helper.py", "M = 2", "M = 3", []),
        ("helper.py", "N = 1", "# a comment\nN = 1", []),
        ("helper.py", "N = 1\n", "", ["helper.py: N"]),
        ("helper.py", "N = 1\n", "N = 1\nN = 1\n", ["helper.py: the order of its statements"]),
        ("helper.py", "def one", "def three", ["helper.py: one()", "helper.py: N"]),
        ("helper.py", "N = 1", "N = (", ["helper.py is not Python"]),
        ("steps.py", "import helper", "import helper as h", ["steps.py: import of helper"]),
        ("steps.py", "import helper\n", "import helper\nimport json\nx = json.dumps(1)\n", []),
    ],
)
def test_each_block_that_changed_is_named(scene: Scene, name: str, before: str, after: str, said: list[str]) -> None:
    found = scene.trace(FILES, RAN)
    write(scene.root, {name: FILES[name].replace(before, after)})
    assert scene.changes(found) == said


def test_statements_in_another_order_are_told(scene: Scene) -> None:
    files = {"steps.py": "a = []\nb = [1]\n\n\ndef step():\n    return a, b\n"}
    found = scene.trace(files, {"steps.py": "step"})
    write(scene.root, {"steps.py": "b = [1]\na = []\n\n\ndef step():\n    return a, b\n"})
    assert scene.changes(found) == ["steps.py: the order of its statements"]


def test_what_stands_below_the_call_that_runs_a_workflow_does_not_count(scene: Scene) -> None:
    text = "from motools.workflow import run_workflow\nN = 1\ndef step():\n    return N\nrun_workflow(step)\nN = 2\n"
    found = scene.trace({"steps.py": text}, {"steps.py": "step"})
    write(scene.root, {"steps.py": text.replace("N = 2", "N = 3")})
    assert scene.changes(found) == []
    write(scene.root, {"steps.py": text.replace("N = 1", "N = 3")})
    assert scene.changes(found) == ["steps.py: N"]


def test_a_file_of_code_that_is_gone_or_no_longer_imported_is_told(scene: Scene) -> None:
    found = scene.trace(FILES, RAN)
    (scene.root / "helper.py").unlink()
    assert scene.changes(found) == ["helper.py is gone"]
    write(scene.root, FILES)
    write(scene.root, {"steps.py": FILES["steps.py"].replace("import helper\n", "")})
    assert "helper.py is no longer imported" in scene.changes(found)


def test_a_file_that_is_imported_in_addition_is_told_where_it_may_matter(scene: Scene) -> None:
    write(scene.root, {"quiet.py": "x = 1\n", "loud.py": "import helper\nhelper.N = 5\n"})
    found = scene.trace(FILES, RAN)
    for name, said in (("quiet", []), ("loud", ["loud.py: helper.N = 5", "the order of imports"])):
        write(scene.root, {"steps.py": FILES["steps.py"].replace("import helper\n", f"import helper\nimport {name}\n")})
        told = scene.changes(found)
        assert bool(told) == bool(said)
        if said:
            assert told[-1] == "the order of imports"


def test_the_order_in_which_files_that_change_others_are_loaded_counts(scene: Scene) -> None:
    files = {
        "steps.py": "import one\nimport two\nimport helper\n\n\ndef step():\n    return helper.N\n",
        "helper.py": "N = []\n",
        "one.py": "import helper\nhelper.N.append(1)\n",
        "two.py": "import helper\nhelper.N.append(2)\n",
    }
    found = scene.trace(files, {"steps.py": "step"})
    assert found.order == ["one.py", "two.py"]
    swapped = files["steps.py"].replace("import one\nimport two\n", "import two\nimport one\n")
    write(scene.root, {"steps.py": swapped})
    assert "the order of imports" in scene.changes(found)


def test_a_file_that_others_name_and_that_was_not_loaded_is_skipped(scene: Scene) -> None:
    tried = "try:\n    import loud\nexcept Exception:\n    loud = None\n\n\ndef step():\n    return loud\n"
    found = scene.trace({"steps.py": tried, "loud.py": "print(1)\n"}, {"steps.py": "step"}, skip=("loud.py",))
    assert found.skipped == ["loud.py"]
    assert list(found.code) == ["steps.py"]
    assert scene.changes(found) == []


def test_what_no_other_file_imports_is_an_entry_of_its_own(scene: Scene) -> None:
    found = scene.trace({**FILES, "late.py": "def late():\n    return 1\n"}, {**RAN, "late.py": "late"})
    assert found.entries == ["steps.py", "late.py"]
    assert scene.changes(found) == []
    write(scene.root, {"late.py": "def late():\n    return 2\n"})
    assert scene.changes(found) == ["late.py: late()"]


def test_packages_and_what_functions_import_are_followed(scene: Scene) -> None:
    files = {
        "steps.py": "def step():\n    from pack.inner import deep\n    return deep.value()\n",
        "pack/__init__.py": "",
        "pack/inner/__init__.py": "from . import deep\n",
        "pack/inner/deep.py": "def value():\n    return 1\n",
    }
    found = scene.trace(files, {"steps.py": "step", "pack/inner/deep.py": "value"})
    assert found.entries == ["steps.py"]
    assert list(found.code) == ["pack/__init__.py", "pack/inner/deep.py", "pack/inner/__init__.py", "steps.py"]
    assert found.paths == []
    assert [code.package for code in found.code.values()] == [True, False, True, False]
    assert scene.changes(found) == []
    write(scene.root, {"pack/inner/deep.py": "def value():\n    return 2\n"})
    assert scene.changes(found) == ["pack/inner/deep.py: value()"]


def test_a_namespace_package_is_found(scene: Scene) -> None:
    files = {"steps.py": "from space import deep\n\n\ndef step():\n    return deep.value()\n",
             "space/deep.py": "def value():\n    return 1\n"}  # fmt: skip
    found = scene.trace(files, {"steps.py": "step", "space/deep.py": "value"})
    assert found.entries == ["steps.py"]
    assert list(found.code) == ["space/deep.py", "steps.py"]


def test_a_package_that_counts_whole_is_no_new_one(scene: Scene) -> None:
    """As one does that was imported before anybody looked, by a worker that had PyTorch from another environment."""
    files = {"steps.py": "from space import deep\n\n\ndef step():\n    return deep.value()\n",
             "space/deep.py": "def value():\n    return 1\n"}  # fmt: skip
    found = scene.trace(files, {"steps.py": "step", "space/deep.py": "value"})
    write(scene.root, {"space/__init__.py": "X = 1\n"})
    assert scene.changes(found) == ["a new package space"]
    digest = path_digest(str(scene.root / "space" / "__init__.py"))
    whole = dataclasses.replace(found, files={**found.files, "space/__init__.py": digest})
    assert scene.changes(whole) == []
    write(scene.root, {"space/__init__.py": "X = 2\n"})
    assert scene.changes(whole) == ["space/__init__.py"]


def test_what_would_be_loaded_in_place_of_a_part_of_a_namespace_package_is_told(below: Scene) -> None:
    files = {"steps.py": "from space import deep\n\n\ndef step():\n    return deep.value()\n",
             "space/deep.py": "def value():\n    return 1\n"}  # fmt: skip
    found = below.trace(files, {"steps.py": "step", "space/deep.py": "value"})
    assert below.changes(found) == []
    write(below.folder, {"space/other.py": ""})
    assert below.changes(found) == []
    write(below.root, {"space/__init__.py": ""})
    assert below.changes(found) == ["a new package space"]
    (below.root / "space" / "__init__.py").unlink()
    write(below.folder, {"space/deep.py": files["space/deep.py"]})
    assert below.changes(found) == ["a new module space.deep"]


@pytest.mark.parametrize("head", ["", "import old\n"])
def test_what_is_no_python_counts_as_a_file(scene: Scene, head: str) -> None:
    files = {"steps.py": f"{head}def step():\n    return 1\n", "old.py": "print 1\n"}
    found = scene.trace(files, {"steps.py": "step"})
    assert found.files == {"old.py": hashlib.md5(b"print 1\n").hexdigest()}
    assert list(found.code) == ["steps.py"]


# -- files, folders, variables ---------------------------------------------------------------


def used(scene: Scene, name: str) -> Events:
    return Events(files={scene.path(name): path_digest(scene.path(name))})


def test_files_that_were_read_are_compared(scene: Scene) -> None:
    write(scene.root, {"data/a.txt": "1"})
    found = scene.trace(FILES, RAN, used(scene, "data/a.txt"), named={scene.path("b.txt"): None})
    assert list(found.files) == ["b.txt", "data/a.txt"]
    assert scene.changes(found) == []
    write(scene.root, {"data/a.txt": "2", "b.txt": "1"})
    assert scene.changes(found) == ["b.txt", "data/a.txt"]


def test_a_file_in_the_pipelines_folder_hides_the_roots(below: Scene) -> None:
    write(below.root, {"a.txt": "1"})
    found = below.trace(FILES, RAN, used(below, "a.txt"))
    assert list(found.files) == ["a.txt"]
    write(below.folder, {"a.txt": "1"})
    assert below.changes(found) == []
    write(below.folder, {"a.txt": "2"})
    assert below.changes(found) == ["a.txt"]


def test_what_was_only_asked_for_is_compared_by_its_kind(scene: Scene) -> None:
    write(scene.root, {"there": "1"})
    (scene.root / "folder").mkdir()
    asked: dict[str, str | None] = {scene.path("there"): "file", scene.path("folder"): "dir", scene.path("no"): None}
    events = Events(exists={**asked, scene.path("read"): None}, files={scene.path("read"): None})
    found = scene.trace(FILES, RAN, events)
    assert found.exists == {"there": "file", "folder": "dir", "no": None}
    write(scene.root, {"there": "2"})
    assert scene.changes(found) == []
    write(scene.root, {"no": ""})
    (scene.root / "there").unlink()
    (scene.root / "folder").rmdir()
    assert scene.changes(found) == ["folder is gone", "no has come", "there is gone"]


def test_a_link_that_was_read_is_compared_by_where_it_points(scene: Scene) -> None:
    write(scene.root, {"one.txt": "1", "two.txt": "1"})
    link = scene.root / "now.txt"
    link.symlink_to("one.txt")
    found = scene.trace(FILES, RAN, Events(exists={str(link): "-> one.txt"}))
    assert scene.changes(found) == []
    for become in ("two.txt", None):
        link.unlink()
        if become is None:
            link.write_text("1")
        else:
            link.symlink_to(become)
        assert scene.changes(found) == ["now.txt points elsewhere"]


@pytest.mark.parametrize("sizes", [False, True])
def test_folders_are_compared_by_names_and_where_it_was_asked_for_by_sizes(scene: Scene, sizes: bool) -> None:
    write(scene.root, {"data/a.txt": "1"})
    folder = scene.path("data")
    found = scene.trace(FILES, RAN, Events(folders={folder: listing(folder, sizes)}))
    assert scene.changes(found) == []
    write(scene.root, {"data/a.txt": "22"})
    assert scene.changes(found) == (["what is in data/"] if sizes else [])
    write(scene.root, {"data/a.txt": "1", "data/b.txt": "1"})
    assert scene.changes(found) == ["what is in data/"]


def test_variables_are_compared_but_secrets(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_WORD", "1")
    monkeypatch.delenv("NO_WORD", raising=False)
    env = {"SOME_WORD": environment_digest("SOME_WORD"), "NO_WORD": None, "A_SECRET": ""}
    found = scene.trace(FILES, RAN, Events(env=env))
    assert found.env == env
    assert list(found.env) == sorted(env)
    monkeypatch.setenv("A_SECRET", "2")
    assert scene.changes(found) == []
    monkeypatch.setenv("SOME_WORD", "2")
    monkeypatch.setenv("NO_WORD", "")
    assert scene.changes(found) == ["environment NO_WORD", "environment SOME_WORD"]


def test_where_the_environment_was_read_as_a_whole_those_variables_count_that_the_code_names(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SOME_WORD", raising=False)
    files = {"steps.py": "def step():\n    return 'SOME_WORD'\n"}
    assert scene.trace(files, {"steps.py": "step"}).env == {}
    found = scene.trace(files, {"steps.py": "step"}, Events(unseen={WHOLE_ENVIRONMENT: None}))
    assert scene.changes(found) == []
    monkeypatch.setenv("OTHER_WORD", "1")
    assert scene.changes(found) == []
    monkeypatch.setenv("SOME_WORD", "1")
    assert scene.changes(found) == ["environment SOME_WORD*"]


@pytest.mark.parametrize("text", ["rows.csv", "select * from 'rows.csv' where n > 1", "{root}/rows.csv"])
def test_a_file_that_code_names_which_opens_files_unseen_is_one_that_it_reads(scene: Scene, text: str) -> None:
    write(scene.root, {"rows.csv": "1", "made.csv": "2", "read.csv": "3"})
    told = [text.format(root=scene.root), "made.csv", "read.csv", "/etc/passwd", "none.csv"]
    code = {"steps.py": f"import duckdb\n\n\ndef step():\n    return {told!r}\n"}
    events = {"written": {scene.path("made.csv"): None}, "files": {scene.path("read.csv"): "f" * 32}}
    found = scene.trace(code, {"steps.py": "step"}, Events(**events))  # type: ignore[arg-type]
    assert found.files == {"read.csv": "f" * 32, "rows.csv": path_digest(scene.path("rows.csv"))}
    code = {"steps.py": code["steps.py"].replace("duckdb", "json")}
    assert scene.trace(code, {"steps.py": "step"}).files == {}


def opened(scene: Scene, monkeypatch: pytest.MonkeyPatch, files: str, began: float = float("inf")) -> None:
    """Lay files of data of other contents than their names; the step begins at a time, after all that if not told."""
    write(scene.root, {name: f"of {name}" for name in files.split()})
    monkeypatch.setattr(observer(), "_began", began)


def test_data_counts_whose_names_the_code_puts_together(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Below the project, for the code may change its folder; and not what a run itself writes."""
    found = "1-part.parquet deep/2-part.parquet deep/last.parquet m.safetensors x.feather"
    others = "other.parquet part.parquet 1-part.parquets 1-w.safetensors notes.txt "
    others += "atoms/1-part.parquet deep/runs/1-part.parquet .dvc/1-part.parquet"
    opened(scene, monkeypatch, f"{found} {others}")
    (scene.root / "9-part.parquet").symlink_to("nowhere")
    step = (
        "def step(n):\n    return f'rows/{n}-part.parquet', 'rows/last.parquet', '.feather', 'in/m.safetensors', "
        "f'{n}-w.safetensors', 'in/notes.txt', 'x\\0y'\n"
    )
    trace = scene.trace({"steps.py": f"import pandas\n\n\n{step}"}, {"steps.py": "step"})
    assert " ".join(trace.files) == found
    assert trace.files["x.feather"] == path_digest(scene.path("x.feather"))
    assert scene.trace({"steps.py": f"import json\n\n\n{step}"}, {"steps.py": "step"}).files == {}


@pytest.mark.parametrize(
    "name",
    [
        *("f'rows/{n}-part.parquet'", "'rows/{}-part.parquet'.format(n)", "'{n:03d}-part.parquet'.format(n=n)"),
        *("'rows/%d-part.parquet' % n", "'%(n)05.1f-part.parquet' % {'n': n}", "'rows/*-part.parquet'"),
        *("'rows/' + str(n) + '-part.parquet'", "f'{n}' '-part.parquet'"),
    ],
)
def test_a_name_with_fields_or_its_end_fits_whatever_may_stand_there(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    opened(scene, monkeypatch, "deep/1-part.parquet other.parquet 1-part.parquets")
    code = f"import pyarrow.parquet\n\n\ndef step(n):\n    return pyarrow.parquet.read_table({name})\n"
    assert list(scene.trace({"steps.py": code}, {"steps.py": "step"}).files) == ["deep/1-part.parquet"]


def test_data_that_has_come_since_the_step_began_counts_where_the_code_has_its_whole_name(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(scene, monkeypatch, "1-part.parquet all.parquet rows.csv", began=0)
    files = {"steps.py": "import pandas\n\n\ndef step(n):\n    return f'{n}-part.parquet', 'all.parquet', 'rows.csv'\n"}
    made: set[str] = set()
    assert list(scene.trace(files, {"steps.py": "step"}, made=made).files) == ["all.parquet", "rows.csv"]
    assert made == {scene.path("all.parquet"), scene.path("1-part.parquet")}
    assert list(scene.trace(files, {"steps.py": "step"}).files) == ["all.parquet", "rows.csv"]


def test_data_that_is_kept_apart_counts_where_the_code_has_its_whole_name(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(scene, monkeypatch, "1-part.parquet 2-part.parquet all.parquet")
    files = {"steps.py": "import pandas\n\n\ndef step(n):\n    return f'{n}-part.parquet', 'all.parquet'\n"}
    apart = {scene.path("1-part.parquet"), scene.path("all.parquet")}
    assert list(scene.trace(files, {"steps.py": "step"}, apart=apart).files) == ["2-part.parquet", "all.parquet"]


def test_data_may_be_named_in_another_file_than_the_one_that_opens_it(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(scene, monkeypatch, "all.parquet 1-part.parquet rows.csv", began=0)
    files = {
        "steps.py": "import helper\n\n\ndef step(n):\n    return helper.read(['all.parquet', 'rows.csv'])\n",
        "helper.py": "import duckdb\n\n\ndef read(names):\n    return names\n",
    }
    ran = {"steps.py": "step", "helper.py": "read"}
    assert list(scene.trace(files, ran).files) == ["all.parquet"], "as for the other, it may read it itself"
    files["steps.py"] = files["steps.py"].replace("'all.parquet'", "f'{n}-part.parquet'")
    monkeypatch.setattr(observer(), "_began", float("inf"))
    assert list(scene.trace(files, ran).files) == ["1-part.parquet"]


def test_only_code_that_counts_names_data(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("top", "unused", "step", "inner", "other")
    opened(scene, monkeypatch, " ".join(f"{name}.parquet" for name in names))
    text = (
        "import pandas\n\nTOP = 'top.parquet'\nUNUSED = 'unused.parquet'\n\n\n"
        "def step():\n    def inner():\n        return 'inner.parquet'\n    return TOP, 'step.parquet'\n\n\n"
        "def other():\n    return 'other.parquet'\n"
    )
    found = scene.trace({"steps.py": text}, {"steps.py": "step"}, Events(named={"steps:gone": None}))
    assert list(found.files) == ["inner.parquet", "step.parquet", "top.parquet"]
    read = scene.trace({"steps.py": text}, {"steps.py": "step"}, used(scene, "steps.py"))
    assert list(read.files) == sorted([*(f"{name}.parquet" for name in names), "steps.py"]), (
        "it has been read as a text"
    )


def test_a_file_of_data_is_named_from_the_pipelines_folder_the_root_or_beside_the_code(
    below: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(below, monkeypatch, "one.csv experiments/a/two.csv lib/three.csv lib/four.csv")
    names = "'one.csv', 'two.csv', 'three.csv', 'lib/four.csv', 'other.csv'"
    files = {
        "steps.py": "from lib import inner\n\n\ndef step():\n    return inner.names()\n",
        "lib/inner.py": f"import pandas\n\n\ndef names():\n    return {names}\n",
    }
    found = below.trace(files, {"steps.py": "step", "lib/inner.py": "names"})
    assert list(found.files) == ["./two.csv", "lib/four.csv", "lib/three.csv", "one.csv"]


def test_what_was_unpickled_by_its_name_counts(scene: Scene) -> None:
    before = scene.trace(FILES, RAN)
    for kind in ("events", "loading"):
        found = scene.trace(FILES, RAN, **{kind: Events(named={"helper:two": None, "json:dumps": None})})
        assert list(found.code["helper.py"].functions) == ["one", "two"]
        assert found.code.keys() == before.code.keys()


def test_a_lambda_that_was_executed_counts_with_its_statement(scene: Scene) -> None:
    text = "KEEP = {}\nKEEP['a'] = lambda: 1\nother = lambda: 2\n\n\ndef step():\n    return KEEP\n"
    events = Events(ran={(scene.path("steps.py"), "<lambda>", 3)})
    found = scene.trace({"steps.py": text}, {"steps.py": "step"}, events)
    assert len(found.code["steps.py"].pinned) == 1
    assert scene.changes(found) == []
    write(scene.root, {"steps.py": text.replace("lambda: 2", "lambda: 3")})
    assert scene.changes(found) == ["steps.py: other"]
    assert scene.trace({"steps.py": text}, {"steps.py": "step"}).code["steps.py"].pinned == []


def test_the_file_that_defines_the_workflow_is_the_first_entry(scene: Scene) -> None:
    files = {"aside.py": "", **FILES}
    assert scene.trace(files, RAN).entries == ["aside.py", "steps.py"]
    assert scene.trace(files, RAN, entry=scene.path("steps.py")).entries == ["steps.py", "aside.py"]
    assert scene.trace(files, RAN, entry="").entries == ["aside.py", "steps.py"]
    assert scene.trace(files, RAN, entry="/installed/steps.py").entries == ["aside.py", "steps.py"]


def test_a_name_that_was_asked_for_in_vain_is_absent_unless_it_is_somebodys(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "made_up", ModuleType("made_up"))
    monkeypatch.delitem(sys.modules, "antigravity", raising=False)  # of the standard library, and not imported
    files = {"steps.py": "import pack.inner\n\n\ndef step():\n    pass\n", "pack/inner.py": ""}
    asked = frozenset({"made_up", "antigravity", "pack", "missing"})
    assert scene.trace(files, {"steps.py": "step"}, asked=asked).absent == ["missing"]


def test_a_config_class_of_no_file_has_no_fields_to_be_told_of(scene: Scene) -> None:
    @dataclass
    class Nowhere:
        a: int = 1

    for module in ("not_imported", "builtins"):
        Nowhere.__module__ = module
        assert scene.trace(FILES, RAN, configs=(Nowhere,)).configs == {}


def test_the_fields_of_config_classes_are_those_of_the_file_that_names_them(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    @dataclass
    class Base:
        a: int = 1

    @dataclass
    class Config(Base):
        b: int = 2
        c: int = 3

    for cls, name in ((Base, "helper"), (Config, "steps")):
        module = ModuleType(f"of_{name}")
        module.__file__ = scene.path(f"{name}.py")
        monkeypatch.setitem(sys.modules, module.__name__, module)
        cls.__module__, cls.__qualname__ = module.__name__, cls.__name__
    found = scene.trace(FILES, RAN, configs=(Config, Base, Trace))
    assert found.configs == {"helper.py": ["Base.a"], "steps.py": ["Config.b", "Config.c"]}


def test_a_function_that_is_named_as_a_global_one_may_stand_in_another(scene: Scene) -> None:
    files = {"steps.py": "def step():\n    def inner():\n        return 1\n    return inner()\n"}
    trace = scene.trace(files, {"steps.py": "step inner"})
    assert list(trace.code["steps.py"].functions) == ["step", "step.<locals>.inner"]


def test_functions_of_files_that_are_none_of_the_projects_are_passed_over(scene: Scene) -> None:
    others = {(f"/elsewhere/{number}.py", "step", 1) for number in range(100)}
    trace = scene.trace(FILES, RAN, Events(ran=others))
    assert {path: [*code.functions] for path, code in trace.code.items()} == {
        "helper.py": ["one"],
        "steps.py": ["step"],
    }


def test_inputs_count_by_their_role(scene: Scene) -> None:
    found = scene.trace(FILES, RAN, inputs={"model": "model", "none": None})
    assert scene.changes(found, {"model": "model"}) == []
    assert scene.changes(found, {"model": "model-2", "none": "dataset"}) == [
        "its input model is another one",
        "its input none is another one",
    ]
    world = World(scene.place)
    assert world.changes(found, {"model": "model"}) == []
    assert world.changes(found, {}) == ["its input model is another one"]
    found = scene.trace(FILES, RAN, inputs={"": "model, dataset"})
    assert scene.changes(found, {"": "model, dataset"}) == []
    assert scene.changes(found, {"": "dataset, model"}) == ["the order of its inputs"]


def test_what_was_used_while_loading_counts_where_its_statement_does(scene: Scene) -> None:
    files = {"steps.py": "A = open('a.txt').read()\nB = open('b.txt').read()\n\n\ndef step():\n    return A\n"}
    write(scene.root, {"a.txt": "1", "b.txt": "2"})
    loading = Events(files={scene.path(name): path_digest(scene.path(name)) for name in ("a.txt", "b.txt")})
    loading.by = {
        ("file", scene.path(f"{name}.txt")): {(scene.path("steps.py"), n)} for n, name in ((1, "a"), (9, "b"))
    }
    loading.unseen = {"a process": None}
    found = scene.trace(files, {"steps.py": "step"}, loading=loading)
    assert list(found.files) == ["a.txt"]
    assert found.unseen == ["a process"]
    loading.by = {("file", scene.path("a.txt")): {("elsewhere", 1)}}
    assert list(scene.trace(files, {"steps.py": "step"}, loading=loading).files) == ["a.txt", "b.txt"]


# -- modules that hide others -----------------------------------------------------------------


def test_a_new_module_that_would_be_taken_for_another_is_told(below: Scene) -> None:
    write(below.folder, {"pytest.py": ""})  # it was there, and was not taken
    found = below.trace(FILES, RAN, asked=frozenset({"missing", "helper", "os"}))
    assert found.absent == ["missing"]
    assert found.beside == {".": ["pytest"]}
    assert below.changes(found) == []
    write(below.folder, {"unrelated.py": "", "json/data.txt": ""})
    assert below.changes(found) == []
    write(below.folder, {"helper.py": "", "missing/__init__.py": "", "json/__init__.py": ""})
    assert below.changes(found) == ["a new module helper", "a new module json", "a new module missing"]


def test_a_package_takes_the_place_of_a_file(scene: Scene) -> None:
    found = scene.trace(FILES, RAN)
    write(scene.root, {"helper/__init__.py": ""})
    assert scene.changes(found) == ["a new package helper"]


def test_folders_that_the_code_adds_to_the_path_are_remembered(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(scene.path("lib"))
    write(scene.root, {"lib/inner.py": "def value():\n    return 1\n", **FILES})
    source = Source((scene.root / "lib/inner.py").read_bytes(), "inner", False)
    steps = Source(b"import inner\n\n\ndef step():\n    return inner.value()\n", "steps", False)
    write(scene.root, {"steps.py": steps.data.decode()})
    events = Events(ran={(scene.path("steps.py"), "step", 0), (scene.path("lib/inner.py"), "value", 0)})
    sources = {scene.path("steps.py"): steps, scene.path("lib/inner.py"): source}
    found = make_trace(Execution(sources, Events(), events, scene.path("steps.py")), scene.place)
    assert found.paths == ["lib"]
    assert found.entries == ["steps.py"]
    assert scene.changes(found) == []
    write(scene.root, {"lib/inner.py": "def value():\n    return 2\n"})
    assert scene.changes(found) == ["lib/inner.py: value()"]


def test_a_folder_on_the_path_in_which_others_may_come_to_lie_is_remembered(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("more", "plugins", "../outside", "."):
        (scene.root / name).mkdir(exist_ok=True)
        monkeypatch.syspath_prepend(str(scene.root / name))
    found = scene.trace(FILES, RAN)
    assert found.paths == ["plugins", "more"], "as they are looked through"
    write(scene.root, {"plugins/json.py": ""})
    assert scene.changes(found) == ["a new module json"]


def test_a_folder_that_is_on_the_path_no_more_is_looked_through_first(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("two", "one"):
        (scene.root / name).mkdir()
        monkeypatch.syspath_prepend(str(scene.root / name))
    inner = {
        scene.path("gone/inner.py"): Source(b"", "inner", False),
        scene.path("gone/p/__init__.py"): Source(b"", "p", True),
    }
    place = PipelineFolder(Project(scene.root), scene.root)
    assert making_traces._module_paths(place, inner) == [scene.path(name) for name in ("gone", "one", "two")]


def test_what_is_installed_below_the_project_is_no_folder_of_its_modules() -> None:
    site = Path(pytest.__file__).parents[1]
    assert str(site) in sys.path
    assert making_traces._module_paths(PipelineFolder(Project(site.parent), site.parent), {}) == []


def test_a_package_hides_the_folders_of_its_name(below: Scene) -> None:
    write(below.folder, {"pack/__init__.py": ""})
    write(below.root, {"pack/inner.py": "", "space/inner.py": ""})
    loads = module_search.Loads(below.place, [], {})
    assert loads.file("pack") == str(below.folder / "pack" / "__init__.py")
    assert loads.file("pack.inner") is None
    assert loads.file("space.inner") == below.path("space/inner.py")


def test_what_is_installed_is_no_file_of_a_project_that_it_lies_in() -> None:
    site = Path(pytest.__file__).parents[1]
    assert module_search.Loads(PipelineFolder(Project(site), site), [], {}).file("pytest") is None


def test_what_a_file_imports_is_relative_to_the_name_by_which_it_was_found(scene: Scene) -> None:
    files = {"steps.py": "import pack.inner\n", "pack/__init__.py": "", "pack/inner/deep.py": ""}
    write(scene.root, {**files, "pack/inner/__init__.py": "from . import deep\n"})
    entries, order = module_search.Loads(scene.place, [], {}).closure([scene.path("steps.py")], {})
    assert entries == [scene.path("steps.py")]
    names = ("pack/__init__.py", "pack/inner/deep.py", "pack/inner/__init__.py", "steps.py")
    assert order == [scene.path(name) for name in names]


def test_a_file_that_is_gone_imports_nothing(scene: Scene) -> None:
    gone = scene.path("gone.py")
    assert module_search.Loads(scene.place, [], {}).closure([gone], {}) == ([gone], [gone])


def test_a_module_is_the_file_that_was_loaded_under_its_name(scene: Scene) -> None:
    write(scene.root, {"helper.py": ""})
    loaded = {"/elsewhere/helper.py": Source(b"", "helper", False)}
    loads = module_search.Loads(scene.place, [], loaded)
    assert loads.file("helper") == "/elsewhere/helper.py"
    assert loads.is_project("helper")


def test_what_executed_functions_import_comes_by_their_names_after_what_loading_does(scene: Scene) -> None:
    step = "def b():\n    import one\n\n\ndef a():\n    import two\n\n\ndef c():\n    import four\n\n\nimport three\n"
    write(scene.root, {"steps.py": step} | {f"{name}.py": "" for name in ("one", "two", "three", "four")})
    steps = scene.path("steps.py")
    _, order = module_search.Loads(scene.place, [], {}).closure([steps], {steps: {"b", "a", "gone"}})
    assert order == [scene.path(f"{name}.py") for name in ("three", "two", "one", "steps")]


def test_files_that_no_other_imports_are_looked_through_once(scene: Scene) -> None:
    """Else the trace of a package of a thousand files, found by names as plugins are, takes minutes."""
    files = {"steps.py": "def step():\n    return 1\n"} | {f"plugin{n}.py": f"NUMBER = {n}\n" for n in range(100)}
    profile = cProfile.Profile()
    found = profile.runcall(scene.trace, files, {"steps.py": "step"})
    assert found.entries == list(files)
    visits = [stat.callcount for stat in profile.getstats() if getattr(stat.code, "co_name", "") == "visit"]
    assert visits == [len(files)]


# -- names ---------------------------------------------------------------------------------------


def test_paths_are_told_as_any_clone_and_folder_would(below: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(below.root.parent / "home"))
    root, folder, home = str(below.root), str(below.folder), str(below.root.parent / "home")
    told = {
        f"{folder}/x": "./x",
        f"{root}/x/y": "x/y",
        f"{home}/x": "~/x",
        root: "",
        folder: ".",
        f"{root}x": f"{root}x",
        home: home,
        "/elsewhere/x": "/elsewhere/x",
    }
    for path, name in told.items():
        assert trace.to_told(path, below.place) == name
        assert module_search.real_paths(name, below.place)[0] == path
    assert module_search.real_paths("x", below.place) == [f"{root}/x", f"{folder}/x"]
    assert module_search.real_paths("./x", below.place) == [f"{folder}/x"]
    one = PipelineFolder(below.place.project, below.root)
    assert trace.to_told(root, one) == ""
    assert trace.to_told(f"{root}/x", one) == "x"
    assert module_search.real_paths("x", one) == [f"{root}/x"]


def test_a_listing_of_the_pipelines_own_folder_is_that_of_any_folder(below: Scene) -> None:
    write(below.folder, {"rows.txt": "1"})
    folder = str(below.folder)
    found = below.trace(FILES, RAN, Events(folders={folder: listing(folder)}))
    there = Scene(below.root, below.root / "experiments" / "b")
    write(there.folder, {"rows.txt": "2"})
    assert there.changes(found) == []
    write(there.folder, {"more.txt": "2"})
    assert there.changes(found) == ["what is in ./"]
    assert below.changes(found) == []


def test_what_dvc_can_watch_is_a_dependency(below: Scene) -> None:
    write(below.root, {"a.txt": "1", "experiments/a/b.txt": "2", "data/c.txt": "3"})
    files: dict[str, str | None] = {
        "a.txt": "x", "./b.txt": "y", "data": "z.dir", "gone.txt": "g", "no.txt": None, "/etc/hostname": "h",
        "": "r.dir", ".": "f.dir", "experiments": "e.dir",
    }  # fmt: skip
    found = Trace(code={"steps.py": Code("steps", False, "m"), "a.txt": Code("a", False, "?")}, files=files)
    assert dependencies(found, below.place) == {"../../a.txt": "x", "b.txt": "y", "../../data": "z.dir"}


def test_a_trace_is_read_back_or_is_none() -> None:
    found = Trace(code={"a.py": Code("a", True, "m", [["x", "y"]], {"f": "d"}, ["p"])}, env={"A": None}, unseen=["b"])
    assert found.as_dict() == {
        "code": {"a.py": dataclasses.asdict(found.code["a.py"])}, "env": {"A": None}, "unseen": ["b"]
    }  # fmt: skip
    assert from_dict(found.as_dict()) == found
    assert from_dict({}) == Trace()
    for content in (None, 3, [], {"word of tomorrow": 1}, {"code": 3}, {"code": {"a": {"x": 1}}}):
        assert from_dict(content) is None
    for odd in ({"files": []}, {"files": {"a": 1}}, {"entries": "a"}, {"entries": [[]]}, {"env": {"A": ["b"]}},
                {"beside": {"a": "b"}}, {"code": {"a.py": {"module": "a", "package": True, "md5": 3}}},
                {"code": {"a.py": {"module": "a", "package": True, "md5": "m", "top": ["x"]}}}):  # fmt: skip
        assert from_dict(odd) is None, odd


def test_a_world_looks_once(scene: Scene) -> None:
    write(scene.root, {"a.txt": "1", "folder/b.txt": "1", "m.py": "", "p/__init__.py": "", "q/x.py": ""})
    asked: list[str] = []

    def digest(path: str) -> str | None:
        asked.append(path)
        return "digest"

    world = World(scene.place, digest)
    assert [world.digest(scene.path("a.txt")) for _ in range(2)] == ["digest"] * 2
    assert world.digest(scene.path("folder")) == path_digest(scene.path("folder"))
    assert asked == [scene.path("a.txt")]
    assert world.modules_in(str(scene.root)) == {"m", "p"}
    assert world.modules_in(scene.path("nowhere")) == frozenset()
    before = world.listing(str(scene.root), True)
    write(scene.root, {"n.py": ""})
    assert world.listing(str(scene.root), True) == before
    assert world.listing(str(scene.root), False) != before
    assert world.modules_in(str(scene.root)) == {"m", "p"}
    assert World(scene.place).modules_in(str(scene.root)) == {"m", "n", "p"}
    found = scene.trace(FILES, RAN)
    assert os.path.isdir(scene.path("q"))
    world = World(scene.place)
    assert world.changes(found, {}) == []
    write(scene.root, {"helper.py": "N = 2\n"})
    assert world.changes(found, {}) == []
    assert World(scene.place).changes(found, {}) != []


def test_modules_are_looked_for_in_the_folder_then_the_root_and_then_where_a_trace_found_more(tmp_path: Path) -> None:
    place = PipelineFolder(Project(tmp_path), tmp_path / "a")
    more = ["lib", "./own", "lib"]
    assert module_search.search_path(place, more) == [
        str(tmp_path / name) if name else str(tmp_path) for name in ("a", "", "lib", "a/own")
    ]


def test_a_folder_of_modules_is_the_projects_with_and_without_an_init_file(tmp_path: Path) -> None:
    write(tmp_path, {"plain/part.py": "", "whole/__init__.py": "", "single.py": "", "data/rows.txt": ""})
    loads = module_search.Loads(PipelineFolder(Project(tmp_path), tmp_path), [], {})
    names = ["plain", "plain.part", "whole", "single", "data", "plain.rows", "other", "single.part", ""]
    assert [name for name in names if loads.is_project(name)] == ["plain", "plain.part", "whole", "single", "data"]
