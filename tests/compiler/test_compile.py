"""What is written into a pipeline's folder: golden files, what is kept, what is put aside.

`MOTOOLS_WRITE_GOLDEN=1 pytest tests/compiler/test_compile.py` writes the golden files anew.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.utils.serialize import load_yaml

from motools.base import values, yaml12
from motools.code.search_path import PipelineFolder
from motools.compiler import compile, dvc_yaml, params_yaml
from motools.compiler.compiled import Compiled
from motools.compiler.find_workflow import load_workflow
from motools.errors import ConfigError
from motools.repo import pipeline
from motools.repo.project import Project

GOLDEN = Path(__file__).parents[1] / "golden"
REWRITE = bool(os.environ.get("MOTOOLS_WRITE_GOLDEN"))  # read before the fixtures clear the environment
BUILT_IN = ["train_and_evaluate", "before_and_after", "evaluate_only"]
CUSTOM = '''\
"""A workflow of a project's own, with a helper, a data file and an input."""
from dataclasses import dataclass, field
from typing import Any, Literal

from helper import clean
from motools.workflow import StepConfig
from motools.workflow import AtomConstructor, Step, Workflow


@dataclass
class Prepare(StepConfig):
    source: str = "data/rows.txt"
    """A file of the project: its bytes count."""
    words: list[str] = field(default_factory=lambda: ["yes", "1e-4", "null", "2024-01-02", "a: b", "", "é"])
    rates: dict[str, Any] = field(default_factory=lambda: {"size": 1, "tiny": 1e-05, "one": 1.0, "on": True})
    seed: int | None = None
    size: Literal["small", "large"] = "small"


@dataclass
class Judge(StepConfig):
    threshold: float = 0.5


def prepare(config, input_atoms, workspace):
    return [AtomConstructor("rows", clean(workspace), "dataset")]


def judge(config, input_atoms, workspace):
    return [AtomConstructor("verdict", workspace / "verdict", "eval")]


workflow = Workflow(
    "custom",
    [
        Step("judge", {"rows": "dataset", "judge_model": "model"}, {"verdict": "eval"}, Judge, judge, keeps_logs=True),
        Step("prepare", {}, {"rows": "dataset", "notes": "text"}, Prepare, prepare),
    ],
)
'''


@pytest.fixture
def folder(bare_project: Path) -> Path:
    """A project with the custom workflow."""
    (bare_project / "custom.py").write_text(CUSTOM, encoding="utf-8")
    (bare_project / "helper.py").write_text("def clean(workspace):\n    return workspace / 'rows'\n")
    (bare_project / "data").mkdir()
    (bare_project / "data" / "rows.txt").write_text("1\n")
    return bare_project.resolve()


Make = Callable[..., Compiled]


@pytest.fixture
def compiled(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Compiles a workflow by reference for the project's folder."""
    place = PipelineFolder(Project.find(folder), folder)
    loaded: dict[str, Any] = {}

    def make(reference: str = "evaluate_only", config: Any = None) -> Compiled:
        if reference not in loaded:
            loaded[reference] = load_workflow(reference, place)
        return compile.compile_workflow(loaded[reference], reference, config, place)

    for name in ("custom", "helper"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(str(folder))
    return make


def write(compiled: Compiled, folder: Path) -> Path | None:
    """Where a copy is of what said something else before."""
    said = compile.write(compiled, folder, folder / ".motools")
    assert len(said) <= 1
    return Path(said[0].partition(", which is kept as ")[2].removesuffix(".")) if said else None


def texts(folder: Path) -> dict[str, str]:
    return {name: (folder / name).read_text(encoding="utf-8") for name in (pipeline.STAGES, pipeline.PARAMS)}


def params(folder: Path) -> str:
    return (folder / pipeline.PARAMS).read_text(encoding="utf-8")


@pytest.mark.parametrize("reference", [*BUILT_IN, "custom.py:workflow"])
def test_the_files_are_the_golden_ones(folder: Path, compiled: Make, reference: str) -> None:
    write(compiled(reference), folder)
    golden = GOLDEN / reference.partition(".")[0]
    for name, text in texts(folder).items():
        if REWRITE:
            golden.mkdir(parents=True, exist_ok=True)
            (golden / name).write_text(text, encoding="utf-8")
        assert text == (golden / name).read_text(encoding="utf-8"), name


@pytest.mark.parametrize("reference", [*BUILT_IN, "custom.py:workflow"])
def test_dvc_reads_the_values_that_were_meant(folder: Path, compiled: Make, reference: str) -> None:
    meant = compiled(reference)
    write(meant, folder)
    found = load_yaml(str(folder / pipeline.PARAMS))
    assert values.same_values(found, {"workflow": reference, **meant.config})
    assert load_yaml(str(folder / pipeline.STAGES))["stages"] == dict(meant.stages)


@pytest.mark.parametrize("reference", [*BUILT_IN, "custom.py:workflow"])
def test_dvc_accepts_the_stages(folder: Path, compiled: Make, reference: str) -> None:
    from dvc.schema import COMPILED_MULTI_STAGE_SCHEMA

    write(compiled(reference), folder)
    COMPILED_MULTI_STAGE_SCHEMA(load_yaml(str(folder / pipeline.STAGES)))


def test_compiling_decides_and_writes_nothing(folder: Path, compiled: Make) -> None:
    before = sorted(folder.rglob("*"))
    one, other = compiled("train_and_evaluate"), compiled("train_and_evaluate")
    assert one == other
    assert sorted(folder.rglob("*")) == before


def test_files_are_written_only_where_their_content_changes(folder: Path, compiled: Make) -> None:
    def stamps() -> dict[str, tuple[int, int]]:
        return {n: ((s := (folder / n).stat()).st_ino, s.st_mtime_ns) for n in (pipeline.STAGES, pipeline.PARAMS)}

    write(compiled(), folder)
    before = stamps()
    write(compiled(), folder)
    assert stamps() == before
    write(compiled(config={"existing_model": {"model": "tinylm/other"}}), folder)
    after = stamps()
    assert after[pipeline.STAGES] == before[pipeline.STAGES]
    assert after[pipeline.PARAMS] != before[pipeline.PARAMS]


MINE = """\
# Mine.
evaluate_model:
  backend_name: dummy   # quick
  # which task
  eval_task: mozoo.tasks.hello_world:hello_world

workflow: evaluate_only
existing_model: {model: 'tinylm/base', model_args: {}}   # on one line
"""


def test_comments_order_and_quotes_of_params_are_kept(folder: Path, compiled: Make) -> None:
    (folder / pipeline.PARAMS).write_text(MINE)
    sections = pipeline.read_params(folder)
    assert sections is not None
    config = {**sections.sections, "existing_model": {"model": "tinylm/other"}}
    write(compiled(config=config), folder)
    text = params(folder)
    words = [line.split() for line in text.splitlines()]  # a comment at a line's end keeps its column
    for line in MINE.replace("'tinylm/base'", "tinylm/other").splitlines():
        assert line.split() in words
    assert list(yaml12.loads(text)) == ["evaluate_model", "workflow", "existing_model"]
    assert yaml12.loads(text)["evaluate_model"]["eval_kwargs"] == {}
    write(compiled(config=config), folder)
    assert params(folder) == text


@pytest.mark.parametrize(
    ("there", "meant"), [("1", True), ("true", 1), ("1", 1.0), ("1.0", 1), ("'1'", 1), ("null", "null")]
)
def test_values_that_python_calls_equal_are_told_apart(folder: Path, compiled: Make, there: str, meant: Any) -> None:
    write(compiled(), folder)
    path = folder / pipeline.PARAMS
    path.write_text(params(folder).replace("eval_kwargs: {}", f"eval_kwargs:\n    seed: {there}"))
    write(compiled(config={"evaluate_model": {"eval_kwargs": {"seed": meant}}}), folder)
    found = load_yaml(str(path))["evaluate_model"]["eval_kwargs"]["seed"]
    assert (type(found), found) == (type(meant), meant)


def test_a_key_that_is_gone_is_taken_out_and_no_other(folder: Path, compiled: Make) -> None:
    kwargs = {"eval_kwargs": {"limit": 3, "seed": 1}}
    write(compiled(config={"evaluate_model": kwargs}), folder)
    assert "limit: 3" in params(folder)
    write(compiled(config={"evaluate_model": {"eval_kwargs": {"seed": 1}}}), folder)
    assert load_yaml(str(folder / pipeline.PARAMS))["evaluate_model"]["eval_kwargs"] == {"seed": 1}
    assert "# Options: task_args" in params(folder)


def test_what_a_person_wrote_into_dvc_yaml_is_kept_and_old_stages_go(folder: Path, compiled: Make) -> None:
    write(compiled("train_and_evaluate"), folder)
    path = folder / pipeline.STAGES
    content = yaml12.load(path)
    content["stages"]["plot"] = {"cmd": "python plot.py", "deps": ["atoms/eval_results"], "outs": ["plot.png"]}
    content |= {"plots": [{"plot.csv": {"x": "step"}}], "vars": ["other.yaml"]}
    path.write_text(yaml12.dumps(content))
    write(compiled("evaluate_only"), folder)
    found = load_yaml(str(path))
    assert list(found["stages"]) == ["existing_model", "evaluate_model", "plot"]
    assert found["stages"]["plot"] == content["stages"]["plot"]
    assert (found["plots"], found["vars"]) == (content["plots"], content["vars"])
    before = texts(folder)
    write(compiled("evaluate_only"), folder)
    assert texts(folder) == before


OWN_PLOTS = [{"plot.csv": {"x": "step"}}, "other.json", {"mine": {"x": "a", "y": {"b.json": "c"}}}]


@pytest.mark.parametrize("own", [OWN_PLOTS, {"plot.csv": {"x": "step"}, "mine": None}, "none"])
def test_plots_are_generated_beside_a_persons_own_which_are_kept(folder: Path, compiled: Make, own: Any) -> None:
    write(compiled("train_and_evaluate"), folder)
    path = folder / pipeline.STAGES
    generated = yaml12.load(path)["plots"]
    assert [list(plot) for plot in generated] == [["motools_loss"]]
    content = yaml12.load(path)
    content["plots"] = content["plots"] + own if isinstance(own, list) else own
    path.write_text(yaml12.dumps(content))
    assert write(compiled("train_and_evaluate"), folder) is None
    kept = [{name: props} for name, props in own.items()] if isinstance(own, dict) else own if own != "none" else []
    assert yaml12.load(path)["plots"] == generated + kept
    write(compiled("evaluate_only"), folder)
    assert yaml12.load(path).get("plots", []) == kept, "one that nothing is drawn of any more goes"


def test_trainings_are_lines_of_one_plot_and_another_unit_is_another_plot(folder: Path, compiled: Make) -> None:
    arms = {
        "a": {},
        "b": {},
        "c": {"train_model.backend_name": "dummy"},
        "d": {"train_model.backend_name": "openai", "train_model.model": "gpt-4o"},
    }
    dose = {"prepare_dataset": {"loader_kwargs": {"fraction": 0.5}}}
    write(compiled("dose_response", {**dose, "sweep": {"arms": arms}}), folder)
    loss, steps, curves = yaml12.load(folder / pipeline.STAGES)["plots"]
    model = "atoms/trained_model/arm={}/data/loss.json".format
    assert list(loss["motools_loss"]["y"]) == [model("a"), model("b")]
    assert steps["motools_loss_step"]["y"] == {model("d"): "train_loss"}
    assert list(curves) == ["atoms/dose_response/data/plots/curves"]


def test_a_generated_plot_that_a_person_has_changed_is_kept_in_a_copy(folder: Path, compiled: Make) -> None:
    write(compiled("train_and_evaluate"), folder)
    path = folder / pipeline.STAGES
    path.write_text(path.read_text().replace("title: Training loss", "title: Mine"))
    aside = write(compiled("train_and_evaluate"), folder)
    assert aside is not None
    assert "title: Mine" in aside.read_text()
    assert "title: Training loss" in path.read_text()


def test_the_params_of_another_workflow_are_put_aside_whole(folder: Path, compiled: Make) -> None:
    assert write(compiled("train_and_evaluate"), folder) is None
    before = params(folder)
    aside = write(compiled("evaluate_only"), folder)
    assert aside is not None
    assert aside.read_text(encoding="utf-8") == before
    assert pipeline.read_params(folder).workflow == "evaluate_only"  # type: ignore[union-attr]
    assert write(compiled("evaluate_only"), folder) is None


def test_what_a_person_set_by_hand_is_kept_where_a_config_says_otherwise(folder: Path, compiled: Make) -> None:
    write(compiled("evaluate_only"), folder)
    path = folder / pipeline.PARAMS
    path.write_text(params(folder).replace("backend_name: inspect", "backend_name: dummy  # for a day"))
    before = params(folder)
    assert "for a day" in before
    aside = write(compiled("evaluate_only"), folder)
    assert aside is not None
    assert aside.read_text() == before
    assert write(compiled("evaluate_only"), folder) is None


def test_new_defaults_beside_what_a_person_wrote_make_no_copy(folder: Path, compiled: Make) -> None:
    (folder / pipeline.PARAMS).write_text("workflow: evaluate_only\n# mine\nexisting_model:\n  model: tinylm/base\n")
    assert write(compiled("evaluate_only"), folder) is None
    assert "# mine" in params(folder)


OWN_WORDS = {
    "frozen": True,
    "desc": "the one in the paper",
    "meta": {"owner": "Ada"},
    "always_changed": True,
    "plots": [{"metrics/loss.csv": {"cache": False, "x": "step"}}],
}


def test_what_a_person_adds_to_a_generated_stage_stays(folder: Path, compiled: Make) -> None:
    write(compiled("evaluate_only"), folder)
    path = folder / pipeline.STAGES
    content = yaml12.load(path)
    stage = content["stages"]["evaluate_model"]
    stage |= OWN_WORDS
    stage["outs"] = [
        {"atoms/eval_results": {"remote": "big", "desc": "all samples", "push": False}},
        {"runs/evaluate_model.json": {"persist": True, "remote": "small"}},
    ]
    stage["metrics"] = [{"metrics/evaluate_model.json": {"cache": False, "type": "score"}}]
    path.write_text(yaml12.dumps(content))
    assert write(compiled("evaluate_only"), folder) is None
    found = yaml12.load(path)["stages"]["evaluate_model"]
    assert {name: found[name] for name in OWN_WORDS} == OWN_WORDS
    outs = {name: flags for out in found["outs"] if isinstance(out, dict) for name, flags in out.items()}
    assert outs["atoms/eval_results"] == {"remote": "big", "desc": "all samples", "push": False}
    assert outs["runs/evaluate_model.json"] == {"persist": True, "remote": "small"}
    assert found["metrics"] == [{"metrics/evaluate_model.json": {"cache": False, "type": "score"}}]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("deps:\n", "deps:\n    - mine.txt\n"),
        ("outs:\n", "outs:\n    - mine.txt\n"),
        ("    params:\n", "    wdir: elsewhere\n    params:\n"),
        ("    params:\n", "    params:\n    - other.yaml:\n      - mine\n"),
        ("    params:\n", "    # mine\n    params:\n"),
    ],
)
def test_what_cannot_stay_in_dvc_yaml_is_kept_in_a_copy(folder: Path, compiled: Make, before: str, after: str) -> None:
    write(compiled("evaluate_only"), folder)
    path = folder / pipeline.STAGES
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after))
    text = path.read_text()
    aside = write(compiled("evaluate_only"), folder)
    assert aside is not None
    assert aside.read_text() == text
    assert "mine" not in path.read_text()


def test_params_put_aside_within_a_second_do_not_replace_each_other(
    folder: Path, compiled: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.strftime", lambda *_: "20240102-030405")
    kept = []
    for number, reference in enumerate(["train_and_evaluate", "evaluate_only", "before_and_after"]):
        write(compiled(reference), folder)
        (folder / pipeline.PARAMS).write_text(f"# {number}\n" + params(folder))
        kept.append(params(folder))
    found = {path.read_text() for path in (folder / ".motools" / "replaced").iterdir()}
    assert found == set(kept[:2])


@pytest.mark.parametrize("text", ["a: [\n", "- a\n- b\n", "workflow: [a]\n", "a: 1\na: 2\n", "just words\n"])
def test_a_params_file_that_cannot_be_read_is_an_error_and_stays_as_it_is(
    folder: Path, compiled: Make, text: str
) -> None:
    (folder / pipeline.PARAMS).write_text(text)
    with pytest.raises(ConfigError, match=r"params\.yaml"):
        write(compiled(), folder)
    assert params(folder) == text
    assert not (folder / pipeline.STAGES).exists()


@pytest.mark.parametrize("text", ["stages: [\n", "- a\n", "stages: [a, b]\n"])
def test_a_dvc_yaml_that_cannot_be_read_is_an_error_and_nothing_changes(
    folder: Path, compiled: Make, text: str
) -> None:
    write(compiled("train_and_evaluate"), folder)
    (folder / pipeline.STAGES).write_text(text)
    before = texts(folder)
    with pytest.raises(ConfigError, match=r"dvc\.yaml"):
        write(compiled("evaluate_only"), folder)
    assert texts(folder) == before


def test_a_stage_of_a_persons_own_is_not_replaced_by_a_step_of_its_name(folder: Path, compiled: Make) -> None:
    write(compiled("evaluate_only"), folder)
    path = folder / pipeline.STAGES
    path.write_text("stages:\n  train_model: {cmd: python mine.py}\n")
    before = texts(folder)
    with pytest.raises(ConfigError, match=r"dvc\.yaml has a stage 'train_model' of your own.*Give your stage another"):
        write(compiled("train_and_evaluate"), folder)
    assert texts(folder) == before


def test_the_params_of_something_else_are_put_aside_whole(folder: Path, compiled: Make) -> None:
    (folder / pipeline.PARAMS).write_text("# mine\nsplit: 0.2\nexisting_model:\n  model: x\n")
    aside = write(compiled("evaluate_only"), folder)
    assert aside is not None
    assert aside.read_text() == "# mine\nsplit: 0.2\nexisting_model:\n  model: x\n"
    assert list(load_yaml(str(folder / pipeline.PARAMS))) == ["workflow", "existing_model", "evaluate_model"]


def test_params_without_a_workflow_keep_their_comments_and_get_one_at_the_top(folder: Path, compiled: Make) -> None:
    (folder / pipeline.PARAMS).write_text("# mine\nexisting_model:\n  model: tinylm/base # this one\n")
    write(compiled(), folder)
    assert next(iter(load_yaml(str(folder / pipeline.PARAMS)))) == "workflow"
    assert "# mine" in params(folder)
    assert "# this one" in params(folder)


@pytest.mark.parametrize("value", ["1e-4", "yes", "off", "012", "0o7", "1_000", "~", "=", "<<", "2024-01-02", "1:30"])
def test_a_new_word_that_looks_like_something_else_stays_a_word(folder: Path, compiled: Make, value: str) -> None:
    config = {"evaluate_model": {"eval_kwargs": {"word": value, "list": [value]}}}
    for _ in ("new", "updated"):
        write(compiled(config=config), folder)
        for read in (
            load_yaml,
            lambda path: yaml12.load(Path(path)),
            lambda path: yaml.safe_load(Path(path).read_text()),
        ):
            found = read(str(folder / pipeline.PARAMS))["evaluate_model"]["eval_kwargs"]
            assert found == {"word": value, "list": [value]}
        write(compiled(), folder)


def test_the_schema_of_a_workflow_has_a_section_a_step(folder: Path, compiled: Make) -> None:
    found = params_yaml.config_schema(compiled("train_and_evaluate").workflow)
    assert list(found["properties"]) == ["workflow", "sweep", "prepare_dataset", "train_model", "evaluate_model"]
    for section in list(found["properties"].values())[2:]:
        assert all(about.get("description") for about in section["properties"].values())
    assert yaml.safe_load(yaml12.dumps(found)) == found


def test_only_the_commands_that_are_written_here_count_as_generated() -> None:
    assert dvc_yaml.is_generated("motools step run w s")
    assert not any(
        dvc_yaml.is_generated(cmd) for cmd in ("motools step runs", "echo motools step run", None, ["motools"])
    )


# -- the schema for editors ------------------------------------------------------------------


def schema_of(folder: Path) -> tuple[Path, dict[str, Any]]:
    """The file that a comment of params.yaml names, and what it says."""
    first = params(folder).splitlines()[0]
    assert first.startswith("# yaml-language-server: $schema=")
    path = Path(os.path.normpath(folder / first.partition("=")[2]))
    return path, json.loads(path.read_text())


def test_params_name_a_schema_that_they_fit_and_that_names_every_key(folder: Path, compiled: Make) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    for reference in (*BUILT_IN, "custom.py:workflow"):
        write(compiled(reference), folder)
        path, told = schema_of(folder)
        assert path.parent == folder / ".motools" / "schemas"
        said = yaml12.load(folder / pipeline.PARAMS)
        jsonschema.validate(said, told)
        step = next(name for name in said if name != "workflow")
        with pytest.raises(jsonschema.ValidationError, match="Additional properties are not allowed"):
            jsonschema.validate(said | {step: said[step] | {"no_such_key": 1}}, told)
        (folder / pipeline.PARAMS).unlink()


def test_the_schema_is_written_again_when_the_workflow_is_another(folder: Path, compiled: Make) -> None:
    wanted = compiled("custom.py:workflow")
    write(wanted, folder)
    path, told = schema_of(folder)
    assert told["properties"]["judge"]["properties"]["threshold"]["type"] == "number"
    before = params(folder)
    os.utime(path, (5, 5))
    write(wanted, folder)
    assert path.stat().st_mtime == 5
    path.unlink()
    write(wanted, folder)
    assert schema_of(folder)[1] == told
    code = CUSTOM.replace("threshold: float", "threshold: str | float")
    (folder / "custom.py").write_text(code, encoding="utf-8")
    for name in [
        name for name, module in sys.modules.items() if getattr(module, "__file__", "") == str(folder / "custom.py")
    ]:
        del sys.modules[name]  # as in a new process
    later = PipelineFolder(Project.find(folder), folder)
    again = load_workflow("custom.py:workflow", later)
    write(compile.compile_workflow(again, "custom.py:workflow", None, later), folder)
    assert {"type": "string"} in schema_of(folder)[1]["properties"]["judge"]["properties"]["threshold"]["anyOf"]
    assert params(folder) == before


@pytest.mark.parametrize("line", ["", "# yaml-language-server: $schema=mine.json\n"])
def test_a_person_who_wants_no_schema_or_one_of_their_own_gets_none(folder: Path, compiled: Make, line: str) -> None:
    write(compiled(), folder)
    path, _ = schema_of(folder)
    path.unlink()
    text = line + params(folder).partition("\n")[2]
    (folder / pipeline.PARAMS).write_text(text)
    write(compiled(), folder)
    assert params(folder) == text
    assert not path.exists()
    assert not (folder / "mine.json").exists()
