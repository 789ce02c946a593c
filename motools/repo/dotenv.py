"""The project's `.env`: keys for commands that run steps or talk to a provider, read by the command line only."""

from __future__ import annotations

import os
from pathlib import Path

from motools.base import trusted_hosts
from motools.errors import ProjectError
from motools.repo.project import Project

__all__ = ["load_env"]


def load_env(root: Path) -> None:
    """Set what the `.env` in the project's root says and what is not set already; nothing where there is none.

    Raises:
        ProjectError: the file cannot be read; or git or DVC brought it, and it would send keys to hosts that are not
            the person's own.
    """
    path = root / ".env"
    if not path.is_file():
        return
    from dotenv import load_dotenv
    from dotenv.main import DotEnv

    try:
        if (keeper := Project(root).keeper(path)) is not None:
            said = DotEnv(path, override=False, encoding="utf-8").dict()
            _check(
                f"{path}, which {keeper} keeps,",
                {name: value for name, value in said.items() if value and name not in os.environ},
            )
        load_dotenv(path, override=False)
    except (OSError, ValueError) as error:
        raise ProjectError(f"{path} cannot be read: {error}.") from None


def _check(where: str, new: dict[str, str]) -> None:
    for name in filter(trusted_hosts.moves, new):
        raise ProjectError(
            f"{where} sets {name}, by which others could have your keys sent to them. "
            "Set it in your own environment, or not at all."
        )
    if why := trusted_hosts.refusal(new, where):
        raise ProjectError(why)
