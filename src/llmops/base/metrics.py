"""What one process counts of itself, for Prometheus. No e-mail address, person or domain is ever a label.

What stands in the database (queue, sessions, certificates) is not counted here but read when somebody asks; see
`dashboard/metrics.py`.
"""

from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


@dataclass
class Metrics:
    """The counters of one process, in a registry of their own, so that two sites in one process stay apart."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        self._requests = self._counter("http_requests", "Requests answered", "route", "method", "status")
        self._seconds = Histogram(
            "llmops_http_request_seconds", "Time to answer", ["route"], buckets=_SECONDS, registry=self.registry
        )
        self._logins = self._counter("login", "Sign-ins to the product", "method", "result", "reason")
        self._flows = self._counter(
            "sso_flow", "Answers of identity providers", "protocol", "provider", "result", "code"
        )
        self._saml = self._counter("saml_validation_failures", "SAML answers that were refused", "code")
        self._refreshes = self._counter("metadata_refresh", "Looks at identity providers' metadata", "result")
        self._mail = self._counter("mail_sent", "Letters given to the relay", "result")
        self._limited = self._counter("rate_limited", "Attempts over a limit", "scope")
        self._csp_reports = self._counter("csp_reports", "What browsers kept our pages from doing", "directive")

    def request(self, *, route: str, method: str, status: int, seconds: float) -> None:
        """One answer; `route` is the door's path with its placeholders, never what somebody typed."""
        known = method if method in _METHODS else "other"
        self._requests.labels(route, known, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def login(self, *, method: str, reason: str = "") -> None:
        """Somebody got in, or not because of `reason`, a failure's code."""
        self._logins.labels(method, "refused" if reason else "ok", reason).inc()

    def sso(self, *, kind: str, is_saml: bool, code: str = "") -> None:
        """An identity provider of this kind answered; `code` is why that was refused."""
        protocol = "saml" if is_saml else "oidc"
        self._flows.labels(protocol, kind, "refused" if code else "ok", code).inc()
        if is_saml and code:
            self._saml.labels(code).inc()

    def refreshed(self, result: str) -> None:
        """One look at metadata or discovery: unchanged, changed, waits or failed."""
        self._refreshes.labels(result).inc()

    def mailed(self, result: str) -> None:
        """One letter: sent or failed."""
        self._mail.labels(result).inc()

    def limited(self, scope: str) -> None:
        """An attempt was one too many."""
        self._limited.labels(scope).inc()

    def csp_reported(self, directive: str) -> None:
        """A browser says that something on a page of ours broke the security policy; by a name of that policy."""
        self._csp_reports.labels(directive).inc()

    def text(self) -> bytes:
        """All of it as Prometheus reads it."""
        return generate_latest(self.registry)

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(f"llmops_{name}", meaning, list(labels), registry=self.registry)
