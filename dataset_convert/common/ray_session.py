"""Ray, an extra: imported, started on this machine alone or joined, and ended with this process."""

import importlib
import logging
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from ipaddress import ip_address
from typing import Any

import psutil

from dataset_convert.common.errors import UsageError

# Ray reads these when it is imported or started; what the user has set already stays.
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # A Ray of our own listens on this machine alone (127.0.0.1); else its ports are open on all
    # interfaces and take orders from anybody. The name is Ray's and holds on Linux too.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
}
# Where this process is killed, two agents of Ray stay for a minute; a watcher, whose standard
# input ends then, ends them.
_WATCHER = """
import psutil, sys
started = [psutil.Process(int(pid)) for pid in sys.argv[1:] if psutil.pid_exists(int(pid))]
sys.stdin.read()
for left in psutil.wait_procs(started, timeout=3)[1]:
    left.kill()
"""


def import_ray(*modules: str) -> Any:
    """Ray, set up to be of this machine alone and to tell nobody, and modules of it.

    Raises:
        UsageError: it is not installed.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        import ray

        for name in modules:
            importlib.import_module(name)
    except ImportError as error:
        raise UsageError(
            f"--engine ray needs Ray, which is an extra. Received: {error}. Install it by "
            f'pip install -e ".[ray]", or leave --engine out.'
        ) from error
    return ray


@contextmanager
def ray_session(
    ray: Any, address: str | None, n_cpus: int, *, n_gpus: int = 0, megabytes: int = 100
) -> Iterator[None]:
    """The Ray that runs in this process already, a cluster's, or one of our own for the time.

    The cluster is at `address`, or where RAY_ADDRESS says. A Ray of our own has so many processors,
    and holds so many `megabytes` of what is handed over; its default is a third of the memory.

    Raises:
        UsageError: it cannot be started, or would listen to other machines.
    """
    if ray.is_initialized():
        yield
        return
    address = address or os.environ.get("RAY_ADDRESS")
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    if not address:
        host = ray.util.get_node_ip_address()
        if not ip_address(host).is_loopback:
            raise UsageError(
                f"Ray must listen on this machine alone. Received: {host}. Unset "
                f"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER, or start Ray yourself by ray.init()."
            )
        # Other users of this machine reach its loopback too; without a token of ours Ray would
        # leave one in the user's home.
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        options |= {"num_cpus": n_cpus, "num_gpus": n_gpus, "include_dashboard": False}
        options["object_store_memory"] = megabytes * 2**20
    before = set(psutil.Process().children(recursive=True))
    with ExitStack() as stack:
        stack.callback(ray.shutdown)
        try:
            ray.init(address=address or "local", **options)
        except (ConnectionError, OSError) as error:
            raise UsageError(
                f"Ray cannot start: {error} RAY_TMPDIR must be a folder with a short path that "
                f"you can write to; RAY_ADDRESS the address of a cluster, or unset."
            ) from error
        started = [
            str(one.pid) for one in psutil.Process().children(recursive=True) if one not in before
        ]
        command = [sys.executable, "-c", _WATCHER, *started]
        # it ends when its standard input is closed, behind Ray
        stack.enter_context(
            subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
        )
        stack.callback(ray.shutdown)
        yield
