"""What stands in place of `python`, `motools` and `dvc` (see warm.py): it imports little, to start in a blink."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import _socket
import marshal
import os
import sys

_STEPS = ("motools.execution.worker_server", "motools.execution.one_step")
_MODULES = ("motools", "dvc", *_STEPS)


def main(place: str, python: str) -> None:
    """Have a fork of the server execute the words, and end as it ends; or else be the Python of that path."""
    name, words = os.path.basename(sys.argv[0]), sys.argv[1:]
    if name != "python":
        words = [os.path.join(os.path.dirname(python), name), *words]
    if not _is_alike(words, place):
        paths = os.environ["PATH"].split(os.pathsep)
        os.environ["PATH"] = os.pathsep.join(path for path in paths if path != place)
        os.execv(python, [python, *words])
    opened = [fd for fd in map(int, os.listdir("/dev/fd")) if _is_passed(fd)]
    mask = os.umask(0)
    os.umask(mask)
    message = marshal.dumps((words, os.getcwd(), dict(os.environ), opened, mask))
    handles = b"".join(fd.to_bytes(4, sys.byteorder) for fd in opened)
    stream = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    stream.connect(f"{place}/{_server(words)}.socket")
    stream.sendmsg([len(message).to_bytes(8, "big")], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, handles)])
    stream.sendall(message)
    passed_on = [number for number in (_signal.SIGINT, _signal.SIGTERM) if _signal.getsignal(number) != _signal.SIG_IGN]
    for number in passed_on:
        _signal.signal(number, lambda number, _: stream.send(bytes([number])))
    status = int(stream.recv(16) or 1 << 8)
    for number in passed_on:
        _signal.signal(number, _signal.SIG_DFL)
    if os.WIFSIGNALED(status):
        os.kill(os.getpid(), os.WTERMSIG(status))
    os._exit(os.waitstatus_to_exitcode(status))


def variables(env: os._Environ[str] | dict[str, str] = os.environ) -> dict[str, str]:
    """What Python reads when it starts, and a fork of another cannot take over."""
    alike = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
    own = {name: value for name, value in env.items() if name.startswith(("PYTHON", "LC_", "LANG"))}
    return {name: value for name, value in own.items() if name not in alike}


def _is_alike(words: list[str], place: str) -> bool:
    """Whether a fork does what Python would."""
    with open(f"{place}/variables", "rb") as file:
        if marshal.load(file) != variables():
            return False
    words = _without_flags(words)
    kind = words[0] if words else ""
    if kind == "-m":
        return len(words) > 1 and words[1] in _MODULES
    return not kind.startswith("-") or kind in ("-", "-c")


def _without_flags(words: list[str]) -> list[str]:
    """Without those that a fork can follow."""
    return _without_flags(words[1:]) if words[:1] in (["-P"], ["-u"]) else words


def _server(words: list[str]) -> str:
    """Which of warm.py's servers: those with modules of ours only where these modules would be found."""
    kind, *rest = _without_flags(words)
    if "PYTHONPATH" in os.environ or os.path.exists("motools"):
        return "python"
    if kind == "-m" and rest[0] in _STEPS:
        return "workers"
    is_ours = rest[:1] == ["motools"] if kind == "-m" else os.path.basename(kind) == "motools"
    return "command_line" if is_ours else "python"


def _is_passed(fd: int) -> bool:
    try:
        return os.get_inheritable(fd)
    except OSError:
        return False
