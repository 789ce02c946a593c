"""Code by name: what a reference finds, what is said where there is nothing, and how often a file is loaded."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from motools.code import loading, references
from motools.code.search_path import PipelineFolder, pipeline_folder
from motools.errors import ConfigError
from motools.observe import is_project
from motools.repo.project import Project


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def place(bare_project: Path) -> Iterator[PipelineFolder]:
    """A pipeline's folder inside a project; the modules it loads are gone afterwards."""
    before = set(sys.modules)
    folder = bare_project / "experiment"
    folder.mkdir()
    yield PipelineFolder(Project(bare_project), folder)
    for name in set(sys.modules) - before:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(bare_project)):
            del sys.modules[name]


ROWS = "def rows(): return [1]\n"


@pytest.mark.parametrize(
    ("text", "file"),
    [
        ("loaders:rows", "experiment/loaders.py"),
        ("loaders.py:rows", "experiment/loaders.py"),
        ("loaders.py@rows", "experiment/loaders.py"),
        ("./loaders.py:rows", "experiment/loaders.py"),
        ("deep/er/loaders.py:rows", "experiment/deep/er/loaders.py"),
        ("deep.er.loaders:rows", "experiment/deep/er/loaders.py"),
        ("../shared.py:rows", "shared.py"),
        ("shared:rows", "shared.py"),
        ("package:rows", "experiment/package/__init__.py"),
        ("both:rows", "experiment/both/__init__.py"),
        ("everywhere:rows", "experiment/everywhere.py"),
        ("my-loaders.py:rows", "experiment/my-loaders.py"),
    ],
)
def test_a_reference_to_the_project_finds_its_file(place: PipelineFolder, text: str, file: str) -> None:
    names = ["loaders", "deep/er/loaders", "package/__init__", "both/__init__", "both", "everywhere", "my-loaders"]
    write(place.folder, {f"{name}.py": ROWS for name in names})
    write(place.project.root, {"shared.py": ROWS, "everywhere.py": ROWS})
    reference = references.check(text, place)
    assert reference.file == place.project.root / file
    assert (reference.text, reference.name, reference.module, reference.package) == (text, "rows", None, None)
    assert loading.load(text, place)() == [1]


def test_a_reference_to_installed_code_names_its_module(place: PipelineFolder) -> None:
    reference = references.check("textwrap:dedent", place)
    assert (reference.module, reference.name, reference.file) == ("textwrap", "dedent", None)
    assert loading.load("textwrap:dedent", place)("  a") == "a"
    assert loading.load("math:sqrt", place)(4) == 2  # compiled: its names are known to no file
    assert loading.load("os.path:join", place)("a", "b") == "a/b"


def test_a_name_in_a_registry_is_left_to_the_registry(place: PipelineFolder) -> None:
    assert references.check("mozoo/hello_world", place).package == "mozoo"
    with pytest.raises(ConfigError, match=r"is in Inspect's registry; here, write module:function"):
        loading.load("mozoo/hello_world", place)


@pytest.mark.parametrize(
    "text",
    [
        *("", "rows", "loaders", "loaders:", ":rows", "loaders:rows()", "loaders:Rows.make", "loaders.rows"),
        *("loaders.py", "loaders.py:", "loaders.py:1", "a/b/c", "http://host/x", "loaders:rows:more", "gpt-4o"),
        *("a b:c", "a\n:b"),
    ],
)
def test_what_has_not_the_form_of_a_reference_is_refused_with_the_form(place: PipelineFolder, text: str) -> None:
    assert references.parse(text, place) is None
    with pytest.raises(ConfigError, match=r"does not name code. Write module:function or path/to/file\.py:function"):
        references.check(text, place)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("loader:rows", r"no module 'loader', neither installed nor in .*experiment\. Did you mean 'loaders'\?"),
        ("no.such.module:rows", r"no module 'no\.such\.module'"),
        ("loaders.deeper:rows", r"no module 'loaders\.deeper'"),
        ("textwrap.deeper:rows", r"no module 'textwrap\.deeper'"),
        ("nosuchpackage/task", r"no module 'nosuchpackage'"),
        ("nowhere.py:rows", r"no file .*experiment/nowhere\.py"),
        ("../../nowhere.py:rows", r"no file .*nowhere\.py"),
        ("loaders:rosw", r"loaders\.py defines no 'rosw'\. Did you mean 'rows'\?"),
        ("loaders.py:zzz", r"loaders\.py defines no 'zzz'\.$"),
        ("textwrap:dedemt", r"textwrap\.py defines no 'dedemt'\. Did you mean 'dedent'\?"),
        ("loaders:script", r"loaders\.py defines no 'script'"),
        ("loaders:local", r"loaders\.py defines no 'local'"),
        ("broken:rows", r"broken\.py, line 2: "),
        ("made_by_hand:rows", r"no module 'made_by_hand'"),
        ("raising.inner:rows", r"'raising\.inner:rows' cannot be imported: RuntimeError: no"),
    ],
)
def test_code_that_is_not_there_is_told_in_one_sentence(
    place: PipelineFolder, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    source = f"{ROWS}def other():\n    local = 1\nif __name__ == '__main__':\n    script = 1\n"
    write(place.folder, {"loaders.py": source, "broken.py": "x = 1\ndef rows(:\n"})
    outside = write(place.project.root.parent / "site", {"raising/__init__.py": "raise RuntimeError('no')\n"})
    monkeypatch.syspath_prepend(str(outside))
    monkeypatch.setitem(sys.modules, "made_by_hand", ModuleType("made_by_hand"))
    for find in (references.check, loading.load):
        with pytest.raises(ConfigError, match=said) as caught:
            find(text, place)
        assert "\n" not in str(caught.value)


def test_checking_executes_nothing_of_the_project(place: PipelineFolder) -> None:
    write(place.folder, {"loaders.py": f"{ROWS}raise SystemExit('executed')\n"})
    references.check("loaders:rows", place)
    assert "loaders" not in sys.modules


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("raise ValueError('no rows today')", "ValueError: no rows today"),
        ("import nosuchmodule", "ModuleNotFoundError: No module named 'nosuchmodule'"),
        ("from math import nosuchname", "ImportError: cannot import name 'nosuchname'"),
        ("import sys\nsys.exit()", "SystemExit: it ends the program"),
        ("import sys\nsys.exit(3)", "SystemExit: it ends the program"),
    ],
)
def test_a_module_that_fails_says_why_and_can_be_mended(place: PipelineFolder, source: str, said: str) -> None:
    write(place.folder, {"loaders.py": ROWS + source})
    for _ in range(2):
        with pytest.raises(ConfigError, match=rf"^'loaders:rows' cannot be imported: {said}"):
            loading.load("loaders:rows", place)
        assert "loaders" not in sys.modules
        assert not loading.is_loading()
    write(place.folder, {"loaders.py": ROWS})
    assert loading.load("loaders:rows", place)() == [1]


SCRIPT = """
from motools.workflow import run_workflow
first = 1
run_workflow(workflow=None)
second = 2
"""


def test_a_script_is_executed_up_to_where_it_runs_its_workflow(place: PipelineFolder) -> None:
    write(place.folder, {"script.py": SCRIPT})
    assert loading.load("script.py:first", place) == 1
    with pytest.raises(ConfigError, match="script defines no 'second' before it runs a workflow"):
        loading.load("script.py:second", place)
    assert not loading.is_loading()


def test_a_script_that_is_imported_by_another_stops_that_one_too(place: PipelineFolder) -> None:
    write(place.folder, {"script.py": SCRIPT, "outer.py": "before = 1\nimport script\nafter = 2\n"})
    assert loading.load("outer:before", place) == 1
    with pytest.raises(ConfigError, match="outer defines no 'after'"):
        loading.load("outer:after", place)


def test_a_file_is_loaded_once_by_whatever_name(place: PipelineFolder) -> None:
    counting = "import sys\nsys.loads = getattr(sys, 'loads', 0) + 1\nclass A: pass\n"
    write(
        place.folder,
        {
            "package/__init__.py": "",
            "package/inner.py": counting,
            "package/other.py": "from package.inner import A\n",
            "relative.py": "import package.inner\nA = package.inner.A\n",
        },
    )
    texts = ["package/inner.py:A", "package.inner:A", "./package/inner.py:A", "package.other:A", "relative:A"]
    try:
        assert len({id(loading.load(text, place)) for text in texts}) == 1
        assert sys.loads == 1  # type: ignore[attr-defined]
    finally:
        del sys.loads  # type: ignore[attr-defined]


def test_a_module_of_a_package_is_its_attribute_and_imports_relatively(place: PipelineFolder) -> None:
    write(
        place.folder,
        {
            "package/__init__.py": "",
            "package/one.py": "from .two import get\nfrom . import two\nfrom .. import nothing\n",
            "package/two.py": "import package.three\ndef get(): return package.three.A, package.four\n",
            "package/three.py": "A = 1\n",
            "package/four.py": "from package import three\n",
        },
    )
    loading.load("package/four.py:three", place)
    four = sys.modules["package.four"]
    assert loading.load("package/two.py:get", place)() == (1, four)
    with pytest.raises(ConfigError, match=r"'package/one\.py:get' cannot be imported: ImportError: .*relative import"):
        loading.load("package/one.py:get", place)


def test_two_folders_may_have_files_of_one_name(place: PipelineFolder, bare_project: Path) -> None:
    other = PipelineFolder(place.project, bare_project / "other")
    write(place.folder, {"loaders.py": "rows = 1"})
    write(other.folder, {"loaders.py": "rows = 2"})
    assert [loading.load("loaders:rows", each) for each in (place, other, place)] == [1, 2, 1]
    assert [loading.load("loaders.py:rows", each) for each in (other, place)] == [2, 1]


def test_each_of_two_folders_imports_its_own_helpers(place: PipelineFolder, bare_project: Path) -> None:
    other = PipelineFolder(place.project, bare_project / "other")
    for number, each in enumerate((place, other)):
        files = {
            "helpers.py": f"n = {number}",
            "flow.py": "from helpers import n",
            "deep/flow.py": "from near import n",
        }
        write(each.folder, {**files, "deep/near.py": f"n = {number}"})
    for text in ("flow.py:n", "deep/flow.py:n"):
        assert [loading.load(text, each) for each in (place, other, place)] == [0, 1, 0]


def test_a_file_called_like_a_standard_module_does_not_take_its_place(place: PipelineFolder) -> None:
    import textwrap

    write(place.folder, {"textwrap.py": "def rows(): return 'mine'\n"})
    assert loading.load("textwrap.py:rows", place)() == "mine"
    assert sys.modules["textwrap"] is textwrap
    assert loading.load("textwrap.py:rows", place) is loading.load("textwrap.py:rows", place)


def test_a_file_outside_of_the_project_is_loaded_and_counts_as_its_own(place: PipelineFolder, tmp_path: Path) -> None:
    write(tmp_path, {"elsewhere/loaders.py": ROWS})
    text = f"{tmp_path}/elsewhere/loaders.py:rows"
    assert loading.load(text, place)() == [1]
    assert loading.load(text, place) is loading.load(text, place)
    file = references.check(text, place).file
    assert file is not None
    assert is_project(str(file))


def test_what_is_installed_is_not_the_projects_own_wherever_the_project_lies(place: PipelineFolder) -> None:
    site = sysconfig.get_path("purelib")
    for file in (
        f"{site}/x.py",
        os.__file__,
        references.__file__,
        f"{Path(references.__file__).parents[2]}/mozoo/made_up.py",
    ):
        assert not is_project(file)
    for name in ("a.py", "experiment/b.py", "env/lib/python3.11/site-packages/x.py", ".hidden/x.py"):
        assert is_project(str(place.project.root / name))


def test_the_folders_are_importable_only_while_code_is_loaded(place: PipelineFolder) -> None:
    before = list(sys.path)
    with place.importable():
        assert sys.path[:2] == [str(place.folder), str(place.project.root)]
        assert sys.path[-len(before) :] == before
    assert sys.path == before
    write(place.folder, {"loaders.py": "raise ValueError"})
    with pytest.raises(ConfigError):
        loading.load("loaders:rows", place)
    assert sys.path == before


def test_a_module_that_was_loaded_by_file_is_found_in_a_fresh_process_by_name(place: PipelineFolder) -> None:
    write(place.folder, {"package/__init__.py": "", "package/inner.py": "class A: pass\n"})
    assert loading.load("package/inner.py:A", place).__module__ == "package.inner"
    done = subprocess.run(
        [sys.executable, "-c", "from package.inner import A; print(A.__module__)"],
        cwd=place.folder,
        capture_output=True,
    )
    assert done.stdout == b"package.inner\n"


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("def rows(a, b=1, *, c): pass", ["a", "b", "c"]),
        ("async def rows(a): pass", ["a"]),
        ("def rows(a, *more): pass", ["a"]),
        ("def rows(a, **more): pass", None),
        ("rows = print", None),
        ("class rows: pass", None),
        ("import functools\n@functools.cache\ndef rows(a): pass", None),
    ],
)
def test_the_parameters_of_a_function_are_read_without_executing_it(
    place: PipelineFolder, source: str, names: list[str] | None
) -> None:
    write(place.folder, {"loaders.py": f"{source}\nraise SystemExit"})
    assert references.parameters("loaders:rows", place) == names


def test_a_path_names_a_file_of_the_folder_first_and_else_of_the_root(bare_project: Path) -> None:
    folder = bare_project / "experiments" / "a"
    folder.mkdir(parents=True)
    place = PipelineFolder(Project(bare_project), folder)
    (bare_project / "tasks.py").write_text("def t(): pass\n")
    for text in ("tasks.py:t", "tasks.py@t"):
        assert references.check(text, place).file == bare_project / "tasks.py"
    (folder / "tasks.py").write_text("def t(): pass\n")
    for text in ("tasks.py:t", "tasks.py@t"):
        assert references.check(text, place).file == folder / "tasks.py"
    with pytest.raises(ConfigError, match=rf"there is no file {folder}/nope\.py"):
        references.check("nope.py:t", place)


@pytest.mark.parametrize("text", [f"{'x' * 300}.py:f", f"{'x' * 300}:f", f"{'x/' * 3000}y.py:f", f"{'ü' * 130}.py@t"])
def test_a_name_that_is_too_long_for_a_file_names_none(text: str, project: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no (file|module)"):
        references.check(text, pipeline_folder(project))
    assert not references.can_be_path(text)
