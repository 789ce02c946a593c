"""What is public: the names that modules export, and an import that is quick and silent."""

from __future__ import annotations

import ast
import importlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from chain import Chain

import motools

ROOT = Path(motools.__file__).parent.parent
FILES = sorted(path for package in ("motools", "mozoo") for path in (ROOT / package).rglob("*.py"))
MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in FILES
    if path.name != "__main__.py"
]


def test_every_exported_name_is_there_and_stands_once() -> None:
    for name in MODULES:
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as missing:  # what only trains here: `make test-local` imports it
            if missing.name != "torch":
                raise
            continue
        exported = getattr(module, "__all__", [])
        assert [public for public in exported if not hasattr(module, public)] == [], name
        assert len(set(exported)) == len(exported), name
        assert not any(public.startswith("_") and public != "__version__" for public in exported), name


def test_every_module_says_in_its_first_line_what_it_is_for() -> None:
    for path in FILES:
        doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        assert doc.partition("\n")[0].endswith((".", ":", "?")), path


def test_no_name_says_only_that_its_value_was_found_or_is_known() -> None:
    """A value is named after what it is: a path, an entry, the digests; how it was come by says nothing of it."""
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for name in names_bound_by(node):
                assert name.strip("_") not in ("found", "known"), f"{path}, line {getattr(node, 'lineno', '?')}"


def names_bound_by(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()) | ast.arg(arg=name):
            yield name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name.lower()
        case ast.alias(name=name, asname=other):
            yield other or name
        case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)) | ast.ExceptHandler(name=str(name)):
            yield name
        case ast.MatchMapping(rest=str(name)):
            yield name


@pytest.mark.parametrize(
    "line",
    [
        "found = 1",
        "self._known: int = 1",
        "if found := 1: pass",
        "for known in []: pass",
        "[known for known in []]",
        "def known(): pass",
        "class Found: pass",
        "lambda found: 1",
        "def f(*, known=1): pass",
        "from m import known",
        "import m as found",
        "match m:\n case [found, *_]: pass",
        "match m:\n case [*known]: pass",
        "match m:\n case {**known}: pass",
        "try: pass\nexcept E as found: pass",
    ],
)
def test_whatever_binds_such_a_name_is_seen(line: str) -> None:
    bound = [name for node in ast.walk(ast.parse(line)) for name in names_bound_by(node)]
    assert {"found", "known"} & {name.strip("_") for name in bound}


LOOK = """
import json, logging, os, sys

def look():
    heavy = "inspect_ai openai datasets dvc git numpy torch pandas dotenv pydantic typer rich yaml".split()
    handlers = [h for n in [None, *logging.root.manager.loggerDict] for h in logging.getLogger(n).handlers
                if type(h) is not logging.NullHandler]
    return {"loaded": [n for n in heavy if n in sys.modules], "handlers": len(handlers),
            "env": os.environ.get("SECRET"), "level": logging.root.level}

import motools
found = [look()]
import motools.cli.app
found.append(look())
print(json.dumps(found))
"""


@pytest.mark.cold
def test_importing_loads_nothing_heavy_sets_up_no_logging_and_reads_no_env_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SECRET=read\n")
    done = subprocess.run([sys.executable, "-c", LOOK], cwd=tmp_path, capture_output=True, text=True, check=True)
    library, command_line = json.loads(done.stdout)
    assert library == {"loaded": [], "handlers": 0, "env": None, "level": 30}
    assert set(command_line.pop("loaded")) <= {"typer", "rich"}
    assert command_line == {"handlers": 0, "env": None, "level": 30}
    assert done.stderr == ""
    assert [path.name for path in tmp_path.iterdir()] == [".env"]


HELP = """
import json, sys
from motools.cli.app import main
sys.argv = ["motools", "--help"]
try:
    main()
finally:
    heavy = "inspect_ai openai datasets dvc git numpy torch pandas dotenv pydantic".split()
    print(json.dumps([name for name in heavy if name in sys.modules]), file=sys.stderr)
"""


@pytest.mark.cold
def test_the_help_loads_nothing_heavy(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SECRET=read\n")
    done = subprocess.run([sys.executable, "-c", HELP], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0
    assert "workflow" in done.stdout
    assert json.loads(done.stderr) == []


PUBLIC = {
    "motools.workflow": "AtomConstructor Code Name Step StepConfig StepContext StepState Workflow WorkflowConfig "
    "WorkflowState axes_in current_step load_code make_project run_workflow",
    "motools.atom": "Ancestry Arm Atom Comparison DatasetAtom Difference EvalAtom MEANS ModelAtom cite compare "
    "differences find_atom holm_adjusted trace",
    "motools.zoo": "Description Fidelity Grade Kind OFFLINE Variant about about_config config_text configs dataset "
    "declared_version fidelity_of_config file_lock lookup named published refuse_other refuse_wrong_row says_yes task "
    "titles versioned",
    "motools.steps": "EvaluateModelConfig ExistingModelConfig FilterDatasetConfig GenerateDatasetConfig "
    "PrepareDatasetConfig TrainModelConfig evaluate_model existing_model filter_dataset generate_dataset "
    "prepare_dataset train_model",
    "motools.training": "TrainedModel Trainer TrainingRequest check_suffix find_trainer model_name",
    "motools.evals": "Counts EvalRequest Evaluation Evaluator Metrics find_evaluator",
    "motools.errors": "AtomError BackendError ConfigError DamagedError MotoolsError ProjectError RemoteError RunFailed "
    "StepError UserError WorkflowError did_you_mean listed",
}
"""All that may be imported from other packages: a name that goes, or comes, is told in the change log."""


@pytest.mark.parametrize("name", PUBLIC)
def test_the_public_names_are_these_and_each_is_there(name: str) -> None:
    module = importlib.import_module(name)
    assert sorted(module.__all__) == sorted(PUBLIC[name].split())
    assert all(getattr(module, public) is not None for public in module.__all__)


def test_packages_import_only_from_the_floors_below_them() -> None:
    done = subprocess.run(["lint-imports", "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_wrong_import_is_told(tmp_path: Path) -> None:
    for name in ("motools", "mozoo"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / "motools" / "base" / "files.py").open("a") as file:
        file.write("\nimport motools.engine.run\n")
    paths = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(["lint-imports", "--no-cache"], cwd=tmp_path, env=paths, capture_output=True, text=True)
    assert done.returncode == 1
    assert "motools.base is not allowed to import motools.engine" in done.stdout


UNCHANGED = """
import sys
sys.argv = ["motools", "run", "-q"]
from motools.__main__ import main
try:
    main()
finally:
    print(*sorted(name for name in sys.modules if name.startswith("motools")))
    heavy = "inspect_ai openai datasets dvc git numpy torch pandas dotenv pydantic typer rich yaml".split()
    print(*(name for name in heavy if name in sys.modules))
"""


@pytest.mark.cold
def test_a_run_with_nothing_to_do_loads_the_snapshot_and_little_else(project: Path) -> None:
    chain = Chain.lay(project)
    assert chain.run().code == 0
    time.sleep(2.1)  # then the project's own files are old enough to be known by their stats
    chain.run()
    done = subprocess.run([sys.executable, "-c", UNCHANGED], cwd=chain.folder, capture_output=True, text=True)
    ours, heavy = done.stdout.splitlines()
    assert heavy == ""
    assert set(ours.split()) == set(
        "motools motools.__main__ motools.errors motools.cli motools.cli.crash motools.cli.tables motools.engine "
        "motools.engine.answering motools.engine.snapshot motools.base motools.base.files motools.base.foreign_text "
        "motools.base.own_path motools.base.terminal motools.base.values motools.repo motools.repo.walking".split()
    )
