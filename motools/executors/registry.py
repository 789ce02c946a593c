"""Executors by the names that motools.yaml gives them: their kinds found, their settings checked, and made."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import typing
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

from motools.base import trusted_hosts
from motools.base.configs import StepConfig, parse
from motools.errors import ConfigError, did_you_mean, listed
from motools.repo.project import Project
from motools.repo.settings import FILE, HERE, Settings

__all__ = ["Chosen", "choose", "imported", "kinds"]

GROUP = "motools.executors"
_OURS = ("kind", "shared_files", "jobs", "repository")


@dataclass
class _Common(StepConfig):
    """What every executor takes, whatever its kind."""

    kind: str
    shared_files: bool = True
    jobs: int | None = None
    repository: str | None = None


@dataclass(frozen=True)
class Chosen:
    """An executor as motools.yaml has it; nothing is started yet.

    Attributes:
        shared_files: whether its machines see this project's folder and its cache under the same paths; else they
            clone the repository, and results go by way of the DVC remote.
        jobs: how many steps may be there at once; None: as many as are ready.
        repository: where its machines fetch the repository from, in place of git's remote.
        start: makes the executor. Raises `ConfigError` where what it needs is not installed or cannot be reached.
    """

    name: str
    kind: str
    shared_files: bool
    jobs: int | None
    repository: str | None
    start: Callable[[], Executor]


def kinds() -> dict[str, str]:
    """The kinds that installed packages publish: name -> `module:function`."""
    from importlib.metadata import entry_points

    return {point.name: point.value for point in entry_points(group=GROUP)}


def choose(settings: Settings, name: str, project: Project, origin: str) -> Chosen:
    """An executor by its name in motools.yaml, or a kind by its own, with nothing set.

    Args:
        origin: who names it, for messages: `--on`, or a key of motools.yaml.

    Raises:
        ConfigError: there is none of that name or kind, or a setting that its kind does not take; or git or DVC brought
            motools.yaml, and it names a host that is not the person's own.
    """
    about, where = settings.executors.get(name), f"{FILE}: executors.{name}"
    if about is None:
        if name not in kinds() and ":" not in name:
            names = [*settings.executors, *(kind for kind in sorted(kinds()) if kind not in settings.executors), HERE]
            raise ConfigError(
                f"{origin}: there is no executor {name!r}.{did_you_mean(name, names)} Known: {listed(names)}. "
                f"Others are set up in {FILE}, under executors."
            )
        about, where = {"kind": name}, origin
    elif (why := _refusal(about, project, name)) is not None:
        raise ConfigError(why)
    common: _Common = parse(_Common, {key: about[key] for key in _OURS if key in about}, where)
    if common.jobs is not None and common.jobs < 1:
        raise ConfigError(f"{where}.jobs must be 1 or more, not {common.jobs}.")
    factory = _factory(common.kind, where)
    takes = inspect.signature(factory).parameters
    options = _checked(factory, {key: value for key, value in about.items() if key not in _OURS}, where)
    given = {"project": project} if "project" in takes else {}

    def start() -> Executor:
        executor = factory(**given, **options)
        if not isinstance(executor, Executor):
            raise ConfigError(f"{where}: {common.kind} gave {executor!r}, which is no concurrent.futures.Executor.")
        return executor

    return Chosen(name, common.kind, common.shared_files, common.jobs, common.repository, start)


def imported(settings: Settings) -> list[str]:
    """The modules that `run_on` leads to and no installed package publishes as a kind, each of which is imported."""
    used = (settings.executors.get(name, {"kind": name})["kind"] for name in settings.run_on.values())
    return [*dict.fromkeys(kind.partition(":")[0] for kind in used if ":" in kind and kind not in kinds())]


def _refusal(about: Mapping[str, Any], project: Project, name: str) -> str | None:
    """Why the hosts that motools.yaml names are not followed: work would be sent to whom the person has not chosen."""
    told = {key: value for key, value in about.items() if key != "kind"}
    repository = str(told.get("repository") or "")
    if ":" in repository.partition("/")[0] and not repository.startswith("file:///"):  # git@host:path too
        rest = repository.partition("://")[2] or repository.replace(":", "/", 1)
        told["repository"] = "ssh://" + rest.partition("/")[0].rpartition("@")[2]
    path = project.root / FILE
    why = trusted_hosts.refusal_of_work({"executors": {name: told}}, f"{path}, which git keeps,")
    keeper = project.keeper(path) if why is not None else None
    return why.replace("which git keeps", f"which {keeper} keeps", 1) if why and keeper else None


def _factory(kind: str, where: str) -> Callable[..., Any]:
    by_kind = kinds()
    module, colon, function = by_kind.get(kind, kind).partition(":")
    if not colon:
        raise ConfigError(
            f"{where}.kind: there is no executor {kind!r}.{did_you_mean(kind, by_kind)} "
            f"Known: {listed(sorted(by_kind))}, and any module:function that gives a concurrent.futures.Executor."
        )
    try:
        factory = getattr(importlib.import_module(module), function)
    except ImportError as error:
        raise ConfigError(f"{where}.kind: {kind!r} cannot be imported: {error}.") from error
    except AttributeError:
        raise ConfigError(f"{where}.kind: the module {module} has no {function!r}.") from None
    if not callable(factory):
        raise ConfigError(f"{where}.kind: {kind!r} is {factory!r}, which cannot be called.")
    return factory  # type: ignore[no-any-return]


def _checked(factory: Callable[..., Any], options: Mapping[str, Any], where: str) -> dict[str, Any]:
    """What a factory is called with; each option of the type that its parameter says."""
    takes = {name: each for name, each in inspect.signature(factory).parameters.items() if name != "project"}
    if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in takes.values()):
        return dict(options)
    try:
        hints = typing.get_type_hints(factory)
    except (NameError, TypeError):  # a class without annotations, or names that only a type checker has
        hints = {}
    fields = [
        (name, hints.get(name, Any), dataclasses.field(default=each.default))
        if each.default is not inspect.Parameter.empty
        else (name, hints.get(name, Any))
        for name, each in takes.items()
        if each.kind is not inspect.Parameter.VAR_POSITIONAL
    ]
    options_class = dataclasses.make_dataclass("Options", fields, bases=(StepConfig,), kw_only=True)
    parsed = parse(options_class, options, where)
    return {name: getattr(parsed, name) for name in options}
