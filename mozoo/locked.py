"""Zip files that their authors lock with a password that they publish, so that crawlers do not read them.

The form is that of the package `easy-dataset-share` (which is not needed here): 16 bytes of salt, then a token of
Fernet (AES-128 and HMAC), whose key is made of password and salt by PBKDF2-HMAC-SHA256 in 100,000 rounds. Nothing is
written unlocked to the disk: the cache has the file as it was published.
"""

from __future__ import annotations

import base64
import hashlib
import io
from dataclasses import dataclass, field
from pathlib import Path

from motools.errors import DamagedError, UserError
from mozoo.rows import Origin, Rows
from mozoo.sources import Member, fetch, unpacked

SALT, ROUNDS = 16, 100_000
NEEDED = "A locked dataset needs a package that is missing: pip install cryptography."


@dataclass(frozen=True)
class LockedMember(Member):
    """A JSONL file inside a locked zip file.

    Attributes:
        password: as its authors publish it.
    """

    password: str = field(kw_only=True)

    def read(self, cache_dir: str | Path | None = None, refresh: bool = False) -> Rows:
        """Every row, as published. Raises `FetchError`, `DamagedError`, and `UserError` where it has no such file."""
        file = fetch(self.packed, cache_dir, refresh)
        origin = self.packed.origin(file)
        lines = unpacked(io.BytesIO(unlocked(file, self.password)), self.path, self.packed.url, str(file))
        return Rows(lines, [Origin(self.url, origin.revision, origin.content)])


def unlocked(file: Path, password: str) -> bytes:
    """What a locked file has.

    Raises:
        DamagedError: the password does not open it, or it is none.
    """
    try:
        from cryptography.fernet import Fernet, InvalidToken
    except ImportError as error:
        raise UserError(NEEDED) from error
    content = file.read_bytes()
    key = hashlib.pbkdf2_hmac("sha256", password.encode(), content[:SALT], ROUNDS)
    try:
        return Fernet(base64.urlsafe_b64encode(key)).decrypt(content[SALT:])
    except InvalidToken as error:
        raise DamagedError(
            f"{file} does not open with the password of its authors: it is not the published file, or they have "
            "locked it anew. Load it with refresh_cache."
        ) from error
