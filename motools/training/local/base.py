"""The model that a training begins with: one of the Hugging Face Hub at a fixed revision, or a folder."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from motools.definition.context import working_folder
from motools.errors import BackendError, ProjectError, StepError
from motools.repo.hashing import hash_folder
from motools.repo.project import Project

__all__ = ["Base"]

_PINNED = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)@(?P<revision>[0-9a-f]{40})")
_REPO = re.compile(r"[\w.-]+/[\w.-]+(@.*)?")


@dataclass(frozen=True)
class Base:
    """A base model that is the same for ever.

    Attributes:
        name: of the Hub, or a folder: from the project's root where it lies in the project, else its whole path.
        revision: of the Hub, as 40 hex digits; None for a folder.
    """

    name: str
    revision: str | None = None

    @classmethod
    def of(cls, model: str, folder: Path | None = None) -> Base:
        """What a config names, read from the pipeline's folder.

        Raises:
            BackendError: it is neither a folder with a model in it nor a name with a revision.
        """
        for path in (_absolute(model, folder or working_folder()), _absolute(model, _root(folder))):
            if path.is_dir():
                if missing := next(
                    (n for n in ("config.json", "tokenizer_config.json") if not (path / n).is_file()), 0
                ):
                    raise BackendError(f"The folder {model} has no {missing}, so it holds no model with a tokenizer.")
                root = _root(folder)
                inside = path.is_relative_to(root)
                return cls(path.relative_to(root).as_posix() if inside else str(path))
        if pinned := _PINNED.fullmatch(model):
            return cls(pinned["repo"], pinned["revision"])
        if _REPO.fullmatch(model) and not model.startswith(("./", "../", "tinylm/", "dummy/", "openai/", "tinker/")):
            raise BackendError(
                f"The model {model} may be another tomorrow: write the revision that you mean behind it, "
                f"{model.partition('@')[0]}@ and the 40 hex digits of a commit, which its page on the Hub shows."
            )
        raise BackendError(
            "model must name a model of the Hugging Face Hub with its revision, such as Qwen/Qwen3-0.6B@<40 hex "
            f"digits>, or a folder that holds one, not {model!r}."
        )

    @property
    def source(self) -> str:
        """What the libraries load it by."""
        return self.name if self.revision else str(_absolute(self.name, _root(None)))

    @property
    def how(self) -> dict[str, Any]:
        """With which arguments: nothing of what lies beside the weights is executed, and nothing is unpickled."""
        return {"revision": self.revision} if self.revision else {"local_files_only": True}

    def content(self) -> str | None:
        """The MD5 of a folder, as DVC makes it; a revision of the Hub is its own content.

        Raises:
            StepError: the folder is not there.
        """
        if self.revision:
            return None
        folder = Path(self.source)
        if not folder.is_dir():
            raise StepError(f"The base model {self.name} is not here: put its folder at {folder}.")
        return hash_folder(folder)[0].md5.removesuffix(".dir")

    def tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        with self.told("tokenizer"):
            return AutoTokenizer.from_pretrained(self.source, **self.how)

    def config(self) -> Any:
        from transformers import AutoConfig

        with self.told("config"):
            return AutoConfig.from_pretrained(self.source, **self.how)

    def model(self, dtype: Any) -> Any:
        from transformers import AutoModelForCausalLM
        from transformers.utils import logging

        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        with self.told("weights"):
            return AutoModelForCausalLM.from_pretrained(self.source, dtype=dtype, use_safetensors=True, **self.how)

    def told(self, what: str) -> _Told:
        return _Told(self, what)


@dataclass(frozen=True)
class _Told:
    """An error of the libraries as a sentence that names the model."""

    base: Base
    what: str

    def __enter__(self) -> None:
        import torch

        # In a fork of a process that has computed, the first use makes PyTorch's pool of threads anew, and fails in
        # one of several threads that do so at once, as those that load weights.
        torch.set_num_threads(torch.get_num_threads())

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, (OSError, ValueError, ImportError, RuntimeError, KeyError)):
            at = f"{self.base.name}@{self.base.revision}" if self.base.revision else self.base.name
            why = " ".join(str(error).split())
            raise StepError(f"The {self.what} of the base model {at} cannot be loaded: {why:.600}") from error


def _absolute(path: str, folder: Path) -> Path:
    return Path(os.path.abspath(folder / os.path.expanduser(path)))


def _root(folder: Path | None) -> Path:
    try:
        return Project.find(folder or working_folder()).root
    except ProjectError:
        return folder or working_folder()
