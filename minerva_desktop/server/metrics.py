"""`Metrics`: what Prometheus collects of one endpoint. Asyncio loop of the endpoint.

Label values come from us, never from a client: route templates, known methods, model ids of the
library. So their number is bounded whatever is asked.
"""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)

from minerva_desktop.chat.served_request import RequestRecord, RequestState
from minerva_desktop.engine.messages import ContextInfo
from minerva_desktop.server.request_info import RequestInfo

CONTENT_TYPE = CONTENT_TYPE_LATEST
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"
# Seconds: an answer from the cache to a book.
SECONDS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
FIRST_TOKEN_SECONDS = (0.01, 0.03, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 100.0)
# Tokens per second: a large model on an old processor to a small one on a large GPU.
SPEEDS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)
_WAITING = frozenset({RequestState.LOADING, RequestState.QUEUED})


class Metrics:
    """Counts what was, and asks for what is when it is collected."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        self._requests = Counter(
            "minerva_requests",
            "Requests that are over: answered in full, left by the client (cancelled), or broken"
            " off by an error after the answer had begun (failed)",
            ["path", "method", "status", "end"],
            registry=registry,
        )
        self._seconds = Histogram(
            "minerva_request_seconds",
            "Time from a request to the end of its answer",
            ["path"],
            buckets=SECONDS,
            registry=registry,
        )
        self._running = Gauge(
            "minerva_requests_running", "Requests that are computed now", registry=registry
        )
        self._waiting = Gauge(
            "minerva_requests_waiting",
            "Requests that wait for their model or their turn",
            registry=registry,
        )
        self._loaded = Gauge("minerva_models_loaded", "Models in memory", registry=registry)
        self._memory = Gauge(
            "minerva_model_memory_bytes",
            "Memory of the loaded models",
            ["model", "kind"],
            registry=registry,
        )
        self._tokens = _TokenMetrics(registry)

    def observe(self, info: RequestInfo, *, path: str, method: str) -> None:
        """Count a request that is over. ``path``: its route's template."""
        method = method if method in METHODS else OTHER
        self._requests.labels(path, method, str(info.status), info.end.value).inc()
        self._seconds.labels(path).observe(info.seconds())
        if info.generations:
            self._tokens.observe(info)

    def render(
        self,
        requests: Iterable[RequestRecord],
        models: Iterable[tuple[str, ContextInfo]],
    ) -> bytes:
        """All of it in Prometheus's text format, with the state of now: ``requests`` (running or
        over), and the loaded models by id."""
        running = [each for each in requests if each.needs_model]
        waiting = sum(each.state in _WAITING for each in running)
        self._waiting.set(waiting)
        self._running.set(len(running) - waiting)
        loaded = tuple(models)
        self._loaded.set(len(loaded))
        self._memory.clear()
        for model, info in loaded:
            for kind, n_bytes in (
                ("weights", info.weights_bytes),
                ("kv", info.kv_bytes),
                ("compute", info.compute_bytes),
            ):
                self._memory.labels(model, kind).set(n_bytes)
        return generate_latest(self._registry)


class _TokenMetrics:
    """Those of the models' work."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ["model"]
        self._prompt = Counter(
            "minerva_prompt_tokens",
            "Tokens of prompts, those from the cache too",
            labels,
            registry=registry,
        )
        self._cached = Counter(
            "minerva_cached_prompt_tokens",
            "Tokens of prompts that the KV cache had",
            labels,
            registry=registry,
        )
        self._generated = Counter(
            "minerva_generated_tokens", "Tokens of answers", labels, registry=registry
        )
        self._speeds = Histogram(
            "minerva_tokens_per_second",
            "Speed of one answer after its first token",
            labels,
            buckets=SPEEDS,
            registry=registry,
        )
        self._last_speed = Gauge(
            "minerva_last_tokens_per_second",
            "The same, of the last answer",
            labels,
            registry=registry,
        )
        self._first_token = Histogram(
            "minerva_first_token_seconds",
            "Time from the engine's receipt of a request to its first token",
            labels,
            buckets=FIRST_TOKEN_SECONDS,
            registry=registry,
        )

    def observe(self, info: RequestInfo) -> None:
        """Count the tokens of a request that is over."""
        model = info.model
        self._prompt.labels(model).inc(info.prompt_tokens)
        self._cached.labels(model).inc(info.cached_tokens)
        self._generated.labels(model).inc(info.generated_tokens)
        for timings in info.generations:
            if timings.tokens_per_second > 0:
                self._speeds.labels(model).observe(timings.tokens_per_second)
                self._last_speed.labels(model).set(timings.tokens_per_second)
            if timings.first_token_ms > 0:
                self._first_token.labels(model).observe(timings.first_token_ms / 1000.0)
