"""The workers of a dask cluster, which somebody else has started: on other machines, or on this one."""

from __future__ import annotations

import ipaddress
import logging
import socket
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, TypeAlias, Union
from urllib.parse import urlsplit

import psutil

from stradiff.errors import OptionError
from stradiff.jobs.tasks import KILLED, Call, NewResults, Result, as_sentence, run_task

if TYPE_CHECKING:
    from distributed import Client

Scheduler: TypeAlias = Union[str, "Client"]  # an address, or a connection that is the caller's
ANSWER = 10.0  # seconds within which a scheduler answers
RETURN = 120.0  # seconds within which one that was lost comes back
ENCRYPTED = ("tls", "wss", "inproc")  # the last never leaves the process


def required_dask() -> Any:
    """The package ``distributed``, or OptionError."""
    try:
        import distributed
    except ImportError as error:
        raise OptionError(
            'A scheduler needs dask; install "stradiff[cluster]", or use n_jobs without a scheduler.'
        ) from error
    return distributed


def warn_where_open(scheduler: Scheduler) -> None:
    """Warn of a scheduler on another machine that is reached without TLS."""
    connection: Any = scheduler
    address = scheduler if isinstance(scheduler, str) else str(connection.scheduler.address)
    parts = urlsplit(address if "://" in address else f"tcp://{address}")
    if parts.scheme not in ENCRYPTED and not _on_this_machine(parts.hostname or ""):
        warnings.warn(
            f"The scheduler {address} is reached without TLS, so that others on the network can read the recordings "
            "and run programs on its workers; start it with certificates and give its tls:// address.",
            stacklevel=3,
        )


def on_cluster(calls: dict[str, Call], scheduler: Scheduler) -> Iterator[Result]:
    """Of all calls, as they are finished; a scheduler that was restarted is given again what it had."""
    calls, new, patience = dict(calls), NewResults(calls), ANSWER
    while calls:
        with _without_log(), _connected(scheduler, patience) as client:
            for result in _submitted(calls, client):
                del calls[result[0]]
                yield result
        patience = RETURN
        for name in [name for name in calls if name in new]:  # the scheduler took the message with it
            del calls[name]
            yield name, None, 0.0


@contextmanager
def _without_log() -> Iterator[None]:
    """Without dask's tracebacks about a connection that is lost: what follows from it is in the outcomes."""
    log = logging.getLogger("distributed.client")
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before


def _connected(scheduler: Scheduler, patience: float) -> AbstractContextManager[Client]:
    """A connection of this call, or the caller's own, which stays open."""
    if not isinstance(scheduler, str):
        return nullcontext(scheduler)
    distributed = required_dask()
    has_certificates = distributed.Security().get_connection_args("client").get("ssl_context")
    if urlsplit(scheduler).scheme in ("tls", "wss") and not has_certificates:
        raise OptionError(
            f"scheduler={scheduler!r} needs certificates; name ca-file, cert and key under distributed.comm.tls.client "
            "in the configuration of dask, or give a distributed.Client that has them."
        )
    try:
        client: Client = distributed.Client(scheduler, timeout=patience)
    except (OSError, ValueError, TimeoutError) as error:
        raise OptionError(
            f"scheduler={scheduler!r} does not answer; give the address of a dask scheduler, and where it speaks TLS "
            "certificates that it accepts."
        ) from error
    return client


def _submitted(calls: dict[str, Call], client: Client) -> Iterator[Result]:
    """Of all calls that are not lost with their scheduler. joblib's dask backend waits for ever for a killed worker."""
    distributed = required_dask()
    names = {client.submit(run_task, *call, pure=False): name for name, call in calls.items()}
    for future in distributed.as_completed(list(names)):
        name = names.pop(future)
        try:
            failure = future.exception()
            result: Result = future.result() if failure is None else (name, _sentence(failure), 0.0)
        except (distributed.CancelledError, OSError):
            continue
        future.release()  # or the scheduler would compute it again where the worker that holds the answer is killed
        yield result


def _sentence(failure: BaseException) -> str:
    """Dask's failures, of which one is that workers were killed, perhaps before they began."""
    return KILLED if isinstance(failure, required_dask().KilledWorker) else as_sentence(failure)


def _on_this_machine(host: str) -> bool:
    own = {address.address for addresses in psutil.net_if_addrs().values() for address in addresses}
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(host, None)}
    except OSError:  # no such name
        return False
    return found <= own or all(ipaddress.ip_address(address).is_loopback for address in found)
