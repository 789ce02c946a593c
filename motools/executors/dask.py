"""Steps on the workers of a Dask cluster: one that an address names, or one of this machine's processes."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from contextlib import suppress
from importlib.util import find_spec
from threading import Event, Thread
from typing import Any

from motools.base.foreign_text import visible
from motools.errors import ConfigError, MotoolsError, listed
from motools.executors import environment
from motools.executors.environment import Environment
from motools.executors.job import Answer, Job

__all__ = ["DaskExecutor", "dask"]

_PATIENCE = 30.0  # seconds for a scheduler to answer
_START = 300.0  # seconds for the processes of this machine to start
_ALONE = 300.0  # seconds without any worker after which steps that wait are told of, or a cluster of our own ends
_LOOK = 1.0  # seconds between looks at whether there are any
_LOSSES = 10  # times that the worker under a step may be lost before the step has failed, on a cluster of our own


def dask(address: str | None = None, workers: int | None = None) -> Executor:
    """The executor of a Dask cluster.

    Args:
        address: of its scheduler, such as `tcp://10.0.0.5:8786`; None: a cluster on this machine, for this run.
        workers: how many processes that one has; None: one a core.

    Raises:
        ConfigError: `dask.distributed` is not installed, or nobody answers.
    """
    if find_spec("distributed") is None:
        raise ConfigError("The executor dask needs dask.distributed, which is not installed: pip install distributed")
    if address is not None and workers is not None:
        raise ConfigError(
            "The executor dask: workers is for a cluster on this machine; the one at address has its own."
        )
    if workers is not None and workers < 1:
        raise ConfigError(f"The executor dask: workers must be 1 or more, not {workers}.")
    return DaskExecutor(address, workers or os.cpu_count() or 1)


class DaskExecutor(Executor):
    """Sends jobs to the workers of a cluster, each at most once: what fails is not tried again, and what two runs ask
    for in one state of the code is done for both."""

    def __init__(self, address: str | None, workers: int) -> None:
        import distributed
        from dask import config

        logging.getLogger("distributed").setLevel(logging.CRITICAL)  # of workers that come and go: the run tells
        if address is None:
            config.set({"distributed.scheduler.allowed-failures": _LOSSES, "distributed.comm.timeouts.connect": _START})
        self.address = address
        self._cluster: Any = None
        try:
            if address is None:
                start: Any = distributed.LocalCluster
                self._cluster = start(
                    n_workers=workers,
                    threads_per_worker=1,
                    host="127.0.0.1",
                    dashboard_address="127.0.0.1:0",
                    memory_limit=None,  # steps run in processes beside the worker's
                    silence_logs=logging.CRITICAL,
                    security=True if find_spec("cryptography") else None,  # else any user of this machine could join
                )
            wait = _PATIENCE if address else _START
            connect: Any = distributed.Client
            self._client: Any = connect(self._cluster or address, timeout=wait, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            if self._cluster is not None:
                self._cluster.close()
            raise ConfigError(
                f"The Dask scheduler {address or 'of this machine'} does not answer ({str(error).rstrip('.')}). Start "
                "it with `dask scheduler`, or mend its address in motools.yaml."
            ) from error
        self._pool: Executor = self._client.get_executor(pure=False, retries=0)  # type: ignore[no-untyped-call]
        self._ended = Event()
        self._waiting: set[Future[Answer]] = set()
        self._seen: list[dict[str, float]] = []  # what workers have declared; one that has gone may come back
        Thread(target=self._look_after_workers, daemon=True).start()

    def environments(self) -> Sequence[Environment]:
        """What the workers have installed, one for each that there is now.

        Raises:
            ConfigError: they cannot import MOTools.
        """
        if self._cluster is not None:
            self._client.wait_for_workers(1, timeout=_START)
        told = self._client.run(environment.here, on_error="return").values()
        for error in told:
            if isinstance(error, ImportError):
                raise ConfigError(f"The workers of {self.address} lack MOTools ({error}). Install it there.") from error
            if isinstance(error, Exception) and not isinstance(error, OSError):  # that one is a worker that is lost
                raise error
        return [each for each in told if isinstance(each, Environment)]

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Have a worker call a function. That of a job answers with an error where its worker or its scheduler is
        lost; raises `ConfigError` where it needs what no worker has."""
        if not (args and isinstance(args[0], Job)):
            return self._pool.submit(fn, *args, **kwargs)
        job = args[0]
        theirs = self._pool.submit(
            fn, *args, key=f"{job.step}-{job.key}-{job.state}", resources=self._resources(job), **kwargs
        )
        ours: Future[Answer] = Future()
        self._waiting.add(ours)
        ours.add_done_callback(self._waiting.discard)
        theirs.add_done_callback(lambda done: _pass_on(done, ours, job, self.address))
        ours.add_done_callback(lambda done: theirs.cancel() if done.cancelled() else None)
        return ours

    def _resources(self, job: Job) -> dict[str, float]:
        """What a job needs, of what workers declare or have declared. Where there is no worker yet, all may come."""
        needs = {"GPU": job.resources.gpu, "MEMORY": job.resources.memory_bytes, "CORES": job.resources.cores}
        wanted = {name: float(value) for name, value in needs.items() if value}
        if not wanted:
            return {}
        for each in self._client.scheduler_info(n_workers=-1)["workers"].values():
            if (resources := each.get("resources", {})) not in self._seen:
                self._seen.append(resources)
        workers = self._seen
        declared = {name for each in workers for name in each}
        wanted = {name: value for name, value in wanted.items() if name == "GPU" or name in declared}
        if workers and not any(all(each.get(name, 0) >= wanted[name] for name in wanted) for each in workers):
            told = " ".join(f"{name}={value:.15g}" for name, value in wanted.items())
            theirs = {" ".join(f"{name}={value:.15g}" for name, value in sorted(each.items())) for each in workers}
            raise ConfigError(
                f"The step {job.step!r} needs {told}, and no worker of {self.address or 'this machine'} declares as "
                f"much (they say {listed(sorted(theirs - {''}))}). Start one with: dask worker ADDRESS "
                f'--resources "{told}"'
            )
        return wanted

    def _look_after_workers(self) -> None:
        """Where there has been no worker for long: end a cluster of this machine, since Dask gives up starting them
        after a few, and steps would wait for ever; say it of one at an address, whose workers a queue or somebody may
        bring back, so that a run which has been waited for is not lost."""
        since, told = time.monotonic(), False
        while not self._ended.wait(_LOOK):
            workers = None
            with suppress(Exception):  # it is ending
                if workers := self._client.scheduler_info(n_workers=1)["workers"]:
                    since, told = time.monotonic(), False
            if time.monotonic() - since <= _ALONE:
                continue
            if self._cluster is not None:
                self._cluster.close(timeout=_PATIENCE)
                return
            if workers is not None and self._waiting and not told:
                sentence = (
                    f"The Dask scheduler {self.address} has had no worker for {_ALONE / 60:.3g} min, and steps wait "
                    f"for one. Start one with `dask worker {self.address}`, or end the run with Ctrl-C: what has "
                    "finished is kept."
                )
                print(visible(sentence), file=sys.stderr)
                told = True

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leave the cluster; one on this machine ends, and what its workers are at."""
        self._ended.set()
        for each in (self._client, self._cluster):
            with suppress(Exception):  # it has gone already
                if each is not None:
                    each.close(timeout=10)


def _pass_on(theirs: Future[Answer], ours: Future[Answer], job: Job, address: str | None) -> None:
    with suppress(Exception):  # nobody waits for it any more
        if theirs.cancelled():
            ours.set_exception(
                MotoolsError(
                    f"The Dask scheduler {address or 'of this machine'} has let go of the step, or has gone. What its "
                    "worker finishes is kept; `motools run` goes on from there."
                )
            )
        elif (error := theirs.exception()) is None:
            ours.set_result(theirs.result())
        elif type(error).__name__ == "KilledWorker":
            ours.set_exception(
                MotoolsError(
                    f"The workers under the step {job.step!r} were lost, one after the other. If it needs more memory "
                    "than they have, give them more; `motools run` tries again."
                )
            )
        else:
            ours.set_exception(error)
