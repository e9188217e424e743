"""The identity providers' certificates, the secrets we hold and our own certificates: when they expire."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from llmops.broker.connections import Connection
from llmops.broker.saml import certificate

REMIND_DAYS = (60, 30, 14, 7, 1, 0)
"""Days before the expiry on which a reminder goes out; 0 is the expiry itself."""

CERTIFICATE = "certificate"
SECRET = "client secret"  # noqa: S105 (what expires, not a secret)
OURS = "our certificate"


@dataclass(frozen=True)
class Expiry:
    """One thing that expires. `name` tells it from others of its kind; a certificate's is its fingerprint.

    `last`: nothing of its kind lives longer, so sign-in is at risk. Otherwise the expiry is worth knowing, no more.
    """

    what: str
    name: str
    at: datetime
    last: bool = True

    def days_left(self, now: datetime) -> int:
        """Whole days until it expires; negative afterwards."""
        return (self.at - now) // timedelta(days=1)

    def reminder(self, now: datetime) -> int | None:
        """The one of REMIND_DAYS that was reached last; None while there is time."""
        reached = [days for days in REMIND_DAYS if self.at - now <= timedelta(days=days)]
        return min(reached, default=None)


def of(connection: Connection) -> list[Expiry]:
    """Everything of a connection that expires, the soonest first."""
    held = [certificate.from_base64(encoded) for encoded in connection.idp_certificates]
    longest = max((one.not_after for one in held), default=None)
    found = [Expiry(CERTIFICATE, one.fingerprint_sha256, one.not_after, one.not_after == longest) for one in held]
    if connection.client_secret_expires_at is not None:
        found.append(Expiry(SECRET, connection.client_id or "", connection.client_secret_expires_at))
    if connection.sp_certificate and (connection.sign_requests or connection.publish_encryption):
        own = certificate.from_base64(connection.sp_certificate)
        found.append(Expiry(OURS, own.fingerprint_sha256, own.not_after))
    return sorted(found, key=lambda expiry: expiry.at)
