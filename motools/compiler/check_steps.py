"""What is refused before anything starts: the same for `validate`, `status --check`, `--dry-run` and `run`."""

from __future__ import annotations

from collections.abc import Iterable

from motools.base.configs import parse
from motools.code.search_path import Place
from motools.compiler.compiled import Compiled
from motools.definition.context import working_in

__all__ = ["check_steps"]


def check_steps(compiled: Compiled, place: Place, names: Iterable[str]) -> None:
    """Let steps refuse the config that they would be executed with.

    That is what `compile_workflow` cannot know: a backend's hyperparameters and options, an entry that only a
    registry knows, a key that is not in the environment.

    Raises:
        UserError: with what the first of them refuses.
    """
    workflow = compiled.workflow
    with place.importable(), working_in(place.folder):  # where the steps themselves will run
        for name in names:
            workflow.refuse(name, lambda of: parse(workflow.step(of).config_class, compiled.config[of], of))
