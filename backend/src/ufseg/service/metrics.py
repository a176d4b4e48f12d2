"""The service in numbers, in Prometheus' text format."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from ufseg._version import __version__
from ufseg.engine.engine import Engine
from ufseg.workspace.disk import free_bytes
from ufseg.workspace.workspace import Workspace

CONTENT_TYPE = CONTENT_TYPE_LATEST
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class RequestMetrics:
    """Counts and times of requests.

    Args:
        registry: they are part of.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "ufseg_requests", "Answered requests.", ("method", "route", "status"), registry=registry
        )
        self._seconds = Histogram(
            "ufseg_request_seconds", "Time to answer.", ("method", "route"), registry=registry, buckets=_BUCKETS
        )

    def note(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request; `route` is the template of its path, so that ids make no series of their own."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)


class ServiceCollector(Collector):
    """What is read when it is asked for: jobs, queues, device, disk.

    Args:
        workspace: open workspace.
        engine: runs its jobs.
    """

    def __init__(self, workspace: Workspace, engine: Engine) -> None:
        self._workspace = workspace
        self._engine = engine

    def describe(self) -> list[GaugeMetricFamily]:
        """Nothing: registering reads nothing yet."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily | InfoMetricFamily]:
        """The present numbers."""
        jobs = GaugeMetricFamily("ufseg_jobs", "Jobs of the workspace.", labels=("kind", "state"))
        for (kind, state), count in sorted(self._workspace.jobs.counts().items()):
            jobs.add_metric((kind, state), count)
        yield jobs
        queue = GaugeMetricFamily("ufseg_queue_length", "Jobs that wait for their turn.", labels=("kind",))
        for kind, waiting in self._engine.waiting().items():
            queue.add_metric((kind,), waiting)
        yield queue
        device = self._engine.device or {"name": "not tried yet", "kind": "unknown"}
        about = {"version": __version__, "device": str(device["name"]), "kind": str(device["kind"])}
        yield InfoMetricFamily("ufseg", "Version and computing device.", value=about)
        free = free_bytes(self._workspace.folder)
        yield GaugeMetricFamily("ufseg_disk_free_bytes", "Free bytes on the workspace's disk.", value=free)


def new_registry(workspace: Workspace, engine: Engine) -> CollectorRegistry:
    """A registry with the numbers of the service and, on Linux, of its process (memory, CPU time, open files)."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(ServiceCollector(workspace, engine))
    return registry


def text(registry: CollectorRegistry) -> bytes:
    """All numbers as Prometheus reads them."""
    return generate_latest(registry)
