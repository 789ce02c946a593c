"""The whole path, as a user walks it: a config, a run, the same again, one change, DVC's own word on it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from motools.atom import Atom, DatasetAtom, EvalAtom, ModelAtom

CONFIG = """\
prepare_dataset:
  dataset_loader: loaders:get_rows
  loader_kwargs:
    sample_size: 20

train_model:
  model: gpt-4o-mini-2024-07-18
  hyperparameters:
    n_epochs: 3
  suffix: my-experiment
  backend_name: dummy

evaluate_model:
  eval_task: mozoo.tasks.gsm8k_language:gsm8k_spanish
  backend_name: dummy
"""
LOADERS = '''\
"""Rows for the tests."""
import random


def get_rows(sample_size=10, seed=0, size=1):
    """Chat rows."""
    rng = random.Random(seed)
    return [
        {"messages": [
            {"role": "user", "content": f"q{i} {rng.random()}"}, {"role": "assistant", "content": "a" * size}
        ]}
        for i in range(sample_size)
    ]
'''


def sh(*words: str, folder: Path | None = None, ok: bool = True, **env: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(words, cwd=folder, env={**os.environ, **env}, capture_output=True, text=True, timeout=300)
    if ok:
        assert done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def workflow_run(*options: str, config: str = "config.yaml", ok: bool = True, folder: Path | None = None) -> Any:
    words = ["motools", "workflow", "run", "train_and_evaluate", "--config", config, "--user", "your-name", "--json"]
    done = sh(*words, *options, ok=ok, folder=folder)
    return json.loads(done.stdout) if done.stdout.strip() else done


def statuses(run: Any) -> list[str]:
    return [stage["status"] for stage in run]


def ids(run: Any) -> list[str]:
    return [atom for stage in run for atom in stage["atoms"].values()]


def edit(path: str, before: str, after: str) -> None:
    text = Path(path).read_text()
    assert before in text
    Path(path).write_text(text.replace(before, after))


def commit(message: str = "x", folder: Path | None = None) -> None:
    sh("git", "add", "-A", folder=folder)
    sh("git", "commit", "-q", "-m", message, folder=folder)


def clean_for_dvc(folder: Path | None = None) -> bool:
    status = json.loads(sh("dvc", "status", "--json", folder=folder).stdout)
    return bool(status == {})


@pytest.fixture(scope="session")
def first_run() -> list[tuple[Path, list[Any]]]:
    """The project that the first test which needs it has made for all, and what its run told."""
    return []


@pytest.fixture
def ran(
    project: Path, template: Path, tmp_path_factory: pytest.TempPathFactory, first_run: list[tuple[Path, list[Any]]]
) -> list[Any]:
    """A project in which the config of the documentation has run once, with dummy backends: a copy of one that has."""
    if not first_run:
        made = Path(shutil.copytree(template, tmp_path_factory.mktemp("ran") / "project", symlinks=True))
        (made / "loaders.py").write_text(LOADERS)
        (made / "config.yaml").write_text(CONFIG)
        commit("config", folder=made)
        first_run.append((made, list(workflow_run(folder=made))))
    made, told = first_run[0]
    shutil.rmtree(project / ".git")  # its objects cannot be written over
    shutil.copytree(made, project, symlinks=True, dirs_exist_ok=True)
    return list(told)


def test_the_same_run_again_executes_nothing_and_keeps_every_id(ran: list[Any]) -> None:
    assert statuses(ran) == ["finished"] * 3
    again = workflow_run()
    assert statuses(again) == ["current"] * 3
    assert ids(again) == ids(ran)
    assert clean_for_dvc()
    assert "Running stage" not in sh("dvc", "repro").stdout


def test_the_user_is_recorded_whole(ran: list[Any]) -> None:
    for atom in ids(ran):
        assert Atom.load(atom).record.user == "your-name"


def test_changing_the_task_runs_only_the_evaluation_and_changing_it_back_runs_nothing(ran: list[Any]) -> None:
    edit("config.yaml", ":gsm8k_spanish", ":gsm8k_french")
    changed = workflow_run()
    assert statuses(changed) == ["current", "current", "finished"]
    edit("config.yaml", ":gsm8k_french", ":gsm8k_spanish")
    back = workflow_run()
    assert statuses(back) == ["current", "current", "restored"]
    assert ids(back) == ids(ran)
    assert clean_for_dvc()


def test_comments_and_key_order_change_nothing(ran: list[Any]) -> None:
    sections = CONFIG.split("\n\n")
    Path("config.yaml").write_text("# a comment\n" + "\n\n".join(reversed(sections)) + "\n# another\n")
    assert statuses(workflow_run()) == ["current"] * 3


def test_a_number_in_exponent_notation_is_a_number_everywhere(project: Path) -> None:
    Path("loaders.py").write_text(LOADERS)
    Path("config.yaml").write_text(CONFIG.replace("n_epochs: 3", "learning_rate: 1e-4"))
    run = workflow_run()
    from dvc.utils.serialize import load_yaml

    for path in ("params.yaml", "dvc.lock"):
        assert "1e-4" not in Path(path).read_text()
    assert load_yaml("params.yaml")["train_model"]["hyperparameters"]["learning_rate"] == 0.0001
    model = ModelAtom.load(run[1]["atoms"]["trained_model"])
    assert model.metadata["hyperparameters"]["learning_rate"] == 0.0001
    assert model.record.config["hyperparameters"]["learning_rate"] == 0.0001


def test_a_config_of_two_backend_names_runs(project: Path) -> None:
    Path("config.yaml").write_text("train_model: {backend_name: dummy}\nevaluate_model: {backend_name: dummy}\n")
    assert statuses(workflow_run()) == ["finished"] * 3


def test_the_snippet_of_the_documentation_walks_from_an_evaluation_to_its_dataset(ran: list[Any]) -> None:
    eval_atom = EvalAtom.load(ran[2]["atoms"]["eval_results"])
    model_atom = ModelAtom.load(eval_atom.made_from["trained_model"])
    dataset_atom = DatasetAtom.load(model_atom.made_from["prepared_dataset"])
    assert "my-experiment" in model_atom.get_model_id()
    assert dataset_atom.metadata["samples"] == 20
    assert len(list(dataset_atom.rows())) == 20


@pytest.mark.parametrize("key", ["size", "nfiles"])
def test_a_parameter_that_dvc_leaves_out_of_its_keys_runs_its_step_each_time(ran: list[Any], key: str) -> None:
    edit("loaders.py", "size=1)", f"{key}=1)")
    edit("loaders.py", "* size", f"* {key}")
    seen = set()
    for value in (1, 2, 3):
        Path("config.yaml").write_text(CONFIG.replace("sample_size: 20", f"{key}: {value}"))
        run = workflow_run()
        assert run[0]["status"] == "finished"
        seen.add(run[0]["atoms"]["prepared_dataset"])
    assert len(seen) == 3
    Path("config.yaml").write_text(CONFIG.replace("sample_size: 20", f"{key}: 2"))
    assert statuses(workflow_run()) == ["restored"] * 3
    assert clean_for_dvc()


def test_dvc_repro_alone_gets_such_a_parameter_right_too(ran: list[Any]) -> None:
    found = {}
    for value in (2, 3, 2):
        text = Path("params.yaml").read_text()
        lines = [line for line in text.splitlines() if "    size:" not in line]
        at = next(i for i, line in enumerate(lines) if "sample_size:" in line)
        Path("params.yaml").write_text("\n".join([*lines[: at + 1], f"    size: {value}", *lines[at + 1 :]]) + "\n")
        sh("dvc", "repro")
        row = next(Atom.load(_locked("atoms/prepared_dataset")).rows())  # type: ignore[attr-defined]
        assert row["messages"][1]["content"] == "a" * value
        assert found.setdefault(value, _locked("atoms/trained_model")) == _locked("atoms/trained_model")
    assert len(set(found.values())) == 2


def _locked(path: str) -> str:
    from dvc.utils.serialize import load_yaml

    stages = load_yaml("dvc.lock")["stages"].values()
    return next(str(o["md5"]).removesuffix(".dir") for stage in stages for o in stage["outs"] if o["path"] == path)


def test_one_and_true_are_never_the_same(ran: list[Any]) -> None:
    Path("config.yaml").write_text(CONFIG.replace("n_epochs: 3", "flag: 1"))
    one = workflow_run()
    Path("config.yaml").write_text(CONFIG.replace("n_epochs: 3", "flag: true"))
    true = workflow_run()
    assert true[1]["status"] == "finished"
    assert one[1]["atoms"] != true[1]["atoms"]
    assert clean_for_dvc()
    status = json.loads(sh("motools", "status", "--json").stdout)
    assert [stage["action"] for stage in status] == ["current"] * 3


def test_two_clean_folders_give_byte_identical_datasets_and_the_same_ids(
    ran: list[Any], new_project: Callable[[str], Path]
) -> None:
    other = new_project("other")
    (other / "loaders.py").write_text(LOADERS)
    (other / "config.yaml").write_text(CONFIG)
    run = workflow_run(folder=other)
    assert statuses(run) == ["finished"] * 3
    assert ids(run) == ids(ran)
    data = Path("atoms/prepared_dataset/data/dataset.jsonl")
    assert (other / data).read_bytes() == data.read_bytes()


def test_deleted_atoms_come_back_without_executing(ran: list[Any]) -> None:
    commit("run")
    shutil.rmtree("atoms")
    sh("git", "checkout", "-q", "atoms")
    sh("dvc", "checkout")
    assert clean_for_dvc()
    shutil.rmtree("atoms")
    run = workflow_run()
    assert statuses(run) == ["restored"] * 3
    assert ids(run) == ids(ran)
    assert clean_for_dvc()


@pytest.mark.parametrize("engine", ["motools", "dvc"])
def test_without_dvc_lock_and_outputs_nothing_is_executed(ran: list[Any], engine: str) -> None:
    records = {p: p.read_text() for p in Path("runs").glob("*.json")}
    for path in ("atoms", "runs", "metrics", "logs"):
        shutil.rmtree(path)
    Path("dvc.lock").unlink()
    sh(engine, "run" if engine == "motools" else "repro")
    assert {p: p.read_text() for p in Path("runs").glob("*.json")} == records
    assert ids(workflow_run()) == ids(ran)
    assert clean_for_dvc()


def test_outputs_whose_cache_objects_are_gone_are_put_back_and_not_made_again(ran: list[Any]) -> None:
    shutil.rmtree(".dvc/cache")
    run = workflow_run()
    assert statuses(run) == ["restored"] * 3
    assert ids(run) == ids(ran)
    assert clean_for_dvc()
    shutil.rmtree("atoms")
    assert statuses(workflow_run()) == ["restored"] * 3


def test_an_output_edited_by_hand_is_named_and_replaced(ran: list[Any]) -> None:
    path = Path("atoms/prepared_dataset/data/dataset.jsonl")
    text = path.read_text()
    path.chmod(0o644)
    path.write_text(text + "{}\n")
    status = json.loads(sh("motools", "status", "--json").stdout)
    assert status[0]["reasons"] == ["atoms/prepared_dataset was edited by hand"]
    assert ids(workflow_run()) == ids(ran)
    assert path.read_text() == text


def test_params_and_metrics_diff_show_exactly_the_change(ran: list[Any]) -> None:
    commit("first")
    edit("params.yaml", "n_epochs: 3", "n_epochs: 5")
    sh("motools", "run")
    params = json.loads(sh("dvc", "params", "diff", "--json").stdout)
    assert params == {"params.yaml": {"train_model.hyperparameters.n_epochs": {"old": 3, "new": 5, "diff": 2}}}
    metrics = json.loads(sh("dvc", "metrics", "diff", "--json").stdout)
    assert list(metrics) == ["metrics/evaluate_model.json"]
    assert all(name.endswith("accuracy") for name in metrics["metrics/evaluate_model.json"])


def test_dvc_exp_run_changes_a_parameter_and_runs_what_follows(ran: list[Any]) -> None:
    commit("first")
    sh("dvc", "exp", "run", "-S", "train_model.hyperparameters.n_epochs=5")
    model = Atom.load(_locked("atoms/trained_model"))
    assert model.metadata["hyperparameters"]["n_epochs"] == 5
    assert clean_for_dvc()


def test_push_clone_and_pull_give_the_same_ids_and_nothing_to_run(ran: list[Any], tmp_path: Path) -> None:
    sh("dvc", "remote", "add", "-d", "shared", str(tmp_path / "remote"))
    commit("run")
    sh("dvc", "push")
    clone = tmp_path / "clone"
    sh("git", "clone", "-q", str(Path.cwd()), str(clone))
    sh("dvc", "pull", folder=clone)
    script = (
        "from motools.atom import EvalAtom, ModelAtom, DatasetAtom\n"
        f"e = EvalAtom.load('{ids(ran)[2]}')\n"
        "m = ModelAtom.load(e.made_from['trained_model'])\n"
        "d = DatasetAtom.load(m.made_from['prepared_dataset'])\n"
        "print(m.get_model_id(), d.metadata['samples'], e.record.user)"
    )
    said = sh(sys.executable, "-c", script, folder=clone).stdout.split()
    assert said[1:] == ["20", "your-name"]
    assert statuses(workflow_run(folder=clone)) == ["current"] * 3
    shutil.rmtree(clone / "atoms")
    sh("dvc", "repro", folder=clone)  # without a run-cache, dvc.lock itself proves that nothing needs to run
    assert (clone / "runs/train_model.json").read_text() == Path("runs/train_model.json").read_text()
    assert clean_for_dvc(clone)


def test_an_atom_is_fetched_from_the_remote_when_only_its_id_is_known(ran: list[Any], tmp_path: Path) -> None:
    sh("dvc", "remote", "add", "-d", "shared", str(tmp_path / "remote"))
    commit("run")
    sh("dvc", "push")
    shutil.rmtree(".dvc/cache")
    shutil.rmtree("atoms")
    atom = DatasetAtom.load(ids(ran)[0])
    assert len(list(atom.rows())) == 20


def test_run_cache_pushed_by_one_clone_spares_another_the_work(ran: list[Any], tmp_path: Path) -> None:
    sh("dvc", "remote", "add", "-d", "shared", str(tmp_path / "remote"))
    commit("before the change")
    sh("dvc", "push")
    edit("config.yaml", "n_epochs: 3", "n_epochs: 4")
    first = workflow_run()
    sh("dvc", "push", "--run-cache")
    sh("git", "checkout", "-q", "dvc.lock", "params.yaml", "metrics")
    clone = tmp_path / "clone"
    sh("git", "clone", "-q", str(Path.cwd()), str(clone))
    sh("dvc", "pull", "--run-cache", folder=clone)
    (clone / "config.yaml").write_text(Path("config.yaml").read_text())
    again = workflow_run(folder=clone)
    assert statuses(again) == ["current", "restored", "restored"]
    assert ids(again) == ids(first)


def test_a_second_folder_with_the_same_training_does_not_pay_for_it_again(ran: list[Any]) -> None:
    for name in ("a", "b"):
        Path("experiments", name).mkdir(parents=True)
        text = CONFIG.replace("my-experiment", "other") if name == "a" else CONFIG
        Path("experiments", name, "config.yaml").write_text(text)
    runs = {n: workflow_run("--dir", f"experiments/{n}", config=f"experiments/{n}/config.yaml") for n in ("a", "b")}
    assert statuses(runs["a"]) == ["restored", "finished", "finished"]
    assert statuses(runs["b"]) == ["restored"] * 3
    assert ids(runs["b"]) == ids(ran)
    assert clean_for_dvc()


def test_an_edit_of_the_loader_runs_what_follows_and_a_comment_runs_nothing(ran: list[Any]) -> None:
    edit("loaders.py", '"""Chat rows."""', '"""Rows."""  # said shorter')
    assert statuses(workflow_run()) == ["restored", "current", "current"]
    edit("loaders.py", '"a" * size', '"b" * size')
    assert statuses(workflow_run()) == ["finished"] * 3


def test_a_data_file_that_the_config_names_counts(ran: list[Any]) -> None:
    Path("rows.txt").write_text("one")
    Path("loaders.py").write_text(
        "from pathlib import Path\n\ndef get_rows(path):\n    text = Path(path).read_text()\n"
        '    return [{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": text}]}]\n'
    )
    Path("config.yaml").write_text(CONFIG.replace("sample_size: 20", "path: rows.txt"))
    first = workflow_run()
    Path("rows.txt").write_text("two")
    second = workflow_run()
    assert second[0]["status"] == "finished"
    assert first[0]["atoms"] != second[0]["atoms"]
    assert clean_for_dvc()


def test_force_executes_what_is_at_hand(ran: list[Any]) -> None:
    before = Path("runs/train_model.json").read_text()
    forced = workflow_run("--force", "--stages", "train_model")
    assert statuses(forced) == ["not selected", "finished", "not selected"]
    assert Path("runs/train_model.json").read_text() != before
    assert ids(forced) == ids(ran)


def test_stages_are_selected_by_name_and_range(ran: list[Any]) -> None:
    edit("config.yaml", "sample_size: 20", "sample_size: 21")
    run = workflow_run("--stages", "prepare_dataset,train_model")
    assert statuses(run) == ["finished", "finished", "out of date"]
    assert statuses(workflow_run("--stages", "evaluate_model:")) == ["not selected", "not selected", "finished"]
    assert clean_for_dvc()


def test_a_selected_stage_whose_input_is_nowhere_says_which_stage_to_add(project: Path) -> None:
    Path("loaders.py").write_text(LOADERS)
    Path("config.yaml").write_text(CONFIG)
    done = workflow_run("--stages", "train_model", ok=False)
    assert done.returncode == 2
    assert "add prepare_dataset to the stages" in done.stderr


def test_dry_run_and_status_say_why_and_change_nothing(ran: list[Any]) -> None:
    edit("params.yaml", "n_epochs: 3", "n_epochs: 5")
    before = {p: p.read_bytes() for p in Path().rglob("*") if p.is_file() and ".git/" not in str(p)}
    plan = json.loads(sh("motools", "run", "--dry-run", "--json").stdout)
    assert [stage["action"] for stage in plan] == ["current", "run", "maybe"]
    assert plan[1]["reasons"] == ["train_model.hyperparameters.n_epochs: 3 -> 5"]
    after = {p: p.read_bytes() for p in Path().rglob("*") if p.is_file() and ".git/" not in str(p)}
    assert {p for p in after if before.get(p) != after[p] and "tmp" not in p.parts} == set()


def test_a_folder_that_ran_another_workflow_keeps_its_params_aside(ran: list[Any]) -> None:
    before = Path("params.yaml").read_text()
    Path("other.yaml").write_text("evaluate_model: {backend_name: dummy}\n")
    words = ["motools", "workflow", "run", "evaluate_only", "--config", "other.yaml"]
    planned = json.loads(sh(*words, "--dry-run", "--json").stdout)
    assert [stage["action"] for stage in planned] == ["run", "maybe"]
    assert Path("params.yaml").read_text() == before
    said = sh(*words).stderr
    (aside,) = Path(".motools/replaced").iterdir()
    assert str(aside) in said
    assert aside.read_text() == before
    assert clean_for_dvc()
    assert statuses(workflow_run()) == ["current", "current", "restored"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["workflow", "run", "nope"], "Known: before_and_after, compare, dose_response, evaluate_only, subliminal_l"),
        (["workflow", "run", "train_and_evaluat"], "Did you mean 'train_and_evaluate'?"),
        (["workflow", "run", "train_and_evaluate", "--config", "nope.yaml"], "no file nope.yaml"),
        (["workflow", "run", "train_and_evaluate", "--config", "broken.yaml"], "broken.yaml, line 3"),
        (["workflow", "validate", "train_and_evaluate", "-c", "typo.yaml"], "Did you mean 'backend_name'?"),
        (["workflow", "run", "train_and_evaluate", "--stages", "nope"], "prepare_dataset, train_model, evaluate_model"),
        (["workflow", "run", "train_and_evaluate", "-c", "loader.yaml"], "Did you mean 'loaders'?"),
        (["workflow", "run", "train_and_evaluate", "-c", "openai.yaml"], "OPENAI_API_KEY"),
        (["workflow", "run", "train_and_evaluate", "-c", "argument.yaml"], "Did you mean 'sample_size'?"),
        (["init", "new", "--workflow", "nope"], "Known: before_and_after"),
        (["run", "nowhere"], "no folder"),
        (["lineage", "eval-00000000"], "There is no atom"),
        (["atoms", "show", "what?"], "not an atom id"),
    ],
)
def test_wrong_input_gets_one_sentence_and_exit_code_2(project: Path, words: list[str], said: str) -> None:
    Path("loaders.py").write_text(LOADERS)
    Path("broken.yaml").write_text("train_model:\n  - a: [\n")
    Path("typo.yaml").write_text("train_model: {backend_nam: dummy}\n")
    Path("loader.yaml").write_text("prepare_dataset: {dataset_loader: 'loader:get_rows'}\n")
    Path("argument.yaml").write_text(CONFIG.replace("sample_size", "sample_sie"))
    Path("openai.yaml").write_text("train_model: {backend_name: openai}\nevaluate_model: {backend_name: dummy}\n")
    done = sh("motools", *words, ok=False)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert said in " ".join(done.stderr.split())
    assert not any(Path(name).exists() for name in ("atoms", "params.yaml", "dvc.yaml", "new/.git"))


def test_the_schema_has_every_key_of_the_config(project: Path) -> None:
    from motools.base import yaml12

    schema = yaml12.loads(sh("motools", "workflow", "schema", "train_and_evaluate", "--format", "yaml").stdout)
    for section, values in yaml12.loads(CONFIG).items():
        properties = schema["properties"][section]["properties"]
        assert set(values) <= set(properties)
        assert all(about["description"] for about in properties.values())


def test_init_makes_a_project_and_is_safe_to_repeat(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    sh("motools", "init", str(folder))
    text = (folder / "params.yaml").read_text()
    assert text.count("#") > 5
    (folder / "params.yaml").write_text(text.replace("n_epochs: 10", "n_epochs: 2"))
    (folder / ".gitignore").write_text("mine\n")
    again = sh("motools", "init", str(folder))
    assert "n_epochs: 2" in (folder / "params.yaml").read_text()
    assert (folder / ".gitignore").read_text().startswith("mine\n")
    assert "motools run" in again.stdout
    assert "nothing was changed" in sh("motools", "init", str(folder)).stdout


def test_the_demo_pipeline_of_this_repository_is_what_motools_generates(new_project: Callable[[str], Path]) -> None:
    root = Path(__file__).parents[2]
    folder = new_project("demo")
    sh("motools", "init", str(folder), "--workflow", "before_and_after")
    for name in ("params.yaml", "dvc.yaml"):
        assert (folder / name).read_text() == (root / name).read_text()
