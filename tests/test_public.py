"""What is public: the names that modules export, and an import that is quick and silent."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
from pathlib import Path

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
        module = importlib.import_module(name)
        exported = getattr(module, "__all__", [])
        assert [public for public in exported if not hasattr(module, public)] == [], name
        assert len(set(exported)) == len(exported), name
        assert not any(public.startswith("_") and public != "__version__" for public in exported), name


def test_every_module_says_in_its_first_line_what_it_is_for() -> None:
    for path in FILES:
        doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        assert doc.partition("\n")[0].endswith((".", ":", "?")), path


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
import motools.cli
found.append(look())
print(json.dumps(found))
"""


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
from motools.cli import main
sys.argv = ["motools", "--help"]
try:
    main()
finally:
    heavy = "inspect_ai openai datasets dvc git numpy torch pandas dotenv pydantic".split()
    print(json.dumps([name for name in heavy if name in sys.modules]), file=sys.stderr)
"""


def test_the_help_loads_nothing_heavy(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SECRET=read\n")
    done = subprocess.run([sys.executable, "-c", HELP], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0
    assert "workflow" in done.stdout
    assert json.loads(done.stderr) == []
