"""The one place where errors end: a sentence on standard error, an exit code, and never a traceback.

What nobody foresaw leaves a report, a file to be sent to those who can mend it.
"""

from __future__ import annotations

import errno
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from motools.base.files import in_words
from motools.errors import MotoolsError

__all__ = ["UNFORESEEN", "guarded", "write_report"]

UNFORESEEN = 70
"""The exit code of what nobody foresaw: EX_SOFTWARE of sysexits.h."""
_BY_HAND = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.EIO}
"""What the machine refuses is for its owner to mend: a sentence will do."""
_TOLD = ("motools", "dvc", "dvc-data", "inspect_ai", "openai", "datasets", "pydantic", "typer", "rich", "numpy")


@contextmanager
def guarded() -> Iterator[None]:
    """End the process in an orderly way, whatever is raised inside."""
    _open_closed()
    with suppress(AttributeError, ValueError):  # a stream that somebody has put in the place of Python's
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        yield
    except MotoolsError as error:
        _end(str(error), error.exit_code)
    except KeyboardInterrupt:
        _end("Interrupted.", 130)
    except BrokenPipeError:  # who read the output has left: `motools atoms list | head`
        with suppress(OSError, ValueError):
            sys.stdout.close()
        raise SystemExit(1) from None
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _BY_HAND:
            _end(f"{in_words(error)}.", 1)
        if isinstance(error, OSError) and _was_typed(error):
            _end(f"{in_words(error)}. Give another path.", 2)
        if isinstance(error, FileNotFoundError) and _is_nowhere():
            _end("The folder that you are in is gone: go to one that is there.", 2)
        _end(_told(error, write_report(error)), UNFORESEEN)


def _open_closed() -> None:
    """A stream that was closed (`>&-`) would be the next file that is opened, and what is printed would go into it."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            stream = open(os.devnull, "w" if number else "r")  # noqa: SIM115
            os.set_inheritable(stream.fileno(), True)  # by what is started from here, too
            setattr(sys, name, stream)


def _was_typed(error: OSError) -> bool:
    """Whether what the system refuses is a path of the command line, or a part of one."""
    path = error.filename2 or error.filename
    parts = {part for word in sys.argv[1:] for part in re.split("[=:@/]", word)} - {"", ".", ".."}
    return isinstance(path, str) and os.path.basename(os.path.normpath(path)) in parts


def _is_nowhere() -> bool:
    try:
        return not os.getcwd()
    except FileNotFoundError:
        return True


def _end(sentence: str, code: int) -> None:
    from motools.base.foreign_text import visible
    from motools.base.secrets import redact

    with suppress(OSError, ValueError):
        sys.stdout.flush()
    print(visible(f"Error: {redact(sentence)}"), file=sys.stderr)
    raise SystemExit(code) from None


def _told(error: BaseException, report: Path | None) -> str:
    where = f"A report is in {report}: please send it to those who maintain MOTools." if report else "See --help."
    return f"MOTools met what it did not foresee, {_short(error)}. {where} What has finished is kept."


def _short(error: BaseException) -> str:
    said = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".:")
    return said if len(said) <= 200 else said[:197] + "..."


def write_report(error: BaseException) -> Path | None:
    """Keep what is needed to find a fault, without secrets: in the project, outside one with the temporary files.

    Returns:
        The file; None where none can be written.
    """
    import platform
    import tempfile
    import traceback

    from motools.base.secrets import redact

    lines = [
        f"command: {' '.join(['motools', *sys.argv[1:]])}",
        f"when: {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}",
        f"python: {platform.python_version()} on {platform.platform()}",
        f"packages: {', '.join(_versions())}",
        "",
        "".join(traceback.format_exception(error)),
    ]
    text = redact("\n".join(lines))
    for folder in _folders():
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            name = time.strftime("motools-%Y%m%d-%H%M%S-")
            with tempfile.NamedTemporaryFile(
                "w", encoding="utf-8", errors="backslashreplace", dir=folder, prefix=name, suffix=".txt", delete=False
            ) as file:
                file.write(text)
            return Path(file.name)
    return None


def _folders() -> Iterator[Path]:
    with suppress(OSError):  # the current folder is gone
        here = Path.cwd()
        root = next((folder for folder in (here, *here.parents) if (folder / ".dvc").is_dir()), None)
        if root is not None:
            yield root / ".motools" / "crashes"
    import tempfile

    yield Path(tempfile.gettempdir())


def _versions() -> Iterator[str]:
    from importlib import metadata

    for name in _TOLD:
        with suppress(metadata.PackageNotFoundError):
            yield f"{name} {metadata.version(name)}"
