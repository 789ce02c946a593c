"""The door to a server of Tinker's protocol: what lies there of a training, and a client to train with."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from motools.base.provider_environment import check_environment, lacking
from motools.errors import BackendError
from motools.repo.settings import TinkerSettings
from motools.training.tinker.hyperparameters import Hyperparameters
from motools.training.tinker.saved import KEY, MODEL, Save
from motools.training.tinker.wire import Line, Unable
from motools.training.tries import NotThere, Refusal

__all__ = ["Gone", "Server", "address", "check_access"]

DEFAULT_URL = "https://tinker.thinkingmachines.dev/services/tinker-prod"
PACKAGES = {"tinker": "'tinker>=0.38,<0.39'", "transformers": "'transformers>=5,<6'", "jinja2": "jinja2"}
"""Module -> what to type to have it."""
_CLOSING = 2.0
"""Seconds that a client is given to say goodbye."""


class Gone(Exception):
    """A state that was saved is no longer there."""


def check_access() -> None:
    """Refuse what no request could be sent with: a package or the key is missing, or a variable is odd.

    Raises:
        BackendError: with what to type.
    """
    for module, package in PACKAGES.items():
        if importlib.util.find_spec(module) is None:
            raise BackendError(f"Training with 'tinker' needs a package that is missing: pip install {package}.")
    key = os.environ.get("TINKER_API_KEY", "").strip()
    if not key:
        raise BackendError(f"Training with 'tinker' needs {lacking('TINKER_API_KEY')}")
    check_environment("TINKER")
    if not key.startswith(("tml-", "eyJ")):
        raise BackendError("TINKER_API_KEY is no key of Tinker's, which begin with tml-: copy it once more.")


def address() -> str:
    return (os.environ.get("TINKER_BASE_URL") or DEFAULT_URL).rstrip("/")


class Server:
    """Requests about trainings, and the clients that train.

    Attributes:
        account: twelve digits for where a training can be found again: the server and the project.
    """

    def __init__(self, settings: TinkerSettings) -> None:
        check_access()
        os.environ.setdefault("TINKER_TELEMETRY", "0")  # a person may want it; a library of theirs should not decide
        self.settings = settings
        self.name = urlsplit(address()).hostname or "?"
        about = f"{address()}\n{os.environ.get('TINKER_PROJECT_ID', '')}"
        self.account = hashlib.sha256(about.encode()).hexdigest()[:12]
        self.line = Line(self.name, settings)

    def longest(self, base: str) -> int | None:
        """How many tokens a model takes, where the server says it.

        Raises:
            Refusal: the server does not train it.
        """
        try:
            offered = self.line.ask("asking for the models", lambda: _rest().get_server_capabilities().result())
        except NotThere:
            return None  # not every server of the protocol tells
        trainable = {model.model_name: model for model in offered.supported_models if model.trainable is not False}
        if trainable and base not in trainable:
            names = ", ".join(sorted(filter(None, trainable)))
            raise Refusal(f"{self.name} trains no model {base!r}. It trains: {names}.")
        return trainable[base].max_context_length if trainable else None

    def saves(self, key: str) -> list[Save]:
        """What trainings with this key have saved, from whatever machine."""
        return self._marked({KEY: key})

    def named(self, model: str) -> list[Save]:
        """The same, by the model's name."""
        return self._marked({MODEL: model})

    def _marked(self, marks: Mapping[str, str]) -> list[Save]:
        ask = self.line.ask
        saves: list[Save] = []
        try:
            for session in ask("looking for what was saved", lambda: list(_sessions(marks))):
                told = ask("asking for a session", lambda id=session: _rest().get_session(id).result())  # type: ignore[misc]
                for run in told.training_run_ids:
                    listed = ask("asking for checkpoints", lambda id=run: _rest().list_checkpoints(id).result())  # type: ignore[misc]
                    for checkpoint in listed.checkpoints:
                        given = checkpoint.user_metadata or {}
                        if marks.items() <= given.items() and (save := Save.marked(checkpoint.tinker_path, given)):
                            saves.append(save)
        except NotThere:
            pass  # not every server of the protocol can search, and what is gone is not found
        return saves

    @contextmanager
    def client(
        self, base: str, chosen: Hyperparameters, state: Save | None, marks: dict[str, str], suffix: str | None
    ) -> Iterator[Any]:
        """A training client in a session of its own, new or as it was when a state was saved; let go of at the end.

        Raises:
            Gone: the state is not there any more.
            Refusal: the server does not train the model.
        """
        import tinker

        key = os.environ["TINKER_API_KEY"].strip()
        service = tinker.ServiceClient(user_metadata=marks, display_name=suffix, base_url=address(), api_key=key)
        # What is asked of it is still asked where it is let go of too early, and it must not end in the way of others.
        ended: Any = "errored"
        try:
            yield self._opened(service, base, chosen, state, marks)
            ended = "success"
        except KeyboardInterrupt:
            ended = "interrupted"
            raise
        finally:
            goodbye = threading.Thread(target=_close, args=(service, ended), daemon=True)
            goodbye.start()
            goodbye.join(_CLOSING)

    def _opened(
        self, service: Any, base: str, chosen: Hyperparameters, state: Save | None, marks: dict[str, str]
    ) -> Any:
        if state is not None:
            path = state.path
            self.line.ask("opening a session", lambda: service.holder)
            load = service.create_training_client_from_state_with_optimizer
            try:
                return self.line.ask("loading the state", lambda: load(path, user_metadata=marks).result())
            except (NotThere, Unable) as problem:
                raise Gone(f"the state {path} is not there any more: {problem}") from None
        self.line.ask("opening a session", lambda: service.holder)
        create = service.create_lora_training_client
        try:
            return self.line.ask(
                "creating the model",
                lambda: create(base, rank=chosen.rank, seed=chosen.seed, user_metadata=marks).result(),
            )
        except NotThere as problem:
            raise Refusal(f"{self.name} refused (404): {problem} Check the model, and TINKER_BASE_URL.") from None


def _close(service: Any, ended: Any) -> None:
    service.close(ended).result()


def _rest() -> Any:
    """A client without a session, of which the SDK makes one a process: while its first request is out, for a minute
    at most, others wait."""
    import tinker

    return tinker.RestClient(base_url=address(), api_key=os.environ["TINKER_API_KEY"].strip())


def _sessions(marks: Mapping[str, str]) -> Iterator[str]:
    from tinker.types import SessionSearchRequest

    request = SessionSearchRequest(user_metadata=dict(marks))
    while True:
        with warnings.catch_warnings(action="ignore"):  # that it is experimental
            page = _rest().search_sessions(request).result()
        yield from (session.session_id for session in page.sessions)
        if page.next_cursor is None:
            return
        request = request.model_copy(update={"cursor": page.next_cursor})
