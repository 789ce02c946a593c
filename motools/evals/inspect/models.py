"""The models of an evaluation: how Inspect reaches them, and the clients that are made of them."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from motools.base import trusted_hosts
from motools.base.too_many_requests import is_hopeless
from motools.errors import BackendError, DamagedError, StepError
from motools.evals.api_keys import OWN
from motools.evals.inspect.answers import attend
from motools.evals.options import GENERATION, GPU, TRAINED, role_model, role_options

if TYPE_CHECKING:
    from inspect_ai.model import GenerateConfig, Model, ModelOutput

    from motools.atom.atom import ModelAtom

__all__ = [
    "STAND_IN",
    "generate_config",
    "is_far",
    "let_go",
    "make_current",
    "make_model",
    "no_dotenv",
    "one_line",
    "refuse_dummy",
    "refuse_remote_code",
    "stand_in",
    "way_to",
]

STAND_IN = "mockllm/model"
_DOTENV_OFF = "PYTHON_DOTENV_DISABLED"  # python-dotenv's own


def way_to(atom: ModelAtom) -> tuple[str, dict[str, Any]]:
    """The name under which Inspect reaches a model, and the arguments of its provider.

    Raises:
        BackendError: the atom names a model that no provider of Inspect's can have, or a host that is not the
            person's own.
        DamagedError: it names a file that it does not have.
    """
    reach = atom.metadata.get("inspect") or {}
    parts = (reach, *(reach.get(part) or {} for part in ("model_args", "model_paths"))) if reach else ()
    if not all(isinstance(part, Mapping) for part in parts):
        raise DamagedError(f"The metadata of {atom.id} does not say how to reach it: inspect is {reach!r:.80}.")
    name = str(reach.get("model") or atom.get_model_id())
    refuse_dummy(name)
    if "/" not in name:
        raise BackendError(
            f"The model {name!r} of {atom.id} does not say who serves it. Inspect wants the provider first, "
            f"such as openai/{name}: put it into the model's metadata, under inspect.model."
        )
    args = dict(reach.get("model_args") or {})
    if why := trusted_hosts.refusal(args, f"The model {atom.id}"):
        raise BackendError(why)
    for arg, relative in (reach.get("model_paths") or {}).items():
        path = atom.get_data_path() / (relative := str(relative))
        # By its parts, not resolved: with DVC's link types the files are links into its cache.
        if PurePosixPath(relative).is_absolute() or ".." in PurePosixPath(relative).parts or not path.is_file():
            raise DamagedError(f"The model {atom.id} names a file that it does not have: {relative}.")
        args[arg] = str(path.absolute())
    return name, args


def refuse_remote_code(which: str, args: Mapping[str, Any], kwargs: Mapping[str, Any]) -> None:
    """Code beside a model's weights is executed where the evaluation itself asks for it: who made the model, as an atom
    of others is, does not say it alone."""
    if args.get("trust_remote_code") and not (kwargs.get("model_args") or {}).get("trust_remote_code"):
        raise BackendError(
            f"{which} asks for trust_remote_code: that the code which lies beside its weights be executed. "
            "If you trust it, write eval_kwargs: {model_args: {trust_remote_code: true}}."
        )


def refuse_dummy(name: str) -> None:
    if name.startswith("dummy/"):
        raise BackendError(
            f"The model {name} was made by the dummy trainer, and no provider serves it. "
            "Set evaluate_model.backend_name to dummy, or train with tinylm."
        )


@contextmanager
def no_dotenv() -> Iterator[None]:
    """Keep Inspect from the `.env` files of the folders above: the command line has read the project's own."""
    before = os.environ.get(_DOTENV_OFF)
    os.environ[_DOTENV_OFF] = "1"
    try:
        yield
    finally:
        os.environ.pop(_DOTENV_OFF)
        if before is not None:
            os.environ[_DOTENV_OFF] = before


def make_current(
    reached: tuple[str, dict[str, Any]], options: Mapping[str, Any]
) -> tuple[list[Model], Any, dict[str, Any]]:
    """The model and those of the roles, made Inspect's current ones: a task may ask for them when it is made.

    Returns:
        The model, followed by the same model in roles; the roles; what generating is told.
    """
    import motools.evals.tinylm_provider  # noqa: F401  (registers tinylm where MOTools is not installed)
    from motools.evals.private import init_model_context, on_new_model, resolve_model_roles

    on_new_model(attend)  # before any is made
    (name, args), generation = reached, {option: options[option] for option in GENERATION if option in options}
    mine = [make_model(name, generate_config(generation), args)]
    made = {}
    for role, given in options.get("model_roles", {}).items():
        told = role_options(given)
        own_args = told.pop("model_args", {})
        if role_model(given) == TRAINED:
            made[role] = make_model(name, generate_config({**generation, **told}), {**args, **own_args})
            mine.append(made[role])
        else:
            made[role] = make_model(role_model(given), generate_config(told), own_args)
    roles = resolve_model_roles(made)
    init_model_context(mine[0], roles, generate_config(generation))
    return mine, roles, generation


def let_go(models: Iterable[Model]) -> None:
    """Free what models hold of a GPU, before another process may have it: a server ends, weights are dropped."""
    for model in models:
        if str(model).partition("/")[0] in GPU:
            with suppress(Exception):  # such as quantised weights, which go with the process
                weights: Any = getattr(model.api, "model", None)
                model.api.close()
                if hasattr(weights, "to"):
                    weights.to("meta")  # whoever still has them in hand, such as the thread that generates
    torch: Any = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


@contextmanager
def stand_in() -> Iterator[None]:
    """With a model that is none as Inspect's current one, for tasks that ask for it when they are made."""
    with no_dotenv():
        make_current((STAND_IN, {}), {})
        yield


def is_far(model: str) -> bool:
    """Whether a model's client can be made without loading the model, or asking where it is."""
    return model.partition("/")[0] not in (*OWN, "tinker")


def generate_config(options: Mapping[str, Any]) -> GenerateConfig:
    """Options of an answer; without reasoning there is nothing to sum up, which Inspect would find out by asking."""
    from inspect_ai.model import GenerateConfig

    summary = {"reasoning_summary": "none"} if options.get("reasoning_effort") == "none" else {}
    return GenerateConfig(**{**summary, **options})


def make_model(name: str, config: Any = None, model_args: Mapping[str, Any] | None = None) -> Model:
    """A model by its name; raises `StepError` where no provider has it."""
    from inspect_ai.model import GenerateConfig, get_model

    args = dict(model_args or {})
    if name.startswith("mockllm/"):
        args.setdefault("custom_outputs", _mock_output)
    try:
        model = get_model(name, config=config or GenerateConfig(), memoize=False, **args)
    except ValueError as error:
        raise StepError(f"Inspect cannot reach the model {name}: {one_line(error)}") from error
    retried = model.api.should_retry
    # Inspect would ask an account without money again and again, as it does one that is asked too often.
    model.api.should_retry = lambda ex: False if is_hopeless(ex) else retried(ex)  # type: ignore[method-assign]
    return model


def _mock_output(*call: Any) -> ModelOutput:
    """What mockllm says anyway, with a count of tokens, which it would else download a vocabulary to make."""
    from inspect_ai.model import ModelOutput, ModelUsage

    output = ModelOutput.from_content("mockllm/model", "Default output from mockllm/model")
    output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
    return output


def one_line(message: Any) -> str:
    """One line of a message that Inspect made for a terminal."""
    plain = re.sub(r"\[/?[a-z]*\]", "", str(message))
    return " ".join(plain.split()).removeprefix("ERROR: ").removeprefix("Error: ")
