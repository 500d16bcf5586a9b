"""The connection to a Ray cluster, what each worker gets, and whether all nodes see the files."""

import importlib
import os
import secrets
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from common.errors import UserError

ROOT = Path(__file__).parents[3]
MEMORY = 3 << 29  # bytes that a worker asks for: TensorFlow with a small network takes 1 GB
OBJECT_STORE = 200 << 20  # bytes of a local cluster: nothing large passes between the processes
ANSWER_SECONDS = 10  # how long a cluster may take to answer
SEES_SECONDS = 120  # how long a node may take to start a process


def ray_package(package: str = "ray") -> Any:
    """The module `ray`, or a part of it. Raises UserError where it is not installed."""
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError:
        raise UserError('--cluster needs Ray: python -m pip install -e ".[cluster]".') from None


@contextmanager
def connected(address: str, folder: Path, *read: Path) -> Iterator[Any]:
    """The module `ray`, connected to the cluster at `address`; `local`: to one that this process starts and ends.

    folder: where the workers write. read: files and folders that they read. Workers import this copy of the code.
    Raises UserError without Ray, where nothing answers, and where a node does not see the code or these paths.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray would report to its makers
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    ray = ray_package()
    # One worker for each processor, with one thread: several would wait for each other.
    threads = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    variables = {"PYTHONPATH": str(ROOT), "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "2", **threads}
    options: dict[str, Any] = {"runtime_env": {"env_vars": variables}, "log_to_driver": False, "logging_level": "error"}
    try:
        if address == "local":
            options |= {"object_store_memory": OBJECT_STORE, "include_dashboard": False}
        else:  # Ray would try for minutes
            host, _, port = address.rpartition("/")[2].rpartition(":")
            socket.create_connection((host, int(port)), ANSWER_SECONDS).close()
        with _own_signals():
            ray.init(address, **options)
    except (OSError, ValueError, RuntimeError) as error:
        said = f"{error}".splitlines()[0]
        raise UserError(
            f"No Ray cluster answers at --cluster {address}; expected HOST:PORT of its head, or local ({said})."
        ) from None
    try:
        _check_seen(ray, folder, read)
        yield ray
    finally:
        ray.shutdown()


@contextmanager
def _own_signals() -> Iterator[None]:
    """Keep the handlers of Ctrl-C and SIGTERM: Ray sets its own."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in before.items():
                signal.signal(number, handler)


def _check_seen(ray: Any, folder: Path, read: tuple[Path, ...]) -> None:
    """Raise UserError where a node does not see a file that is written into the folder now, or cannot run this code."""
    strategies = ray_package("ray.util.scheduling_strategies")
    sign = folder / f".cluster.{secrets.token_hex(4)}"
    ask = ray.remote(num_cpus=0, max_retries=0)(unseen)
    try:
        sign.parent.mkdir(parents=True, exist_ok=True)
        sign.touch()
        answers = {}
        for node in ray.nodes():
            if node["Alive"] and node["Resources"].get("CPU"):
                here = strategies.NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
                task = ask.options(scheduling_strategy=here).remote([sign, *read])
                answers[task] = node["NodeManagerHostname"]
        for task, host in answers.items():
            try:
                missing = ray.get(task, timeout=SEES_SECONDS)
            except ray.exceptions.RayError as error:
                said = f"{error}".splitlines()[-1]
                raise UserError(
                    f"The node {host} cannot run this code: {ROOT} must be on storage that all nodes see, with "
                    f"the same Python packages on each ({said})."
                ) from None
            for path in missing:
                path = folder if path == sign else path
                raise UserError(f"The node {host} does not see {path}: it must be on storage that all nodes see.")
    finally:
        sign.unlink(missing_ok=True)


def unseen(paths: list[Path]) -> list[Path]:
    """Those of the paths that do not exist on this machine."""
    return [path for path in paths if not path.exists()]


def worker_needs(ray: Any) -> dict[str, Any]:
    """What a worker asks for, as Ray's options: a processor and MEMORY; and a GPU, where the cluster has any."""
    return {"num_cpus": 1, "memory": MEMORY, "num_gpus": 1 if ray.cluster_resources().get("GPU") else 0}


def places(ray: Any) -> int:
    """How many workers the nodes that are there now can hold. Raises UserError where it is none."""
    needs = worker_needs(ray)
    asked = {"CPU": needs["num_cpus"], "memory": needs["memory"], "GPU": needs["num_gpus"]}
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    count = sum(min(int(node.get(name, 0) // need) for name, need in asked.items() if need) for node in nodes)
    if not count:
        raise UserError("The cluster has no node with a free processor and 1.5 GB of memory for a worker.")
    return count
