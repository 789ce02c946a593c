"""A step's key: its function, its config, its inputs by role, its versions; and the files that its config names."""

from __future__ import annotations

import json
import os
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from motools.base.configs import StepConfig
from motools.code import loading
from motools.code.search_path import PipelineFolder
from motools.compiler import named_paths, step_code
from motools.compiler.named_paths import named_by
from motools.compiler.step_call import step_key
from motools.compiler.step_code import StepCode
from motools.definition.config import Code, Name
from motools.errors import ConfigError, UserError, WorkflowError
from motools.repo.project import Project
from motools.workflow import Step
from motools.zoo import declared_version, versioned
from mozoo.mixing import mixture
from mozoo.tasks.owl_preferences import loves_owls
from mozoo.workflows.train_and_evaluate import TRAIN


@dataclass
class Config(StepConfig):
    """Of the steps here."""

    function: str = ""
    loader: Code = "loaders:rows"
    free: dict[str, Any] = field(default_factory=dict)


@dataclass
class Plain(StepConfig):
    """A config that names no code."""

    free: dict[str, Any] = field(default_factory=dict)


@dataclass
class Backend(StepConfig):
    """A config that names a published trainer."""

    backend: Name("trainer") = "dummy"  # type: ignore[valid-type]


FILES = {
    "loaders.py": "def rows(): return 1\ndef others(): return 2\n",
    "steps.py": "def step(config, atoms, work): return []\ndef other(config, atoms, work): return []\n",
    "data/rows.txt": "1\n",
}
Of = Callable[..., StepCode]


@pytest.fixture
def folder(bare_project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("steps", "loaders"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    for name, text in FILES.items():
        path = bare_project / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return bare_project


@pytest.fixture
def place(folder: Path) -> PipelineFolder:
    return PipelineFolder(Project(folder), folder)


@pytest.fixture
def of(place: PipelineFolder) -> Of:
    """What a step of the project (or `fn`) is, with some values of its config."""

    def find(fn: Any = None, config_class: type = Config, **values: Any) -> StepCode:
        step = Step("step", {}, {"o": "model"}, config_class, fn or loading.load("steps.py:step", place))
        full = {"function": "", "loader": "loaders:rows", "free": {}} if config_class is Config else {}
        return step_code.of_step(step, {**full, **values}, place)

    return find


def test_it_names_the_files_that_can_be_told_beforehand(folder: Path, of: Of) -> None:
    found = of(free={"deep": ["data/rows.txt"]}).files
    assert [str(path.relative_to(folder)) for path in found] == ["data/rows.txt", "loaders.py", "steps.py"]


def test_no_source_is_in_it_but_which_function_it_is(folder: Path, place: PipelineFolder, of: Of) -> None:
    before = of()
    (folder / "steps.py").write_text(FILES["steps.py"].replace("return []", "return [1]"))
    sys.modules.pop("steps")
    assert of() == before
    assert of(fn=loading.load("steps.py:other", place)) != before


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
    assert (
        of(loader="pytest:fixture").versions["config.loader"] == f"pytest:fixture pytest pytest=={pytest.__version__}"
    )
    assert of(fn=textwrap.dedent) != of(fn=textwrap.indent)
    assert of(fn=textwrap.dedent).versions["function"] == "textwrap:dedent textwrap"
    fn = TRAIN.fn
    assert of(fn=fn).versions["function"] == f"{fn.__module__}:{fn.__qualname__}@{declared_version(fn)}"
    assert declared_version(fn) is not None
    assert "function" not in of().versions
    assert of(fn=textwrap.dedent) != of(fn=partial(textwrap.dedent, text="a"))


@pytest.mark.parametrize("name", ["hello_world", "mozoo.datasets.hello_world:get_hello_world_dataset"])
def test_an_installed_loader_that_an_argument_names_counts_by_its_version(of: Of, name: str) -> None:
    found = of(loader="mozoo.mixing:mixture", free={"parts": [{"loader": name}]}).versions
    assert found["config.free.parts[0].loader"] == f"{name}@1"
    assert "config.function" not in of(function="hello_world").versions  # a word that is no argument of code


def test_installed_code_that_is_no_entry_counts_by_its_version_too(of: Of) -> None:
    found = of(loader="mozoo.mixing:mixture", free={"a": {"task": "loves_owls"}}).versions
    assert found["config.loader"] == f"mozoo.mixing:mixture@{declared_version(mixture)}"
    assert declared_version(mixture) is not None
    assert found["config.free.a.task"] == f"loves_owls@{declared_version(loves_owls)}"
    assert "config.free.a" not in of(loader="mozoo.mixing:mixture", free={"a": {"loves_owls": 1}}).versions
    assert of(loader="loves_owls").versions["config.loader"] == f"loves_owls@{declared_version(loves_owls)}"
    plain = of(loader="mozoo.rows:sample").versions["config.loader"]  # which declares none
    assert plain.startswith("mozoo.rows:sample ")
    assert "@" not in plain


def test_without_code_in_a_config_no_text_of_it_is_an_argument_of_code(of: Of) -> None:
    assert of(config_class=Plain, free={"loader": ["hello_world"]}).versions == {}


def test_a_declared_package_counts_by_its_version(place: PipelineFolder) -> None:
    def versions(*packages: str) -> Any:
        step = Step("step", {}, {"o": "model"}, Plain, loading.load("steps.py:step", place), packages=packages)
        return step_code.of_step(step, {"free": {}}, place).versions

    assert versions("pytest") == {"package pytest": pytest.__version__}
    with pytest.raises(WorkflowError, match="The step 'step' declares the package 'nowhere', which is not installed"):
        versions("pytest", "nowhere")


def test_a_backend_counts_by_name_and_version(of: Of) -> None:
    assert of(config_class=Backend, backend="dummy").versions["config.backend"].startswith("trainer dummy@")
    with pytest.raises(UserError, match=r"no trainer named 'dumy'\. Did you mean 'dummy'"):
        of(config_class=Backend, backend="dumy")


def make(n: Any, version: int = 1) -> Any:
    @versioned(version)
    def step(config: Any, input_atoms: Any, workspace: Any) -> Any:
        return n

    return step


def test_a_function_counts_by_what_it_was_given_and_its_version(of: Of) -> None:
    given = [make(1), make(2), make(1, version=2), partial(make(1), output="a"), partial(make(1), output="b")]
    found = [of(fn=fn).function for fn in [make(1), *given]]
    assert found[0] == found[1]
    assert len(set(found)) == len(given)


def test_names_of_inputs_and_outputs_are_in_no_key_but_their_roles_are() -> None:
    def of_names(inputs: dict[str, str], outputs: dict[str, str], atoms: dict[str, str]) -> str:
        step = Step("s", inputs, outputs, Config, make(1))
        return step_key(step, {}, StepCode("f", {}, ()), atoms)

    one = of_names({"a": "model"}, {"o": "eval"}, {"a": "model-1"})
    assert one == of_names({"b": "model"}, {"p": "eval"}, {"b": "model-1"})
    assert one != of_names({"a": "model"}, {"o": "eval"}, {"a": "model-2"})
    assert one != of_names({"a": "dataset"}, {"o": "eval"}, {"a": "model-1"})
    assert one != of_names({"a": "model"}, {"o": "dataset"}, {"a": "model-1"})


def test_it_is_the_same_in_two_folders_that_hold_the_same(folder: Path, place: PipelineFolder, of: Of) -> None:
    elsewhere = folder / "elsewhere"
    for name, text in FILES.items():
        (elsewhere / name).parent.mkdir(parents=True, exist_ok=True)
        (elsewhere / name).write_text(text)
    before = of().function
    there = PipelineFolder(place.project, elsewhere)
    sys.modules.pop("steps")
    step = Step("step", {}, {"o": "model"}, Config, loading.load("steps.py:step", there))
    assert step_code.of_step(step, {"function": "", "loader": "loaders:rows", "free": {}}, there).function == before


# -- files that a config names -----------------------------------------------------


def named(place: PipelineFolder, *texts: Any) -> list[str]:
    found = named_by({"free": list(texts)}, place).paths
    return sorted(os.path.relpath(path, place.folder) for path in found if os.path.exists(path))


@pytest.mark.parametrize(
    "form",
    [
        *("data/rows.txt", "./data/rows.txt", "data/rows.txt#part", "data/rows.txt:train", "data/rows.txt@train"),
        *("{folder}/data/rows.txt", "file://{folder}/data/rows.txt", "data/*.txt", "d*/rows.txt", "**/rows.txt"),
        *("data/../data/rows.txt", "{folder}/data/*.txt"),
    ],
)
def test_a_file_is_named_in_any_form(place: PipelineFolder, form: str) -> None:
    assert named(place, form.format(folder=place.folder)) == ["data/rows.txt"]


def test_a_pattern_finds_nothing_of_the_results_themselves(place: PipelineFolder) -> None:
    for name in ("params.yaml", "dvc.yaml", "dvc.lock", ".env", "own.yaml", "own.lock", "atoms", "deep/dvc.yaml"):
        (place.folder / name).parent.mkdir(exist_ok=True)
        (place.folder / name).write_text("1")
    assert named(place, "*.yaml", "*.lock", ".e*", "atom*", "*/*.yaml") == ["deep/dvc.yaml", "own.lock", "own.yaml"]


def test_a_name_is_looked_for_in_the_pipelines_folder_and_in_the_root(folder: Path) -> None:
    place = PipelineFolder(Project(folder), folder / "deep")
    for path in (folder / "deep" / "data" / "rows.txt", folder / "deep" / "own.txt"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("1")
    assert named(place, "data/rows.txt") == ["../data/rows.txt", "data/rows.txt"]
    assert named(place, "own.txt", "loaders.py") == ["../loaders.py", "own.txt"]
    found = named_by({"a": ("data/*.txt",)}, place)
    assert {*found.folders} == {str(folder / "data"), str(folder / "deep" / "data")}
    assert named(place, str(folder), "..") == []


def test_what_a_text_names_is_looked_for_once_in_a_moment(place: PipelineFolder) -> None:
    known: dict[str, named_paths.Named] = {}
    found = named_by({"a": "data/*.txt"}, place, known)
    assert known["data/*.txt"] == found
    (place.folder / "data" / "more.txt").write_text("1")
    assert named_by({"b": ["data/*.txt"]}, place, known) == found
    assert named_by({"b": ["data/*.txt"]}, place) != found


def test_keys_and_deep_values_name_files_too(place: PipelineFolder) -> None:
    assert named(place, {"data/rows.txt": 0.5}) == ["data/rows.txt"]
    assert named(place, [{"a": ["data/rows.txt"]}]) == ["data/rows.txt"]


def test_hidden_outer_and_home_files_are_named(place: PipelineFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in (place.folder / ".hidden.txt", place.folder.parent / "outside.txt"):
        path.write_text("1")
    monkeypatch.setenv("HOME", str(place.folder.parent))
    assert named(place, ".hidden.txt") == [".hidden.txt"]
    assert named(place, "../outside.txt") == named(place, "~/outside.txt") == ["../outside.txt"]


def test_a_folder_counts_by_all_that_it_holds(place: PipelineFolder) -> None:
    before = named_by({"a": "data"}, place).digests()
    (place.folder / "data" / "more.txt").write_text("1")
    assert named_by({"a": "data"}, place).digests() != before


def test_a_file_that_comes_where_a_config_names_one_is_seen(place: PipelineFolder) -> None:
    before = named_by({"a": "data/late.txt"}, place).digests()
    assert before == {str(place.folder / "data" / "late.txt"): None}
    (place.folder / "data" / "late.txt").write_text("1")
    assert named_by({"a": "data/late.txt"}, place).digests() != before


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            ".",
            "..",
            "/",
            "~",
            "#part",
            "gpt-4o-mini",
            "tinylm",
            "json:dumps",
            "https://example.org/a.txt",
            "atoms",
            "dvc.lock",
        ),
        *("params.yaml", "dvc.yaml", ".env", "a\0b", "two\nlines", "x" * 501, "x/" * 200, "é" * 200),
    ],
)
def test_a_text_that_names_nothing_is_just_a_text(place: PipelineFolder, text: str) -> None:
    for name in ("params.yaml", "dvc.yaml", "dvc.lock", ".env"):
        (place.folder / name).write_text("x")
    assert named(place, text) == []


@pytest.mark.parametrize(
    ("text", "forms"),
    [
        *[(text, []) for text in (" ", "", "two\nlines", "a\0b", "x/" * 251, "x" * 256, "https://example.org/a.txt")],
        *[(text, [text]) for text in ("x/" * 250, "x" * 255, "a b", "code.py:f", "a.py@f", ":f", "a:b-c")],
        ("file://a/b.txt", ["a/b.txt"]),
        ("file://host:1/b", ["host:1/b"]),
        ("a.txt#part", ["a.txt#part", "a.txt"]),
        ("a.txt:train", ["a.txt:train", "a.txt"]),
        ("a.txt@train", ["a.txt@train", "a.txt"]),
    ],
)
def test_a_text_is_read_as_a_path_in_these_forms(text: str, forms: list[str]) -> None:
    assert list(named_paths._forms(text)) == forms


def test_what_git_dvc_and_motools_keep_is_not_named_but_a_file_of_theirs_is(place: PipelineFolder) -> None:
    for path in (".git/hooks/x", ".dvc/config", ".motools/jobs/x", "metrics/x.json", "metrics.txt", "atoms/x"):
        (place.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (place.folder / path).write_text("x")
    for text in (".git", ".git/hooks", ".dvc", ".motools/jobs", "metrics", "atoms", "runs", "logs"):
        assert named(place, text) == []
    for text in (".dvc/config", ".motools/jobs/x", "metrics/x.json", "metrics.txt", "atoms/x"):
        assert named(place, text) == [text]


def test_the_order_of_a_configs_keys_changes_no_key() -> None:
    step = Step("s", {}, {"o": "eval"}, Config, make(1))
    one, other = ({"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"d": 3, "c": 2}, "a": 1})
    assert step_key(step, one, StepCode("f", {}, ()), {}) == step_key(step, other, StepCode("f", {}, ()), {})


@pytest.mark.parametrize(
    ("source", "version"),
    [
        ({"vcs_info": {"vcs": "git", "commit_id": "a1b2"}}, "1.0 (a1b2)"),
        ({"archive_info": {"hash": "sha256=c3"}}, "1.0 (sha256=c3)"),
        ({"dir_info": {}}, "1.0"),
        (None, "1.0"),
    ],
)
def test_a_package_from_a_repository_counts_with_its_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: Any, version: str
) -> None:
    folder = tmp_path / "of_the_lab-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: of-the-lab\nVersion: 1.0\n")
    if source is not None:
        (folder / "direct_url.json").write_text(json.dumps({"url": "x", **source}))
    monkeypatch.syspath_prepend(str(tmp_path))
    step_code._of_package.cache_clear()
    assert step_code._of_package("of-the-lab", "step") == version


def test_no_pattern_looks_through_all_that_lies_above_the_pipeline_or_in_the_home_folder(
    place: PipelineFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))
    for far in (home / "deep", place.folder.parent):
        far.mkdir(parents=True, exist_ok=True)
        (far / "far.txt").write_text("far")
    (place.folder / "near.txt").write_text("near")
    wide = ["/**/", "/**/*.txt", f"{place.folder.parent}/**/*.txt", "~/**", "../**/far.txt", "../*/../**", "/*/**"]
    assert named_by({"c": wide}, place) == named_paths.Named((), ())
    near = named(place, f"{place.folder}/**/near.txt", "~/*/far.txt", "../far*")
    assert near == ["../far.txt", "../home/deep/far.txt", "near.txt"]


def test_folders_in_which_a_pattern_looks_are_named(place: PipelineFolder) -> None:
    assert named(place, "d*") == []
    found = named_by({"a": "data/*.txt"}, place)
    assert found.folders == (str(place.folder / "data"),)
    assert found.paths == (str(place.folder / "data" / "rows.txt"),)
    found = named_by({"b": "*/*.txt"}, place)
    assert {*found.folders} == {str(place.folder / "data"), str(place.folder)}, "another folder may come"
    (place.folder / "data" / "deep" / "deeper").mkdir(parents=True)
    found = named_by({"c": "data/**/*.txt"}, place)
    assert {*found.folders} == {str(place.folder / name) for name in ("data", "data/deep", "data/deep/deeper")}
