"""The warm workers of a run: one server for each set of modules that steps want to have imported."""

from __future__ import annotations

import atexit
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any

from motools.execution.workers import WarmExecutor

if TYPE_CHECKING:  # a server is started before this process imports what it needs itself
    from motools.engine.elsewhere import Elsewhere

__all__ = ["Workers", "start_ahead"]

_STEPS = ("motools.execution.run_step",)
_COMMANDS = ("motools.engine.custom_stage", "dvc.repo", "dvc.stage.run")
_ahead: list[WarmExecutor] = []


def start_ahead() -> None:
    """Start a server before it is known what else it must import; the first of a run that needs one takes it."""
    _ahead.append(WarmExecutor(_STEPS))
    atexit.register(_give_up)  # a run that was refused: whoever reads its output does not wait for the server


def _give_up() -> None:
    while _ahead:
        _ahead.pop().abandon()


class Workers:
    """Where the stages of a run are executed.

    Args:
        executor: where steps go instead.
        elsewhere: the executors of other machines that some steps run on.
    """

    def __init__(self, executor: Executor | None = None, elsewhere: Elsewhere | None = None) -> None:
        self._given = executor
        self._elsewhere = elsewhere
        self._servers: dict[Any, WarmExecutor] = {}
        self._practised: set[WarmExecutor] = set()
        self._renewed = 0

    def for_steps(self, modules: Sequence[str], load: Callable[..., Any], *arguments: Any) -> Executor:
        """An executor whose processes have imported modules and called a function, as the code is now."""
        return self._given or self._server((*_STEPS, *modules), (load, arguments))

    def for_rehearsals(self, modules: Sequence[str], load: Callable[..., Any], *arguments: Any) -> Executor:
        """The same, and always of this machine: each of its tasks has a process to itself."""
        return self._server((*_STEPS, *modules), (load, arguments))

    def for_commands(self) -> Executor:
        """One of this machine, whose processes run commands as DVC does."""
        return self._server(_COMMANDS, None)

    def _server(self, modules: Sequence[str], warm: tuple[Callable[..., Any], tuple[Any, ...]] | None) -> WarmExecutor:
        what = (modules, warm, self._renewed if warm else 0)
        if what not in self._servers and warm and _ahead:
            self._servers[what] = _ahead.pop()
            self._servers[what].warm_up(modules, warm)
        elif what not in self._servers:
            self._servers[what] = WarmExecutor(modules, warm)
        return self._servers[what]

    def renew(self) -> None:
        """Give none of the servers to steps from now on: what they have imported may have been written anew."""
        self._renewed += 1
        if self._elsewhere is not None:
            self._elsewhere.renew()

    def practise(self, call: Callable[..., Any], *arguments: Any) -> None:
        """Have each server that steps are executed by call a function, once, before it serves what comes after that."""
        for (_, warm, _), server in self._servers.items():
            if warm is not None and server not in self._practised:
                self._practised.add(server)
                server.warm_up((), (call, arguments))

    def kill(self, word: signal.Signals) -> None:
        for server in self._servers.values():
            server.kill(word)
        if self._elsewhere is not None:
            self._elsewhere.let_go()

    def close(self) -> None:
        """End them, and what runs in them."""
        for server in self._servers.values():
            server.shutdown(cancel_futures=True)
        self._servers.clear()
        if self._elsewhere is not None:
            self._elsewhere.close()
        _give_up()
