"""What is shipped: dependencies that are all named, constraints that fit them, and an archive that lacks nothing."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
ABOUT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
NEEDED = {canonicalize_name(r.name): r for r in map(Requirement, ABOUT["dependencies"])}
OF_EXTRAS = {
    canonicalize_name(Requirement(line).name)
    for extra in ("tinker", "local", "report", "dask")
    for line in ABOUT["optional-dependencies"][extra]
}
"""What only who trains at Tinker, or on a GPU of their own, or wants charts in a report or a Dask cluster, has."""
OF_DVC = {"dvc-data", "configobj", "zc-lockfile", "platformdirs"}
"""What is DVC's own, and used here as DVC uses it."""
OF_OTHERS = {
    "huggingface-hub",
    "pandas",
    "pyarrow",
    "zipfile-zstd",
    "zstandard",
    "httpx",
    "requests",
    "pydantic-core",
    "tiktoken",
    "anyio",
}
"""What datasets, Inspect, openai, pooch and pydantic bring."""


in_repository = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="an unpacked archive is no repository")


def imported() -> set[str]:
    """The top-level modules that any file of the packages imports, wherever in it."""
    found: set[str] = set()
    for path in [*(ROOT / "motools").rglob("*.py"), *(ROOT / "mozoo").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found.update(alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add(str(node.module).partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"motools", "mozoo"}


def test_every_package_that_is_imported_is_a_dependency() -> None:
    packages = metadata.packages_distributions()
    names = {module: {canonicalize_name(name) for name in packages.get(module, [module])} for module in imported()}
    missing = {module for module, known in names.items() if not known & {*NEEDED, *OF_EXTRAS, *OF_DVC, *OF_OTHERS}}
    assert not missing


def test_the_libraries_of_every_day_are_installed_with_the_package_and_not_by_an_extra() -> None:
    everyday = {"gitpython", "dvc", "pyyaml", "pydantic", "openai", "inspect-ai", "datasets", "rich"}
    assert everyday <= set(NEEDED)
    assert set(ABOUT["optional-dependencies"]) == {"dask", "dev", "local", "report", "tinker"}
    assert all(requirement.specifier for requirement in NEEDED.values()), "each has a floor"


def test_the_constraints_fit_the_dependencies_and_name_each_of_them() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").split()
    pinned = {canonicalize_name(line.partition("==")[0]): line.partition("==")[2] for line in lines}
    extras = [
        line for extra in ABOUT["optional-dependencies"].values() for line in extra if not line.startswith("motools[")
    ]
    for requirement in map(Requirement, [*ABOUT["dependencies"], *extras]):
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)]), requirement


def test_no_message_names_an_extra_of_a_package_that_others_may_have_published() -> None:
    files = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("mo*/**/*.py"), *ROOT.glob("examples/*")]
    assert [path for path in files if "motools[" in path.read_text(encoding="utf-8")] == []


def test_both_packages_say_that_they_are_typed() -> None:
    assert (ROOT / "motools" / "py.typed").exists()
    assert (ROOT / "mozoo" / "py.typed").exists()


@in_repository
def test_the_source_archive_is_told_of_everything_at_the_top_of_the_repository() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    tops = {path.partition("/")[0] for path in listed.splitlines()}
    manifest = (ROOT / "MANIFEST.in").read_text(encoding="utf-8")
    told = set(re.findall(r"[\w.]+", " ".join(re.findall(r"^(?:graft|include) (.+)$", manifest, re.MULTILINE))))
    by_setuptools = {"LICENSE", "README.md", "pyproject.toml", "MANIFEST.in", "motools", "mozoo"}
    assert {top for top in tops if not top.startswith(".")} <= told | by_setuptools


@in_repository
def test_dvc_looks_at_the_pipeline_of_this_repository_and_not_at_the_tests_files() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "status"], cwd=ROOT, capture_output=True, text=True, timeout=300, check=True
    )
    assert "tests/" not in done.stdout
