"""Executors by name: what motools.yaml says of one is what its kind is made with, once it is started."""

from __future__ import annotations

import functools
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from motools.base import trusted_hosts
from motools.errors import ConfigError
from motools.executors.registry import Chosen, choose
from motools.repo.project import Project
from motools.repo.settings import Settings

if TYPE_CHECKING:
    from nosuch_types import Count

THREADS = "concurrent.futures:ThreadPoolExecutor"


class Given(Executor):
    """One that keeps what it was made with."""

    def __init__(self, *positional: Any, **options: Any) -> None:
        self.positional, self.options = positional, options


def plain(project: Project, *more: int, workers: int = 1, queue: str) -> Given:
    return Given(*more, project=project, workers=workers, queue=queue)


def in_order(workers: int = 1, *, queue: str) -> Given:
    return Given(workers=workers, queue=queue)


def hidden(workers: Count = 1) -> Given:
    return Given(workers=workers)


bound = functools.partial(in_order, queue="long")
nothing = 3


def chosen(**about: Any) -> Chosen:
    about["kind"] = f"{__name__}:{about['kind']}" if ":" not in about["kind"] else about["kind"]
    return choose(Settings(executors={"a": about}), "a", Project(Path("/nowhere")), "--on")


def given(**about: Any) -> dict[str, Any]:
    started = chosen(**about).start()
    assert isinstance(started, Given)
    assert started.positional == ()
    return started.options


def test_an_executor_is_what_motools_yaml_has_of_it() -> None:
    trusted_hosts.allow("host")
    found = chosen(kind=THREADS, max_workers=2, shared_files=False, jobs=1, repository="git@host:x")
    assert (found.name, found.kind, found.shared_files, found.jobs) == ("a", THREADS, False, 1)
    assert found.repository == "git@host:x"
    started = found.start()
    assert isinstance(started, ThreadPoolExecutor)
    assert started._max_workers == 2


@pytest.mark.parametrize("name", ["dask", THREADS])
def test_a_kind_can_be_named_in_place_of_an_executor(name: str) -> None:
    found = choose(Settings(), name, Project(Path("/nowhere")), "--on")
    assert (found.name, found.kind, found.shared_files, found.jobs, found.repository) == (name, name, True, None, None)
    with pytest.raises(ConfigError, match=r"^--on\.kind: 'os:sep' is '/', which cannot be called\.$"):
        choose(Settings(), "os:sep", Project(Path("/nowhere")), "--on")


def test_what_can_be_named_is_told_once() -> None:
    settings = Settings(executors={"slurm": {"kind": "slurm"}, "pool": {"kind": THREADS}})
    with pytest.raises(ConfigError, match=r"there is no executor 'x'\. Known: slurm, pool, dask, here\."):
        choose(settings, "x", Project(Path("/nowhere")), "--on")


def test_a_kind_gets_the_options_that_are_set_and_the_project_where_it_takes_one() -> None:
    assert given(kind="plain", queue="q") == {"project": Project(Path("/nowhere")), "workers": 1, "queue": "q"}
    assert given(kind="in_order", queue="q", workers=2) == {"workers": 2, "queue": "q"}
    assert given(kind="bound", workers=2) == {"workers": 2, "queue": "long"}


def test_a_kind_that_takes_any_option_gets_them_as_they_are() -> None:
    assert given(kind="Given", what="x", jobs=3) == {"what": "x"}


@pytest.mark.parametrize("kind", ["hidden", "bound"])
def test_options_whose_types_cannot_be_known_are_checked_by_name_alone(kind: str) -> None:
    assert given(kind=kind, workers="many")["workers"] == "many"
    with pytest.raises(ConfigError, match=r"executors\.a\.wokers: unknown key\. Did you mean 'workers'\?"):
        chosen(kind=kind, wokers=2)


@pytest.mark.parametrize(
    ("about", "told"),
    [
        ({"kind": "plain"}, r"executors\.a\.queue: missing"),
        ({"kind": "plain", "queue": "q", "more": 1}, r"executors\.a\.more: unknown key"),
        ({"kind": "plain", "queue": "q", "project": "x"}, r"executors\.a\.project: unknown key"),
        ({"kind": "nothing"}, r"executors\.a\.kind: .*is 3, which cannot be called"),
        ({"kind": THREADS, "jobs": 0}, r"executors\.a\.jobs must be 1 or more, not 0\."),
        ({"kind": THREADS, "jobs": "two"}, r"executors\.a\.jobs"),
    ],
)
def test_what_a_kind_does_not_take_is_refused(about: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        chosen(**about)
