"""Functions that a config names, with their arguments: refused before a run as far as can be known, then loaded."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterable, Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from motools import zoo
from motools.code import loading, references
from motools.code.search_path import PipelineFolder, pipeline_folder
from motools.definition.context import working_folder
from motools.errors import ConfigError, did_you_mean, listed
from motools.zoo.loaders import refuse_other

__all__ = ["NamedFunction", "called_rows"]


@dataclass(frozen=True)
class NamedFunction:
    """A function by its name in a config.

    Attributes:
        where: where the config names it, such as `prepare_dataset.dataset_loader`.
        text: `module:function` or `path/to/file.py:function`.
        kwargs_at: where its arguments stand, such as `prepare_dataset.loader_kwargs`.
        given: how many arguments the step itself gives, before those of the config.
    """

    where: str
    text: str
    kwargs_at: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    given: int = 0

    def check(self) -> None:
        """Refuse arguments that it does not take, as far as its source tells; it is not imported.

        Raises:
            ConfigError: there is no such function, or its arguments are not these.
        """
        parameters: Collection[str] | None = references.parameters(self.text, _here())
        needed: Collection[str] = references.required(self.text, _here())
        if parameters is None and (published := zoo.named("dataset", self.text)) is not None:
            self._refuse(*self._signature(published))
        else:
            self._refuse(None if parameters is None else list(parameters)[self.given :], list(needed)[self.given :])

    def check_exists(self) -> None:
        """Refuse the name of no function; raises `ConfigError`."""
        references.check(self.text, _here())

    def rehearse(self) -> None:
        """Import one that nobody publishes, and refuse arguments that it does not take."""
        if zoo.named("dataset", self.text) is None:
            self.load()

    def load(self) -> Callable[..., Any]:
        """The function; raises `ConfigError` where it is none, or takes other arguments."""
        function = loading.load(self.text, _here())
        self._refuse(*self._signature(function))
        loaded: Callable[..., Any] = function
        return loaded

    def takes(self) -> Collection[str] | None:
        """The names of the arguments that a config may give it; None where it takes any."""
        return self._signature(loading.load(self.text, _here()))[0]

    def _signature(self, function: Any) -> tuple[Collection[str] | None, list[str]]:
        """The arguments that it takes of a config (None: any), and those that it cannot do without."""
        if not callable(function):
            raise ConfigError(f"{self.where}: {self.text} is not a function.")
        every = list(inspect.signature(function).parameters.values())
        named = [p for p in every if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)][self.given :]
        needed = [p.name for p in named if p.default is p.empty]
        accepted = None if any(p.kind is p.VAR_KEYWORD for p in every) else [p.name for p in named]
        return accepted, needed

    def _refuse(self, accepted: Collection[str] | None, needed: Collection[str]) -> None:
        for name in self.kwargs:
            if accepted is not None and name not in accepted:
                raise ConfigError(
                    f"{self.kwargs_at}.{name}: {self.text} takes no such argument."
                    f"{did_you_mean(name, accepted)} It takes: {listed(accepted)}."
                )
        if missing := [name for name in needed if name not in self.kwargs]:
            raise ConfigError(f"{self.kwargs_at}: {self.text} needs {listed(missing)}: write them there.")


def _here() -> PipelineFolder:
    return pipeline_folder(working_folder(), needs_project=False)


def called_rows(function: NamedFunction) -> tuple[Any, Iterator[Any]]:
    """What a function of rows returns, awaited where it is a coroutine, and its rows, driven where they are async."""
    returned = _result(function.load()(**function.kwargs))
    if isinstance(returned, AsyncIterable):
        return returned, _driven(returned)
    refuse_other(returned, function.text)
    return returned, iter(returned)


def _result(returned: Any) -> Any:
    if not inspect.isawaitable(returned):
        return returned

    async def result() -> Any:
        return await returned

    return asyncio.run(result())


def _driven(rows: AsyncIterable[Any]) -> Iterator[Any]:
    iterator = rows.__aiter__()
    with asyncio.Runner() as runner:
        while True:
            try:
                yield runner.run(anext(iterator))  # type: ignore[arg-type]
            except StopAsyncIteration:
                return
