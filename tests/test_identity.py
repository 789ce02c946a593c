"""What a step's result depends on: its function, its config's class, and the code and files that the config names."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from motools.fingerprint import Sources
from motools.identity import Identity

from motools import code, identity
from motools.code import Place
from motools.config import Code, Name, StepConfig
from motools.errors import ConfigError, UserError, WorkflowError
from motools.repo import Project
from motools.workflow import Step
from motools.zoo import versioned


@dataclass
class Config(StepConfig):
    """Of the steps here."""

    function: str = ""
    loader: Code = "loaders:rows"
    free: dict[str, Any] = field(default_factory=dict)


@dataclass
class Backend(StepConfig):
    """A config that names a published trainer."""

    backend: Name("trainer") = "dummy"  # type: ignore[valid-type]


FILES = {
    "loaders.py": "import helper\ndef rows(): return helper.get()\ndef others(): return 2\n",
    "helper.py": "def get(): return 1\n",
    "steps.py": "def step(config, input_atoms, workspace): return []\n",
    "data/rows.txt": "1\n",
}


@pytest.fixture
def folder(bare_project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("steps", "loaders", "helper"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    for name, text in FILES.items():
        path = bare_project / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return bare_project


Of = Callable[..., Identity]


@pytest.fixture
def of(folder: Path) -> Of:
    """The identity of a step of the project (or of `fn`), with some values of its config."""
    place = Place(Project(folder), folder)

    def find(fn: Any = None, config_class: type = Config, **values: Any) -> Identity:
        step = Step("step", {}, {"o": "model"}, config_class, fn or code.load("steps.py:step", place))
        full = {"function": "", "loader": "loaders:rows", "free": {}} if config_class is Config else {}
        return identity.of_step(step, {**full, **values}, Sources(place))

    return find


def edit(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


def test_it_names_the_files_it_depends_on_with_their_hashes(folder: Path, of: Of) -> None:
    found = of(free={"deep": ["data/rows.txt"]})
    names = ["data/rows.txt", "helper.py", "loaders.py", "steps.py"]
    assert [str(path.relative_to(folder)) for path in found.files] == names
    assert found.hashes[str(folder / "data" / "rows.txt")] == "b026324c6904b2a9cb4b88d6d61c81d1"


@pytest.mark.parametrize(
    ("file", "before", "after", "matters"),
    [
        ("steps.py", "return []", "return [1]", True),
        ("steps.py", "return []", "return []  # note", False),
        ("loaders.py", "helper.get()", "helper.get() + 1", True),
        ("loaders.py", "return 2", "return 3", False),
        ("helper.py", "return 1", "return 2", True),
        ("data/rows.txt", "1", "2", True),
        ("data/rows.txt", "1\n", "1\n\n", True),
    ],
)
def test_an_edit_changes_it_where_the_result_may_change(
    folder: Path, of: Of, file: str, before: str, after: str, matters: bool
) -> None:
    said = of(free={"rows": "data/rows.txt"}).parts
    edit(folder / file, before, after)
    assert (of(free={"rows": "data/rows.txt"}).parts != said) == matters


@pytest.mark.parametrize("text", ["loaders:others", "loaders.py:others", "./loaders.py@others"])
@pytest.mark.parametrize("place", [lambda t: {"loader": t}, lambda t: {"free": {"a": [{"b": t}]}}])
def test_code_that_any_value_names_is_followed(
    folder: Path, of: Of, place: Callable[[str], dict[str, Any]], text: str
) -> None:
    before = of(**place(text)).parts
    edit(folder / "loaders.py", "return 2", "return 3")
    assert of(**place(text)).parts != before


def test_a_config_key_of_any_name_does_not_hide_the_step_function(folder: Path, of: Of) -> None:
    before = of(function="loaders:others").parts
    edit(folder / "steps.py", "return []", "return [1]")
    assert of(function="loaders:others").parts != before


@pytest.mark.parametrize(
    "text",
    [
        *("", ".", "..", "/", "data", "data/", "gpt-4o-mini", "nowhere.txt", "a/b/c", "tinylm/base"),
        *("loaders:nothing", "nowhere:rows", "json:dumps", "mozoo/hello_world", "params.yaml", "dvc.yaml", "dvc.lock"),
        *(".hidden", "../outside.txt", "~", "a\0b", "two\nlines", "x" * 300, "x" * 501, "x/" * 200, "é" * 200, "*.txt"),
    ],
)
def test_a_text_that_names_nothing_of_the_project_is_just_a_text(folder: Path, of: Of, text: str) -> None:
    for name in ("params.yaml", "dvc.yaml", "dvc.lock", ".hidden", "../outside.txt"):
        (folder / name).write_text("x")
    assert of(free={"a": text}) == of()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nowhere:rows", r"^step\.loader: 'nowhere:rows': there is no module"),
        ("loaders:rosw", r"^step\.loader: .*Did you mean 'rows'\?"),
        ("no code", r"^step\.loader: 'no code' does not name code"),
    ],
)
def test_a_field_for_code_must_name_some(of: Of, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        of(loader=text)


def test_installed_code_counts_by_name_and_version(of: Of) -> None:
    found = of(loader="pytest:fixture").parts["config.loader"]
    assert found == f"pytest:fixture pytest pytest=={pytest.__version__}"


@pytest.mark.parametrize("name", ["hello_world", "mozoo.datasets.hello_world:get_hello_world_dataset"])
def test_an_installed_loader_that_an_argument_names_counts_by_its_version(of: Of, name: str) -> None:
    found = of(loader="mozoo.mixing:mixture", free={"parts": [{"loader": name}]}).parts
    assert found["config.free.parts[0].loader"] == f"{name}@1"
    assert "config.function" not in of(function="hello_world").parts  # a word that is no argument of code


def test_two_functions_of_one_installed_package_are_two(of: Of) -> None:
    assert of(fn=textwrap.dedent).parts != of(fn=textwrap.indent).parts
    assert of(fn=textwrap.dedent).parts != of(fn=partial(textwrap.dedent, text="a")).parts


def make(n: Any, version: int = 1) -> Any:
    @versioned(version)
    def step(config: Any, input_atoms: Any, workspace: Any) -> Any:
        return n

    return step


def test_a_versioned_function_counts_by_its_version_and_what_it_was_given(folder: Path, of: Of) -> None:
    given = [make(1), make(2), make(1, version=2), partial(make(1), output="a"), partial(make(1), output="b")]
    found = [of(fn=fn).parts["function"] for fn in [make(1), *given]]
    assert found[0] == found[1]
    assert len(set(found)) == len(given)


def test_a_function_of_the_project_that_a_versioned_one_is_given_counts(folder: Path, of: Of) -> None:
    place = Place(Project(folder), folder)
    fn = partial(make(1), loader=code.load("loaders:others", place))
    before = of(fn=fn)
    assert folder / "loaders.py" in before.files
    edit(folder / "loaders.py", "return 2", "return 3")
    assert of(fn=fn).parts != before.parts


def test_what_has_no_stable_text_is_refused_for_any_function(of: Of) -> None:
    for fn in (make(object()), partial(make(1), a=object()), partial(textwrap.dedent, object())):
        with pytest.raises(WorkflowError, match="Put it into the step's config"):
            of(fn=fn)


def test_a_backend_counts_by_name_and_version(of: Of) -> None:
    assert of(config_class=Backend, backend="dummy").parts["config.backend"].startswith("trainer dummy@")
    with pytest.raises(UserError, match=r"no trainer named 'dumy'\. Did you mean 'dummy'"):
        of(config_class=Backend, backend="dumy")


def test_it_is_the_same_in_two_folders_that_hold_the_same(folder: Path, of: Of, new_folder: Path) -> None:
    place = Place(Project(folder), new_folder)
    fn = code.load("steps.py:step", place)
    step = Step("other", {}, {"o": "model"}, Config, fn)
    values = {"function": "", "loader": "loaders:rows", "free": {"rows": "data/rows.txt"}}
    assert identity.of_step(step, values, Sources(place)).parts == of(free={"rows": "data/rows.txt"}).parts


@pytest.fixture
def new_folder(folder: Path) -> Path:
    for name, text in FILES.items():
        path = folder / "elsewhere" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "elsewhere"
