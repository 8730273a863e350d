"""What the server tells Prometheus: how many, how fast, how long, how full, and why not.

Two times describe a stream better than one: *time to first token* (how long the reader looks
at nothing) and *time per output token* (how fast the text then flows). The first begins when the
request arrives: the time in line is the reader's, too.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
ENDPOINTS = {
    "/health",
    "/metrics",
    "/openapi.json",
    "/v1/models",
    "/v1/chat/completions",
    "/v1/completions",
}
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """One registry a server, so that two servers in one process don't share their counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        common = {"registry": self.registry, "namespace": "course"}
        self.requests = Counter("requests", "Requests answered", ["endpoint", "status"], **common)
        self.refusals = Counter("refusals", "Requests refused, by reason", ["code"], **common)
        self.tokens = Counter("tokens", "Tokens read and written", ["kind"], **common)
        self.running = Gauge("running", "Answers being written now", **common)
        self.waiting = Gauge("waiting", "Requests in line", **common)
        self.first_token = Histogram(
            "first_token_seconds", "Time from arrival to the first token", buckets=SECONDS, **common
        )
        self.output_token = Histogram(
            "output_token_seconds", "Time per token after the first", buckets=SECONDS, **common
        )
        self.request = Histogram(
            "request_seconds", "Time from arrival to the last token", buckets=SECONDS, **common
        )

    def answered(self, path: str, status: int) -> None:
        """Book a response. Unknown paths share one label: a label a path would let any stranger
        fill our memory."""
        self.requests.labels(path if path in ENDPOINTS else "other", str(status)).inc()

    def finished(self, *, prompt: int, completion: int, first: float | None, total: float) -> None:
        """Book one answer, in seconds since it was asked for; `first` is None where the reader left
        before the first token."""
        self.tokens.labels("prompt").inc(prompt)
        self.tokens.labels("completion").inc(completion)
        self.request.observe(total)
        if first is not None:
            self.first_token.observe(first)
        if first is not None and completion > 1:
            self.output_token.observe((total - first) / (completion - 1))

    def text(self) -> bytes:
        return generate_latest(self.registry)
