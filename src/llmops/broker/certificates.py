"""The identity providers' certificates, and the secrets we hold: when they expire, and who is reminded of it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from llmops.broker.connections import Connection
from llmops.broker.saml import certificate

REMIND_DAYS = (60, 30, 14, 7, 1, 0)
"""Days before the expiry on which a reminder goes out; 0 is the day after it."""


@dataclass(frozen=True)
class Expiry:
    """One thing that expires. `what` is "certificate" or "client secret"; `name` tells it from others of its kind."""

    what: str
    name: str
    at: datetime

    def days_left(self, now: datetime) -> int:
        """Whole days until it expires; negative afterwards."""
        return (self.at - now) // timedelta(days=1)


def of(connection: Connection) -> list[Expiry]:
    """Everything of a connection that expires, the soonest first."""
    held = [certificate.from_base64(encoded) for encoded in connection.idp_certificates]
    found = [Expiry("certificate", one.fingerprint_sha256, one.not_after) for one in held]
    if connection.client_secret_expires_at is not None:
        found.append(Expiry("client secret", connection.client_id or "", connection.client_secret_expires_at))
    return sorted(found, key=lambda expiry: expiry.at)
