"""What is seen of a step that runs: files, folders, variables, modules, processes, and what nobody can see."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import ANY

import pytest
from code_cases import write
from observing import Seen, Steps, changes, pipeline_folder

from motools.code.trace import Trace, dependencies
from motools.observe import Events, digests, listing, observer, path_digest, read_log


@pytest.fixture(scope="module")
def observed() -> Iterator[Steps]:
    steps = Steps(observed=True)
    yield steps
    steps.close()


@pytest.fixture
def run(bare_project: Path, observed: Steps) -> Run:
    return Run(bare_project, observed)


class Run:
    """Runs steps of a project, and asks whether their traces hold."""

    def __init__(self, folder: Path, observed: Steps) -> None:
        self.folder, self.observed = folder, observed

    def __call__(self, source: str, files: dict[str, str] | None = None, env: dict[str, str] | None = None) -> Trace:
        write(self.folder, {"steps.py": source, **(files or {})})
        self.seen: Seen = self.observed.run(self.folder, env)
        assert not self.seen.failed
        assert self.seen.trace is not None
        assert self.changes(env) == []
        return self.seen.trace

    def changes(self, env: dict[str, str] | None = None) -> list[str]:
        return changes(self.seen, self.seen, self.folder, env)


def test_a_file_is_known_by_the_digest_of_what_was_read(run: Run) -> None:
    used = run("def step(): return open('a.txt').read()", {"a.txt": "1"})
    assert used.files == {"a.txt": path_digest(str(run.folder / "a.txt"))}
    write(run.folder, {"a.txt": "2"})
    assert run.changes() == ["a.txt"]
    write(run.folder, {"a.txt": "1"})
    assert run.changes() == []
    (run.folder / "a.txt").unlink()
    assert run.changes() == ["a.txt"]


def test_an_edit_that_keeps_size_and_time_is_seen(run: Run) -> None:
    run("def step(): return open('a.txt').read()", {"a.txt": "1"})
    before = (run.folder / "a.txt").stat()
    write(run.folder, {"a.txt": "2"})
    os.utime(run.folder / "a.txt", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert run.changes() == ["a.txt"]


def test_a_file_that_changed_between_two_reads_is_told(run: Run) -> None:
    source = """
import subprocess
def step():
    first = open("a.txt").read()
    subprocess.run("echo 2 > a.txt", shell=True, check=True)
    return first + open("a.txt").read()
"""
    write(run.folder, {"steps.py": source, "a.txt": "1"})
    assert run.observed.run(run.folder).failed.startswith(f"changed: {run.folder}/a.txt changed while")


def test_what_a_step_writes_is_not_what_it_reads(run: Run) -> None:
    source = """
import tempfile, os
def step():
    with open("out.txt", "w") as file: file.write("1")
    with tempfile.NamedTemporaryFile("w+") as file: file.write("1")
    return open("out.txt").read()
"""
    assert run(source).files == {}


@pytest.mark.parametrize(
    "source",
    [
        # what it looks for and then makes, what it reads and then writes, a folder that it lists and writes into
        "import os\ndef step():\n    if not os.path.isdir('made'): os.mkdir('made')",
        "from pathlib import Path as P\ndef step():\n    if not P('a.txt').exists(): P('a.txt').write_text('1')",
        "from pathlib import Path\ndef step(): Path('a.txt').write_text(Path('a.txt').read_text() + '1')",
        "def step():\n    with open('a.txt', 'r+') as file: file.write(file.read() + '1')",
        "import os\ndef step():\n    os.listdir('d')\n    open('d/new', 'w').close()",
        "import os\ndef step():\n    open('x', 'w').close()\n    os.path.exists('y')\n    os.rename('x', 'y')",
    ],
)
def test_what_a_step_leaves_of_what_it_read_is_no_change(run: Run, source: str) -> None:
    files = {"a.txt": "1", "d/old": "1"} if "exists(): P(" not in source else {"d/old": "1"}
    run(source, files)  # which asks whether its trace holds, now that it has ended


def test_a_file_that_is_appended_to_is_read(run: Run) -> None:
    assert list(run("def step(): return open('a.txt', 'r+').read()", {"a.txt": "1"}).files) == ["a.txt"]


def test_what_is_read_at_import_counts_where_the_statement_counts(run: Run) -> None:
    source = """
from pathlib import Path
def load(name): return Path(name).read_text()
USED = load("used.txt")
OTHER = Path("other.txt").read_text()
def step(): return USED
"""
    assert list(run(source, {"used.txt": "1", "other.txt": "1"}).files) == ["used.txt"]


def test_what_was_looked_for_in_vain_is_seen_when_it_comes(run: Run) -> None:
    source = """
import os
def step():
    try: return open("a.txt").read()
    except FileNotFoundError: return os.path.isdir("folder")
"""
    used = run(source)
    assert (used.files, used.exists) == ({"a.txt": None}, {"folder": None})
    write(run.folder, {"a.txt": "1"})
    assert run.changes() == ["a.txt"]
    (run.folder / "a.txt").unlink()
    (run.folder / "folder").mkdir()
    assert run.changes() == ["folder has come"]


def test_a_folder_that_was_listed_is_known_by_its_names(run: Run) -> None:
    used = run("import os\ndef step(): return sorted(os.listdir('data'))", {"data/a.txt": "1"})
    assert used.folders == {"data": listing(str(run.folder / "data"))}
    write(run.folder, {"data/a.txt": "2"})
    assert run.changes() == []
    write(run.folder, {"data/b.txt": "2"})
    assert run.changes() == ["what is in data/"]


def test_what_motools_and_git_keep_beside_the_code_is_no_part_of_a_listing(run: Run) -> None:
    run("import os\ndef step(): return sorted(os.listdir('.'))", {"params.yaml": "", "a.txt": "1"})
    for name in ("dvc.lock", "atoms/a/x.txt", "runs/a.json", ".git/x", "__pycache__/x.pyc", ".venv/x"):
        write(run.folder, {name: "1"})
    assert run.changes() == []
    write(run.folder, {"b.txt": "1"})
    assert run.changes() == ["what is in /"]


def test_variables_count_by_value_and_secrets_by_name_only(run: Run) -> None:
    source = """
import os
def step(): return [os.environ.get(name) for name in ("MODE", "SOME_API_KEY", "UNSET", "PATH")] and 1
"""
    used = run(source, env={"MODE": "a", "SOME_API_KEY": "abcdefghijklmnop"})
    assert list(used.env) == ["MODE", "SOME_API_KEY", "UNSET"]
    assert (used.env["SOME_API_KEY"], used.env["UNSET"]) == ("", None)
    assert run.changes({"MODE": "a", "SOME_API_KEY": "another"}) == []
    assert run.changes({"MODE": "b"}) == ["environment MODE"]
    assert run.changes({"MODE": "a", "UNSET": "1"}) == ["environment UNSET"]


@pytest.mark.parametrize("name", ["LANGUAGE", "CI", "LINES", "TEMP"])
def test_a_variable_of_where_a_step_runs_counts_where_the_code_itself_names_it(run: Run, name: str) -> None:
    run(f"import os\ndef step(): return os.environ.get('{name}', 'x')", env={name: "1"})
    assert run.changes({name: "2"}) == [f"environment {name}"]
    source = "import gettext, shutil\ndef step(): return [shutil.get_terminal_size(), gettext.find('x')] and 1"
    run(source, env={name: "1"})
    assert run.changes({name: "2"}) == []


def test_a_variable_that_a_template_asks_for_counts(run: Run) -> None:
    source = "import jinja2, os\ndef step(): return jinja2.Template('{{ e.MODE }}').render(e=os.environ)"
    run(source, env={"MODE": "1"})
    assert run.changes({"MODE": "2"}) == ["environment MODE"]


@pytest.mark.parametrize("name", ["my.env", ".env"])
def test_variables_that_a_package_sets_from_a_file_are_those_of_the_file(run: Run, name: str) -> None:
    source = f"import os, dotenv\ndef step(): return dotenv.load_dotenv('{name}') and os.environ['MODE']"
    assert run(source, {name: "MODE=1\n"}).env == {"MODE": None}
    assert run.changes({"MODE": "2"}) == ["environment MODE"]
    write(run.folder, {name: "MODE=2\n"})
    assert run.changes() == [name]


def test_a_dotenv_that_another_package_reads_counts_where_it_sets_something(run: Run) -> None:
    source = "import os, flask.cli\ndef step(): return flask.cli.load_dotenv('.env') and os.environ.get('MODE')"
    assert list(run(source, {".env": "MODE=1\nMORE=2\n"}).files) == [".env"]
    assert run(source, env={"MODE": "2", "MORE": "3"}).files == {}
    assert run.changes({"MODE": "3"}) == ["environment MODE"]


def test_of_a_dotenv_that_counts_which_is_no_secret(run: Run) -> None:
    source = "import dotenv\ndef step(): return dotenv.dotenv_values('.env')['MODE']"
    assert list(run(source, {".env": "MODE=1\nSOME_API_KEY=a\n"}).files) == [".env"]
    assert dependencies(run.seen.trace, pipeline_folder(run.folder)) == {"steps.py": ANY}
    write(run.folder, {".env": "MODE=1\nSOME_API_KEY=b\n"})
    assert run.changes() == []
    write(run.folder, {".env": "MODE=2\nSOME_API_KEY=b\n"})
    assert run.changes() == [".env"]


def test_what_lies_where_packages_keep_their_caches_counts_where_the_code_itself_reads_it(
    run: Run, tmp_path: Path
) -> None:
    write(tmp_path, {"rows.txt": "1"})
    env = {"HF_HOME": str(tmp_path)}
    run("import os\ndef step(): return open(os.environ['HF_HOME'] + '/rows.txt').read()", env=env)
    write(tmp_path, {"rows.txt": "2"})
    assert run.changes(env) == [str(tmp_path / "rows.txt")]


def test_of_a_database_that_counts_which_the_step_leaves(run: Run) -> None:
    source = """
import sqlite3
def step():
    with sqlite3.connect("rows.db") as base: base.execute("create table if not exists rows (n)")
    base.execute("insert into rows values (1)")
    base.commit()
    base.close()
    return 1
"""
    run(source)
    assert run.changes() == []
    with sqlite3.connect(run.folder / "rows.db") as base:
        base.execute("delete from rows")
    base.close()
    assert run.changes() == ["rows.db"]


def test_what_a_library_looks_for_and_may_open_in_c_counts_unless_the_step_has_made_it(run: Run) -> None:
    source = """
import click, os, shutil
look = click.Path(exists=True)
def step():
    look("weights.safetensors"), look("out/made.onnx")
    os.mkdir("new")
    with open("new/made.onnx", "w") as file: file.write("2")
    shutil.rmtree("out")
    os.rename("new", "out")
    return look("out/made.onnx") and 1
"""
    used = run(source, {"weights.safetensors": "1", "out/made.onnx": "1"})
    assert "weights.safetensors" in used.files
    write(run.folder, {"out/made.onnx": "3"})
    assert run.changes() == []
    write(run.folder, {"weights.safetensors": "2"})
    assert run.changes() == ["weights.safetensors"]


def test_the_log_that_a_database_writes_ahead_counts(run: Run) -> None:
    base = sqlite3.connect(run.folder / "rows.db")
    base.execute("pragma journal_mode=wal")
    base.execute("create table rows (n)")
    run("import sqlite3\ndef step(): return sqlite3.connect('rows.db').execute('select * from rows').fetchall()")
    base.execute("insert into rows values (1)")
    base.commit()
    assert run.changes() == ["rows.db-wal"]
    base.close()


def test_a_variable_that_the_code_itself_sets_is_no_reading(run: Run) -> None:
    assert run("import os\nos.environ['MODE'] = '1'\ndef step(): return os.environ['MODE']").env == {}
    used = run("import os\nos.environ.setdefault('MODE', '1')\ndef step(): return os.environ['MODE']")
    assert used.env == {"MODE": None}


def test_the_environment_as_a_whole_is_unseen(run: Run) -> None:
    assert run("import os\ndef step(): return dict(os.environ) and 1").unseen == ["the environment as a whole"]


@pytest.mark.parametrize(
    "source",
    [
        "os.environb[b'MODE']",
        "os.environ.copy()['MODE']",
        "{**os.environ}.get('MODE')",
        "[v for k, v in os.environ.items() if k.startswith('MO')]",
        "'{MODE}'.format(**os.environ)",
        "subprocess.check_output('echo $MODE', shell=True)",
    ],
)
def test_a_variable_counts_in_whatever_way_it_is_read(run: Run, source: str) -> None:
    run(f"import os, subprocess\ndef step(): return {source}", env={"MODE": "1", "OTHER": "1"})
    assert run.changes({"MODE": "1", "OTHER": "2"}) == []
    assert run.changes({"MODE": "2", "OTHER": "1"}) != []


def test_where_a_link_points_counts_where_that_is_asked_for(run: Run) -> None:
    write(run.folder, {"a/x.txt": "1", "b/x.txt": "1"})
    (run.folder / "now").symlink_to("a")
    run("import os\ndef step(): return os.path.realpath('now')")
    (run.folder / "now").unlink()
    (run.folder / "now").symlink_to("b")
    assert run.changes() == ["now points elsewhere"]


def test_processes_and_connections_are_named_as_unseen(run: Run) -> None:
    source = """
import os, socket, subprocess, sys
def step():
    subprocess.run(["true"], check=True)
    os.system("true")
    with socket.socket() as it: it.connect_ex(("127.0.0.1", 9))
"""
    assert run(source).unseen == ["the network (127.0.0.1)", "the process true"]


def test_the_files_that_a_process_is_given_count(run: Run) -> None:
    source = "import subprocess\ndef step(): return subprocess.check_output('sh ./a.sh; cat b.txt', shell=True)"
    assert sorted(run(source, {"a.sh": "echo 1", "b.txt": "1", "c.txt": "1"}).files) == ["a.sh", "b.txt"]


def test_a_database_and_a_library_of_the_project_count(run: Run) -> None:
    source = """
import ctypes, sqlite3
def step():
    with sqlite3.connect("rows.db") as base: rows = base.execute("select 1").fetchall()
    try: ctypes.CDLL("./native.so")
    except OSError: return rows
"""
    used = run(source, {"rows.db": "", "native.so": "no library"})
    assert sorted(used.files) == ["native.so", "rows.db", "rows.db-wal"]


def test_a_library_of_the_system_is_no_file_of_the_project(run: Run) -> None:
    source = """
import ctypes
def step():
    try: ctypes.CDLL("libnvidia-ml.so.1")
    except OSError: return None
"""
    assert run(source).files == {}


def test_a_link_that_is_set_to_another_file_is_seen(run: Run) -> None:
    write(run.folder, {"a/x.txt": "1", "b/x.txt": "2"})
    (run.folder / "now").symlink_to("a")
    run("def step(): return open('now/x.txt').read()")
    (run.folder / "now").unlink()
    (run.folder / "now").symlink_to("b")
    assert run.changes() == ["now/x.txt"]


def test_code_behind_a_link_is_the_projects(run: Run) -> None:
    write(run.folder.parent / "beside", {"helper.py": "def get(): return 1"})
    (run.folder / "lib").symlink_to(run.folder.parent / "beside")
    run("from lib.helper import get\ndef step(): return get()")
    write(run.folder.parent / "beside", {"helper.py": "def get(): return 2"})
    assert run.changes() == ["lib/helper.py: get()"]


def test_an_editable_install_beside_the_project_is_the_projects(run: Run) -> None:
    beside = run.folder.parent / "beside"
    write(beside, {"src/helper/__init__.py": "def get(): return 1", "site/beside.pth": f"{beside}/src\n"})
    run(f"import site\nsite.addsitedir({str(beside / 'site')!r})\nimport helper\ndef step(): return helper.get()")
    write(beside, {"src/helper/__init__.py": "def get(): return 2"})
    assert [each.partition("helper/")[2] for each in run.changes()] == ["__init__.py: get()"]


def test_a_function_that_is_compiled_from_its_bytecode_is_left_as_it_is(run: Run) -> None:
    source = """
import types
def njit(fn): return types.FunctionType(fn.__code__, {}, fn.__name__)
@njit
def get(): return 1
def step(): return get()
"""
    run(source)
    write(run.folder, {"steps.py": source.replace("return 1", "return 2")})
    assert "steps.py: get()" in run.changes()


def test_code_that_is_loaded_while_a_step_runs_counts(run: Run) -> None:
    source = "import importlib\ndef step(): return importlib.import_module('late').get()"
    run(source, {"late.py": "def get(): return 1\ndef other(): return 1"})
    write(run.folder, {"late.py": "def get(): return 1\ndef other(): return 2"})
    assert run.changes() == []
    write(run.folder, {"late.py": "def get(): return 2"})
    assert "late.py: get()" in run.changes()


POOLS = {
    method: f"""
import multiprocessing
from helper import get
def step():
    with multiprocessing.get_context({method!r}).Pool(2) as pool: return pool.map(get, [1, 2])
"""
    for method in ("fork", "spawn", "forkserver")
} | {
    "joblib": """
import joblib
from helper import get
from joblib.externals.loky import get_reusable_executor
def step():
    found = joblib.Parallel(2)(joblib.delayed(get)(n) for n in [1, 2])
    get_reusable_executor().shutdown()
    return found
"""
}


@pytest.mark.parametrize("pool", POOLS)
def test_what_a_pool_of_processes_uses_is_seen(run: Run, pool: str) -> None:
    source = POOLS[pool]
    files = {
        "helper.py": "def get(n):\n    import late\n    return late.x(), open('a.txt').read()",
        "late.py": "def x(): pass",
        "a.txt": "1",
    }
    assert run(source, files).files.keys() >= {"a.txt"}
    for name, text in {"a.txt": "2", "late.py": "def x(): return 1", "helper.py": "def get(n): return 2"}.items():
        write(run.folder, {**files, name: text})
        assert run.changes()[0].startswith(name)
        write(run.folder, files)
        assert run.changes() == []


@pytest.mark.parametrize("pickler", ["cloudpickle", "dill"])
def test_code_that_is_sent_by_value_counts_and_runs_where_nobody_looks(run: Run, pickler: str) -> None:
    source = f"""
import pickle, subprocess, sys
import {pickler}
def outer(n):
    def inner(x): return (lambda y: y + n + 1)(x)
    return inner
def step():
    sent = {pickler}.dumps([outer(1), lambda x: x + 2])
    there = "import pickle, sys; print([each(5) for each in pickle.load(sys.stdin.buffer)])"
    return subprocess.run([sys.executable, "-c", there], input=sent, capture_output=True, check=True).stdout
"""
    run(source)
    assert run.seen.result == repr(b"[7, 7]\n")
    for before, after, reason in (("n + 1", "n + 2", "outer.inner()"), ("x + 2", "x + 3", "step()")):
        write(run.folder, {"steps.py": source.replace(before, after)})
        assert f"steps.py: {reason}" in run.changes()
    write(run.folder, {"steps.py": source})
    assert run.changes() == []


def test_the_log_of_a_killed_process_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    lines = [
        ["ran", "/p/steps.py", ["step", 0], None],
        ["file", "/p/a.txt", "1", None],
        ["file", "/p/b.txt", None, ["/p/steps.py", 1]],
    ]
    text = "\n".join(json.dumps(line) for line in lines)
    (tmp_path / "log").write_text(text + '\n["file", "/p/c.t')
    found = read_log(tmp_path / "log")
    assert found == Events(ran={("/p/steps.py", "step", 0)}, files={"/p/a.txt": "1", "/p/b.txt": None})
    (tmp_path / "log").write_text(text + '\n["file", "/p/a.txt", "2", null]\nnull\n[]\n')
    assert read_log(tmp_path / "log").changed == {"/p/a.txt"}
    assert read_log(tmp_path / "nowhere") == Events()


def test_what_an_install_has_left_in_the_project_counts_only_where_its_own_code_asks(run: Run) -> None:
    files = {"own.egg-info/PKG-INFO": "Name: own\nVersion: 1\n", "own.egg-info/entry_points.txt": "[own]\na = b:c\n"}
    used = run("from pydantic.plugin import _loader\ndef step(): return list(_loader.get_plugins())", files)
    assert not [path for path in used.files if "egg-info" in path]
    used = run("from importlib.metadata import version\ndef step(): return version('own')", files)
    assert "own.egg-info/PKG-INFO" in used.files


def test_entry_points_of_an_editable_install_count_where_the_code_asks_and_wherever_it_is_installed(
    bare_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONUSERBASE", str(bare_project.parent / "base"))
    where = subprocess.run([sys.executable, "-m", "site", "--user-site"], capture_output=True, text=True).stdout.strip()
    for name, editable in ("own", "true"), ("theirs", "false"):
        told = f'{{"url": "file:///{name}", "dir_info": {{"editable": {editable}}}}}'
        files = {"METADATA": f"Name: {name}\nVersion: 1\n", "direct_url.json": told}
        write(Path(where, f"{name}-1.dist-info"), {**files, "entry_points.txt": "[plugs]\na = json:dumps\n"})
    steps = Steps(observed=True)
    monkeypatch.setattr(
        digests, "INSTALLED", (*digests.INSTALLED, where + os.sep)
    )  # as in a process that starts with this variable
    try:
        run = Run(bare_project, steps)
        used = run("""
import site, sys
from importlib.metadata import entry_points
sys.path.append(site.getusersitepackages())
def step(): return [each.value for each in entry_points(group='plugs')]
""")
        assert "the entry points of own" in used.env
        assert "the entry points of theirs" not in used.env
        assert not [path for path in used.files if "own-1" in path]
        write(Path(where, "own-1.dist-info"), {"entry_points.txt": "[plugs]\na = json:loads\n"})
        assert run.changes() == ["environment the entry points of own"]
    finally:
        steps.close()


def test_what_lies_beside_an_input_is_no_part_of_it() -> None:
    seen = observer()
    before = seen.root, seen.ignored
    seen.attend_to("/project/", ("/project/atoms/model", "/project/runs/train.json"))
    try:
        inside = ["/project/atoms/model", "/project/atoms/model/data/x.txt", "/project/runs/train.json"]
        beside = ["/project/atoms/model_2/data/x.txt", "/project/atoms/model.txt", "/project/runs/train.json.txt"]
        assert not any(seen.counts(path) for path in inside)
        assert all(seen.counts(path) for path in beside)
    finally:
        seen.attend_to(*before)


def test_what_is_executed_when_python_ends_is_not_looked_at(tmp_path: Path) -> None:
    source = """
import logging, sys
from motools.observe import observer
observer()
sys.kept = [*sys.modules.values()]  # their names are taken from all of them then, and handlers go one after the other
"""
    write(tmp_path, {"late.py": source})
    done = subprocess.run([sys.executable, "late.py"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
