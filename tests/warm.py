"""A warm Python: a process that has imported the libraries, and forks for each command that a test starts.

To import DVC, Inspect and openai takes seconds, and the tests start thousands of processes. So `sys.executable` and the
commands `python`, `motools` and `dvc` on PATH are small programs in the tests (warm_client.py), which hand their words,
folder, environment and open files to this server and end as its fork ends. In the fork everything runs for real, and
from its first line. No module of MOTools is imported beforehand, but for the command line and for the workers, which
have servers of their own (`OURS`).

A client passes SIGINT and SIGTERM on, and when it is killed, so is its fork, a moment later: who waits for the end of
what they print has waited for both. A test that measures, limits or looks at a process, or kills it to the instant,
starts `COLD` instead, or has the mark `cold`. The client itself starts it where a fork would not be alike: for other
options and variables of Python's. `pytest --cold` does without forks.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import importlib.metadata
import io
import itertools
import marshal
import os
import runpy
import selectors
import shutil
import signal
import site
import socket
import subprocess
import sys
import tempfile
import threading
import time
import types
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

COLD = sys.executable
"""Python itself."""
PROGRAMS = ("python", "motools", "dvc")
LIBRARIES = (
    "IPython", "anyio._backends._asyncio", "configobj", "dulwich.client", "dulwich.index",
    "dvc._debug", "dvc.analytics", "dvc.cachemgr", "dvc.cli.parser", "dvc.commands.data_sync", "dvc.commands.status",
    "dvc.render.match", "dvc.repo", "dvc.repo.brancher", "dvc.repo.graph", "dvc.repo.metrics.show",
    "dvc.repo.params.diff", "dvc.repo.reproduce", "dvc.repo.trie", "dvc.repo.worktree", "dvc.ui.table",
    "dvc.utils.strictyaml", "dvc_data.hashfile.db.index", "dvc_data.index.checkout", "dvc_data.index.fetch",
    "dvc_data.index.push", "fsspec.implementations.memory", "git", "inspect_ai", "inspect_ai.agent._acp.server",
    "inspect_ai.hooks", "inspect_ai.log", "inspect_ai.model", "inspect_ai.scorer", "inspect_ai._eval.eval", "networkx",
    "numpy", "openai", "inspect_ai.model._providers.openai", "openai.resources.chat", "openai.resources.fine_tuning",
    "pooch", "psutil", "pydantic", "rich.console", "rich.json", "rich.markdown", "rich.table", "ruamel.yaml",
    "scmrepo.git.backend.dulwich", "symtable", "typer", "typer._adapters", "typer._click.decorators", "yaml",
    "zc.lockfile",
)  # fmt: skip

OURS = {
    "command_line": (
        "motools.cli.app", "motools.atom.lineage", "motools.engine.checks", "motools.engine.new_project",
        "motools.engine.progress", "motools.engine.results_table", "motools.engine.run",
        "motools.evals.inspect.evaluator", "motools.executors.registry", "motools.repo.claims",
        "motools.report.collect", "motools.statistics", "motools.steps", "motools.training.tinylm",
        "motools.workflow", "motools.zoo.checks",
    ),
    "workers": (
        "motools.execution.run_step", "motools.compiler.find_workflow", "motools.engine.state",
        "motools.evals.inspect.logs", "motools.evals.inspect.evaluator", "motools.steps", "motools.training.examples",
        "motools.training.tinylm", "motools.workflow", "motools.zoo.checks", "mozoo.tasks.registered",
    ),
}  # fmt: skip
"""Servers that have imported modules of ours too: what each would import in its first tenths of a second."""
STEPS = (
    "encodings.cp437", "fsspec.implementations.chained", "httpcore2", "inspect_ai._control.config_record",
    "inspect_ai._control.scoring", "inspect_ai.agent._acp._client_registry", "inspect_ai.agent._acp.transport_live",
    "inspect_ai.hooks._startup", "inspect_ai.model._providers.mockllm", "inspect_ai.model._providers.none",
    "inspect_ai.model._providers.openai_compatible", "inspect_ai.solver._transcript", "jinja2.sandbox", "numpy.ma",
    "numpy.random", "numpy.typing", "openai.resources.chat.completions.completions", "peft", "rich._emoji_codes",
    "tinker", "tinker.resources", "torch", "transformers.dynamic_module_utils",
    "transformers.models.auto.tokenization_auto", "transformers.models.llama.modeling_llama", "truststore",
)  # fmt: skip
"""Libraries that only steps use: the workers' server alone imports them."""
SERVERS = ("python", *OURS)
ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"), "1")
"""Several tests run at once on few cores, and a process with threads cannot be forked safely."""

_running: list[tuple[subprocess.Popen[bytes], Path]] = []


@functools.cache
def start() -> Path:
    """Start the server; returns the folder of its programs. It imports meanwhile, and goes when this process does."""
    from warm_client import variables

    place = Path(tempfile.mkdtemp(prefix="warm-", dir="/tmp"))  # a socket's path must be short
    program = f"#!{COLD} -IS\nimport sys\nsys.path.insert(0, {str(Path(__file__).parent)!r})\n"
    program += f"from warm_client import main\nmain({str(place)!r}, {COLD!r})\n"
    for name in PROGRAMS:
        (place / name).write_text(program)
        (place / name).chmod(0o755)
    # As the fixture `own_surroundings` leaves them for what is started.
    unset = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PYTHONHASHSEED")
    env = {name: value for name, value in os.environ.items() if name not in unset} | ONE_THREAD
    (place / "variables").write_bytes(marshal.dumps(variables(env)))
    # Asked for by what is imported; with the last, PyTorch does not touch a GPU, which no fork could use then.
    env |= {"HF_HOME": f"{place}/hub", "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1", "PYTORCH_NVML_BASED_CUDA_CHECK": "1"}
    listeners = [socket.socket(socket.AF_UNIX) for _ in SERVERS]
    for name, listener in zip(SERVERS, listeners, strict=True):
        listener.bind(f"{place}/{name}.socket")
        listener.listen(64)
    handles = [listener.fileno() for listener in listeners]
    words = [COLD, "-P", __file__, str(place), *map(str, handles)]
    server = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, pass_fds=handles, env=env)
    _running.append((server, place))
    for listener in listeners:
        listener.close()
    return place


@functools.cache
def wait(place: Path) -> Path:
    """Wait until the server of a folder is ready, however slow the machine: a test's limits are for what it starts."""
    with socket.socket(socket.AF_UNIX) as nobody:
        nobody.connect(f"{place}/python.socket")
        nobody.shutdown(socket.SHUT_WR)
        nobody.recv(1)
    return place


def stop() -> None:
    """End the server, if this process has started one."""
    for server, place in _running:
        server.communicate()
        shutil.rmtree(place)


# -- in the server -----------------------------------------------------------------


def _serve(place: str, handles: list[int]) -> None:
    gc.disable()  # nothing that is imported goes
    _remember_distributions()  # before Inspect takes the function by its name
    _import(*LIBRARIES)
    draw_no_code()
    assert "motools" not in sys.modules
    importlib.import_module("inspect_ai.model").get_model_info("openai/gpt-4o")  # it reads of all models, and keeps it
    sys.executable = f"{place}/python"
    listeners = {name: socket.socket(fileno=handle) for name, handle in zip(SERVERS, handles, strict=True)}
    gc.collect()
    gc.freeze()
    gc.enable()
    for name, modules in OURS.items():
        if not os.fork():
            _import(*(STEPS if name == "workers" else ()))
            for module in modules:
                importlib.import_module(module)
            _look_at_all_modules()
            gc.freeze()
            _listen(listeners[name])
            return
    _listen(listeners["python"])


def _remember_distributions() -> None:
    """Ask `importlib.metadata` once for the distributions of all importable names: each evaluation would ask anew."""
    ask, known = importlib.metadata.packages_distributions, list(sys.path)
    found = ask()

    def answer() -> Mapping[str, list[str]]:
        others = [entry for entry in sys.path if entry not in known]
        if len(sys.path) - len(others) < len(known) or any(importlib.metadata.distributions(path=others)):
            return ask()
        return found

    importlib.metadata.packages_distributions = answer


def draw_no_code() -> None:
    """Have rich leave out the code of what was called when something failed: Inspect has it draw that, whether anybody
    sees it or not, and for each place all of a file is read and coloured, which takes a second."""
    from rich.traceback import Traceback

    make = Traceback.__init__

    def made(self: Traceback, *args: Any, **named: Any) -> None:
        make(self, *args, **{**named, "suppress": ["/"]})

    Traceback.__init__ = made  # type: ignore[method-assign]


def _import(*libraries: str) -> None:
    for library in libraries:
        with suppress(ImportError):  # other versions of it do without, or it is not installed
            importlib.import_module(library)


def _look_at_all_modules() -> None:
    """Have whose code each module is looked up: there are a few hundred where a run has imported what it needs, and
    thousands here."""
    from motools.code.loading import names_of_projects
    from motools.engine.snapshot import loaded_files
    from motools.execution import observation
    from motools.observe import hooks

    observation._project_modules()
    for look in (names_of_projects, hooks.carriers, loaded_files):
        look()


def _listen(listener: socket.socket) -> None:
    """Do what clients ask for, each in a fork."""
    woken, waking = socket.socketpair()
    waking.setblocking(False)
    signal.set_wakeup_fd(waking.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    clients: dict[int, socket.socket] = {}  # by the process that does its work
    selector = selectors.DefaultSelector()
    for source in (0, listener, woken):
        selector.register(source, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj == 0:
                return  # who has started this is gone
            if key.fileobj is listener:
                client = listener.accept()[0]
                if pid := _fork(client):
                    clients[pid] = client
                    selector.register(client, selectors.EVENT_READ, pid)
                else:
                    client.close()
            elif key.fileobj is woken:
                woken.recv(4096)
            else:
                os.kill(key.data, _signal_of(clients[key.data], selector))
        for pid in list(clients):
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                client = clients.pop(pid)
                with suppress(KeyError):
                    selector.unregister(client)
                with suppress(OSError):
                    client.send(str(status).encode())
                client.close()


def _signal_of(client: socket.socket, selector: selectors.BaseSelector) -> int:
    """The signal that a client passes on to its work; where it was killed, so is that."""
    with suppress(ConnectionError):
        if said := client.recv(1):
            return said[0]
    selector.unregister(client)
    return signal.SIGKILL


def _fork(client: socket.socket) -> int:
    """Start what does a client's work; returns its process, 0 where the client has gone."""
    head, opened, *_ = socket.recv_fds(client, 8, 250)
    data = b""
    while (left := int.from_bytes(head, "big") - len(data)) > 0:
        if not (part := client.recv(left)):
            return 0
        data += part
    pid = os.fork() if data else 0
    if pid or not data:
        for fd in opened:
            os.close(fd)
        return pid
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    words, folder, environment, numbers, mask = marshal.loads(data)
    kept = [os.dup2(fd, 1000 + number, inheritable=False) for number, fd in enumerate(opened)]
    os.closerange(0, 1000)
    for fd, number in zip(kept, numbers, strict=True):
        os.dup2(fd, number)
    os.closerange(1000, 1000 + len(kept))
    os.umask(mask)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None
    before = {name: getattr(sys, name) for name in ("stdin", "stdout", "stderr")}  # kept, since they close their files
    for number, (name, old) in enumerate(before.items()):
        buffering, mode = (1 if name == "stderr" else -1), ("w" if number else "r")
        new = open(number, mode, buffering, old.encoding, old.errors, closefd=False)  # noqa: SIM115
        setattr(sys, name, new)
        setattr(sys, f"__{name}__", new)
    _be_python(words)


def _be_python(words: list[str]) -> NoReturn:
    """Do what Python does with its words, to its end."""
    status = 0
    try:
        try:
            _execute(*words)
        except SystemExit as left:
            if not isinstance(left.code, int | None):
                print(left.code, file=sys.stderr)
                left.code = 1
            status = (left.code or 0) & 0xFF
        except BaseException as error:
            sys.excepthook(type(error), error, error.__traceback__)
            status = 1
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            with suppress(ValueError):  # it is closed
                stream.flush()
    except OSError:
        status = 120
    finally:
        os._exit(status)


def _execute(*given: str) -> None:
    flags = list(itertools.takewhile(("-P", "-u").__contains__, given))
    kind, *words = given[len(flags) :]
    is_safe = "-P" in flags
    if "-u" in flags:
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            raw = open(stream.fileno(), "wb", 0, closefd=False)  # noqa: SIM115
            setattr(sys, name, io.TextIOWrapper(raw, stream.encoding, stream.errors, write_through=True))
    if paths := os.environ.get("PYTHONPATH"):
        sys.path[:0] = paths.split(os.pathsep)
        sys.modules.pop("sitecustomize", None)
        site.execsitecustomize()  # type: ignore[attr-defined]
    if snapshot := sys.modules.get("motools.engine.snapshot"):
        snapshot.STARTED = time.time_ns()  # type: ignore[attr-defined]  # it counts from its import
    sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    if kind == "-m":
        sys.argv = ["-m", *words[1:]]
        sys.path[:0] = [] if is_safe else [os.getcwd()]
        runpy._run_module_as_main(words[0])  # type: ignore[attr-defined]
        return
    if kind == "-c":
        code, name, first, sys.argv = words[0], "<string>", "", ["-c", *words[1:]]
    elif kind == "-":
        code, name, first, sys.argv = sys.stdin.read(), "<stdin>", "", ["-", *words]
    else:
        code, name, first, sys.argv = (
            Path(kind).read_text("utf-8"),
            kind,
            str(Path(kind).resolve().parent),
            [kind, *words],
        )
        main.__file__ = kind
    sys.path[:0] = [] if is_safe else [first]
    exec(compile(code, name, "exec", dont_inherit=True), main.__dict__)


if __name__ == "__main__":
    _serve(sys.argv[1], [int(word) for word in sys.argv[2:]])
