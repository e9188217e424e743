"""Every recorded action: its name and the sentence that the audit log shows, once."""

from enum import StrEnum


class Action(StrEnum):
    """What happened. The value is stored; it never changes once released."""

    sentence: str

    def __new__(cls, value: str, sentence: str) -> "Action":
        """A member with its sentence."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.sentence = sentence
        return member

    SIGNED_IN = "session.opened", "signed in"
    SIGNED_OUT = "session.ended", "signed out"
    SESSIONS_ENDED = "sessions.ended", "ended other sessions"
    SIGN_IN_FAILED = "sign_in.failed", "could not sign in"
    SIGNED_UP = "organization.created", "created the organization"
    MEMBER_JOINED = "member.joined", "joined"
    MEMBER_RENAMED = "member.renamed", "got a new e-mail address from the identity provider"
    IDENTITY_LINKED = "identity.linked", "was connected to the company sign-in"
    LINK_REQUESTED = "identity.link_requested", "was asked to confirm the company sign-in"
    PASSWORD_CHANGED = "password.changed", "changed the password"
    PASSWORD_RESET_ASKED = "password.reset_asked", "asked for a password reset"
    PLAN_CHANGED = "plan.changed", "changed the plan"
    DOMAIN_VERIFIED = "domain.verified", "verified a domain"
    CONNECTION_CREATED = "connection.created", "created a connection"
    CONNECTION_CHANGED = "connection.changed", "changed a connection"
    CONNECTION_ACTIVATED = "connection.activated", "activated a connection"
    KEYS_ROTATED = "keys.rotated", "rotated the session keys"
