"""What is shipped, built and tried out: `make check-package`.

The wheel and the source archive hold what they should; the wheel alone, installed into an empty environment, runs the
config of the documentation; `mypy --strict` finds the types of what is installed; the archive's tests are all there.

    python tests/check_package.py FOLDER    works in that folder, which is emptied
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCUMENTED = ROOT / "tests" / "zoo" / "test_gsm8k_config.py"


def run(*words: str | Path, where: Path = ROOT, **env: str) -> str:
    done = subprocess.run(words, cwd=where, env={**os.environ, **env}, text=True, stdout=subprocess.PIPE)
    assert done.returncode == 0, f"{words}: exit code {done.returncode}\n{done.stdout}"
    return done.stdout


def new_environment(folder: Path, *packages: str | Path) -> Path:
    """An environment with these packages and what they need; returns its Python."""
    venv.create(folder, with_pip=True)
    constraints = ROOT / "constraints.txt"
    run(
        folder / "bin/python", "-m", "pip", "install", "-q", "--disable-pip-version-check", "-c", constraints, *packages
    )
    return folder / "bin" / "python"


def tracked() -> set[str]:
    """What of the repository a release has: all but what only its forge reads."""
    return {path for path in run("git", "ls-files").splitlines() if not path.startswith(".")}


def collected(folder: Path, **env: str) -> list[str]:
    said = run(sys.executable, "-m", "pytest", "-qq", "--collect-only", "-p", "no:cacheprovider", where=folder, **env)
    return [line for line in said.splitlines() if "::" in line or re.search(r"\.py: \d+$", line)]


def check_wheel(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    ours = {path for path in tracked() if path.startswith(("motools/", "mozoo/"))}
    assert ours <= names, sorted(ours - names)
    about = {name for name in names if not name.partition("/")[0].endswith(".dist-info")}
    assert about == ours, sorted(about - ours)


def check_archive(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as file:
        file.extractall(folder, filter="data")
    (unpacked,) = folder.iterdir()
    there = {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*") if path.is_file()}
    assert tracked() <= there, sorted(tracked() - there)
    expected = collected(ROOT)
    assert len(expected) > 50
    assert collected(unpacked, PYTHONPATH=str(unpacked)) == expected


def check_installed(wheel: Path, folder: Path) -> None:
    python = new_environment(folder / "plain", wheel)
    run(python, "-m", "pip", "check", where=folder)
    where = run(python, "-c", "import motools, mozoo; print(motools.__file__, mozoo.__file__)", where=folder)
    assert all(Path(path).is_relative_to(folder / "plain") for path in where.split()), where
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={folder / 'pytest'}"]
    print(run(*words, f"--installed={python.parent}", "-k", "not tinker", DOCUMENTED).splitlines()[-1])
    examples = folder / "examples"
    examples.mkdir()
    for number, example in enumerate(sorted((ROOT / "examples").glob("*.py"))):
        shutil.copy(example, examples / f"example_{number}.py")
    options = ["--strict", "--python-executable", python, "--cache-dir", folder / "mypy", "--config-file", os.devnull]
    print(run(sys.executable, "-m", "mypy", *options, examples, where=folder).strip())


def main(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    source = folder / "source"  # a clean copy: what lies about in a checkout is not shipped
    for path in tracked():
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, source / path)
    run(new_environment(folder / "tools", "build"), "-m", "build", "-o", folder / "dist", source, where=folder)
    (wheel,), (archive,) = (folder / "dist").glob("*.whl"), (folder / "dist").glob("*.tar.gz")
    check_wheel(wheel)
    check_archive(archive, folder / "unpacked")
    check_installed(wheel, folder)
    print(f"{wheel.name} and {archive.name} hold and do what they should.")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
