"""The project's `.env`: keys for commands that run steps or talk to a provider, read by the command line only."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from motools.base import trusted_hosts
from motools.errors import ProjectError

__all__ = ["load_env"]


def load_env(root: Path) -> None:
    """Set what the `.env` in the project's root says and what is not set already; nothing where there is none.

    Raises:
        ProjectError: the file cannot be read; or git brought it, and it would send keys to hosts that are not the
            person's own.
    """
    path = root / ".env"
    if not path.is_file():
        return
    from dotenv import load_dotenv
    from dotenv.main import DotEnv

    try:
        if _is_in_git(root):
            said = DotEnv(path, override=False, encoding="utf-8").dict()
            _check(path, {name: value for name, value in said.items() if value and name not in os.environ})
        load_dotenv(path, override=False)
    except (OSError, ValueError) as error:
        raise ProjectError(f"{path} cannot be read: {error}.") from None


def _check(path: Path, new: dict[str, str]) -> None:
    for name in trusted_hosts.MOVING:
        if name in new:
            raise ProjectError(
                f"{path}, which git keeps, sets {name}, by which others could have your keys sent to them. "
                "Set it in your own environment, or not at all."
            )
    if why := trusted_hosts.refusal(new, f"{path}, which git keeps,"):
        raise ProjectError(why)


def _is_in_git(root: Path) -> bool:
    """Whether git could have brought the file; one that it does not keep is the person's own."""
    words = ["git", "-C", str(root), "ls-files", "--", ":(icase).env"]
    done = subprocess.run(words, capture_output=True, check=False)
    return done.returncode != 0 or bool(done.stdout.strip())
