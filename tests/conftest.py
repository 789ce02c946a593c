"""Fixtures of all tests: a real git and DVC project in a folder of its own, and nothing of the machine's."""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib.metadata
import multiprocessing.spawn  # noqa: F401  (it starts what sys.executable is when it is imported: no warm Python)
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any

import pytest
import sampling
import typer.main
import warm
from chain import forget_modules
from hypothesis import HealthCheck, settings

from motools.base import own_path

HERE = str(Path(__file__).parent)
ROOT = str(Path(__file__).parents[1])
# As a process has it that a test starts, so that what one has proven holds for the other.
own_path.OWN_PATH = tuple(each for each in sys.path if each not in ("", ROOT) and not each.startswith(HERE))
gc.disable()  # until all is imported and collected: until then nothing goes
# Inspect asks anew for every evaluation, and needs a quarter of a second to find out.
importlib.metadata.packages_distributions = functools.cache(importlib.metadata.packages_distributions)
# It makes the same commands of the same functions for each call of the command line within a process.
typer.main.get_command = functools.cache(typer.main.get_command)
warm.draw_no_code()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all", action="store_true", help="try out every case, where a spread sample of them would do")
    parser.addoption("--cold", action="store_true", help="start each process anew, not as a fork of a warm one")
    parser.addoption(
        "--installed", help="a folder with another `motools`, which is started, anew, in place of this one"
    )


def pytest_configure(config: pytest.Config) -> None:
    sampling.ALL = config.getoption("--all")
    settings.load_profile("any example" if sampling.ALL else "any machine")
    # Where some tests build: a run in this process would see its names change.
    sys.path[:] = [entry for entry in sys.path if entry not in ("", ROOT)]
    config.addinivalue_line("markers", "cold: processes are started anew, not as forks of a warm one (see warm.py)")
    config.addinivalue_line("markers", "long: takes many seconds, and is begun with")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in the background of a shell: it is inherited
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """All workers of a run have their forks of one warm Python."""
    gc.enable()  # it is they who collect
    if sys.platform == "linux" and not (node.config.option.cold or node.config.option.installed):
        node.workerinput["warm"] = str(warm.start())


def pytest_collection_finish() -> None:
    # what is garbage by now is little, and to look for it takes half a second in each worker
    gc.freeze()
    gc.enable()


def pytest_unconfigure() -> None:
    warm.stop()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each worker begins with its share of what takes long, so that none is at that when all the rest is done."""
    if (workers := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))) == 1:
        return
    long = [item for item in items if item.get_closest_marker("long")]
    rest = iter([item for item in items if not item.get_closest_marker("long")])
    shares = [long[number::workers] for number in range(workers)]
    left = len(items)
    for number, share in enumerate(shares):
        share.extend(
            islice(rest, max(0, left // (workers - number) - len(share)))
        )  # the tests that xdist gives it at first
        left -= len(share)
    items[:] = [item for share in shares for item in share] + list(rest)


# How long drawing examples takes says something of the machine, not of the code; and what one run finds, all find.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
settings.register_profile("any example", settings.get_profile("any machine"), derandomize=False)
settings.load_profile("any machine")


_numbers = count()


@pytest.fixture(autouse=True)
def own_surroundings(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No key, no configuration and no cache of the person who runs the tests; `motools` and `dvc` on PATH."""
    # A folder of their own, since for the number of each new folder pytest reads those of all that there are.
    home = tmp_path_factory.getbasetemp() / "homes" / str(next(_numbers))
    home.mkdir(parents=True)
    for name in list(os.environ):
        if name.endswith(("_API_KEY", "_BASE_URL")) or name.startswith(("MOTOOLS_", "INSPECT_", "GIT_")):
            monkeypatch.delenv(name)
    # With the first, every process would compile all of motools; the last is set, for good, by a cluster of Dask's.
    for name in ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PYTHONHASHSEED"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))  # what a test imports from is no other test's
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / ".cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(home / ".local"))
    monkeypatch.setenv("DVC_SYSTEM_CONFIG_DIR", str(home / "dvc-system"))
    monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(home / "dvc-global"))
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(home / "dvc-site"))
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    for name, value in warm.ONE_THREAD.items():
        monkeypatch.setenv(name, value)
    programs = request.config.getoption("--installed") or str(Path(sys.executable).parent)
    monkeypatch.setenv("PATH", programs + os.pathsep + os.environ["PATH"])
    for name, value in {"NAME": "Ada Test", "EMAIL": "ada@example.org"}.items():
        monkeypatch.setenv(f"GIT_AUTHOR_{name}", value)
        monkeypatch.setenv(f"GIT_COMMITTER_{name}", value)
    (home / "dvc-global").mkdir()
    (home / "dvc-global" / "config").write_text("[core]\n    check_update = false\n")  # it would start a process
    identity = "[user]\n name = Ada Test\n email = ada@example.org\n"
    (home / ".gitconfig").write_text(identity + "[init]\n defaultBranch = main\n")


@pytest.fixture(autouse=True)
def warm_python(own_surroundings: None, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """`python`, `motools`, `dvc` and `sys.executable` are forks of a process that has imported the libraries."""
    options = request.config.option
    is_cold = options.cold or options.installed or request.node.get_closest_marker("cold")
    if sys.platform == "linux" and not is_cold:  # elsewhere forks of processes with such libraries are fragile
        shared = getattr(request.config, "workerinput", {}).get("warm")
        programs = str(warm.wait(Path(shared) if shared else warm.start()))
        monkeypatch.setattr(sys, "executable", f"{programs}/python")
        monkeypatch.setenv("PATH", programs + os.pathsep + os.environ["PATH"])


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with git and DVC set up; made once and copied, since `dvc init` takes a second."""
    folder = tmp_path_factory.mktemp("template")
    env = {**os.environ, "DVC_NO_ANALYTICS": "1"}
    subprocess.run(["git", "init", "-q", "-b", "main"], cwd=folder, check=True, env=env)
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q"], cwd=folder, check=True, env=env)
    (folder / ".gitignore").write_text(".motools/\n__pycache__/\n")
    identity = ["-c", "user.name=Ada Test", "-c", "user.email=ada@example.org"]
    subprocess.run(["git", "add", "-A"], cwd=folder, check=True)
    subprocess.run(["git", *identity, "commit", "-q", "-m", "start"], cwd=folder, check=True)
    return folder


@pytest.fixture
def new_project(template: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Makes projects by name: real git and DVC folders with one commit."""
    import shutil

    def make(name: str) -> Path:
        return Path(shutil.copytree(template, tmp_path / name, symlinks=True))

    return make


@pytest.fixture
def project(new_project: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A real git and DVC folder with one commit; the current folder of the test."""
    folder = new_project("project")
    monkeypatch.chdir(folder)
    before, modules = list(sys.path), set(sys.modules)
    yield folder
    sys.path[:] = before
    for name in set(sys.modules) - modules:  # modules of this project must not be taken for the next one's
        origin = getattr(sys.modules[name], "__file__", None) or ""
        if origin.startswith(str(folder)):
            del sys.modules[name]


@pytest.fixture(scope="session")
def scenes() -> dict[Callable[[Path], object], Path]:
    """The projects that were made for `lay`, by the function that made each."""
    return {}


@pytest.fixture
def lay(
    project: Path,
    template: Path,
    tmp_path_factory: pytest.TempPathFactory,
    scenes: dict[Callable[[Path], object], Path],
) -> Callable[[Callable[[Path], object]], Path]:
    """Lays a scene into the project: a copy of what a function has made, once in a session, of a project like it."""
    import shutil

    def laid(make: Callable[[Path], object]) -> Path:
        if make not in scenes:
            folder = Path(shutil.copytree(template, tmp_path_factory.mktemp("scene") / "project", symlinks=True))
            with contextlib.chdir(folder):
                make(folder)
            forget_modules(folder)
            scenes[make] = folder
        shutil.rmtree(project / ".git")  # its objects cannot be written over
        return Path(shutil.copytree(scenes[make], project, symlinks=True, dirs_exist_ok=True))

    return laid


@pytest.fixture
def bare_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for a project where code is only read: no git, no DVC; the current folder of the test."""
    (tmp_path / "project" / ".dvc").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"
