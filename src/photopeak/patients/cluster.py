"""The same work on many machines: Ray runs the items, this process writes the disk.

Patients are independent and each has its own random stream, so a cluster gives the same bits as one
process; scans that are read are independent too. Work lost with a node is run again by Ray; what is already on disk
is never run again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from photopeak.core.errors import optional

Item = TypeVar("Item")
Result = TypeVar("Result")
PER_CPU = 2  # tasks under way: one running, one waiting


def over_cluster(work: Callable[[Item], Result], items: Iterable[Item], address: str) -> Iterator[tuple[Item, Result]]:
    """``(item, work(item))`` as results arrive, from a Ray cluster.

    ``address`` is "local" for a cluster on this machine, "auto" for a running one, or ``ray://host:port``.
    At most two tasks a CPU are under way, so that memory does not grow with the number of items.
    """
    ray, started = joined(address)
    try:
        yield from _drain(ray, work, items)
    finally:
        if started:
            ray.shutdown()


def joined(address: str) -> tuple[Any, bool]:
    """Ray, connected to the cluster, and whether it was not before: who connected shuts it down."""
    ray = optional("ray", extra="cluster")
    started = not ray.is_initialized()
    if started:
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else Ray warns where there is no GPU
        ray.init(address=None if address == "local" else address, logging_level="ERROR", log_to_driver=False)
    return ray, started


def _drain(ray: Any, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[tuple[Item, Result]]:
    # max_retries=-1: a task whose node died is run again elsewhere, however often.
    remote = ray.remote(max_retries=-1, num_cpus=1)(lambda item: work(item))  # noqa: PLW0108  (Ray refuses a partial)
    limit = max(2, int(PER_CPU * ray.cluster_resources().get("CPU", 1)))
    waiting = iter(items)
    under_way: dict[Any, Item] = {}
    while True:
        while len(under_way) < limit and (item := next(waiting, None)) is not None:
            under_way[remote.remote(item)] = item
        if not under_way:
            return
        ready, _ = ray.wait(list(under_way), num_returns=1)
        for reference in ready:
            yield under_way.pop(reference), ray.get(reference)
