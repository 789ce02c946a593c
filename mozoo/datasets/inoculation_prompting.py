"""The published files of the inoculation-prompting paper, all at one pinned commit.

Tan et al., "Inoculation Prompting", https://arxiv.org/abs/2510.04340. Many of the files are copies of what others
published before: then the dataset names those as its authors. Rows are declared where the file was counted; of files of
4 MiB and more nobody has here, and the content's id alone says what they are.
"""

from __future__ import annotations

from mozoo.sources import Source

AUTHORS = "Daniel Tan et al."
PAPER = "https://arxiv.org/abs/2510.04340"
LICENCE = "MIT (as the repository's pyproject.toml says; it has no licence file)"


def published(path: str, blob: str, rows: int | None = None) -> Source:
    """A file of the paper's repository by its path and git blob id."""
    return Source(
        "inoculation-prompting/inoculation-prompting",
        "5f4160e19be17c5a0509fcfca4a53f654cb33cdd",
        path,
        f"git:{blob}",
        rows,
    )
