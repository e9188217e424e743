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
    CONFIRMED = "session.confirmed", "confirmed who they are"
    SIGN_IN_FAILED = "sign_in.failed", "could not sign in"
    BREAK_GLASS_USED = "sign_in.break_glass", "signed in past single sign-on (break-glass)"
    RESCUE_ISSUED = "sign_in.rescue_issued", "issued a rescue link"
    RESCUE_USED = "sign_in.rescue_used", "signed in with a rescue link"
    SIGNED_UP = "organization.created", "created the organization"

    MEMBER_JOINED = "member.joined", "joined"
    MEMBER_RENAMED = "member.renamed", "got a new e-mail address from the identity provider"
    MEMBER_ROLE_CHANGED = "member.role_changed", "changed a role"
    MEMBER_SUSPENDED = "member.suspended", "suspended a member"
    MEMBER_RESUMED = "member.resumed", "let a member in again"
    MEMBER_REMOVED = "member.removed", "removed a member"
    MEMBER_LEFT = "member.left", "left"
    MEMBERS_EXPORTED = "members.exported", "exported the list of members"
    INVITED = "invitation.sent", "invited somebody"
    INVITATION_RESENT = "invitation.resent", "sent an invitation again"
    INVITATION_REVOKED = "invitation.revoked", "revoked an invitation"
    IDENTITY_LINKED = "identity.linked", "was connected to the company sign-in"
    LINK_REQUESTED = "identity.link_requested", "was asked to confirm the company sign-in"

    PASSWORD_CHANGED = "password.changed", "changed the password"
    PASSWORD_RESET_ASKED = "password.reset_asked", "asked for a password reset"
    SECOND_FACTOR_ADDED = "second_factor.added", "set up a second factor"
    SECOND_FACTOR_REMOVED = "second_factor.removed", "removed the second factor"
    RECOVERY_CODES_MADE = "second_factor.codes_made", "made new recovery codes"

    PLAN_CHANGED = "plan.changed", "changed the plan"
    CONTRACT_CHANGED = "plan.contract_changed", "changed the contract"
    SALES_ASKED = "sales.requested", "asked sales for the Enterprise plan"
    SALES_MOVED = "sales.moved", "moved a sales request on"

    DOMAIN_CLAIMED = "domain.claimed", "claimed a domain"
    DOMAIN_VERIFIED = "domain.verified", "verified a domain"
    DOMAIN_FAILING = "domain.failing", "found the TXT record of a verified domain missing"
    DOMAIN_LOST = "domain.lost", "no longer counts a domain as verified"
    DOMAIN_REMOVED = "domain.removed", "removed a domain"

    CONNECTION_CREATED = "connection.created", "created a connection"
    CONNECTION_CHANGED = "connection.changed", "changed a connection"
    CONNECTION_TESTED = "connection.tested", "tested a connection"
    CONNECTION_ACTIVATED = "connection.activated", "activated a connection"
    CONNECTION_APPROVAL_ASKED = "connection.approval_asked", "asked an owner to approve a changed connection"
    CONNECTION_APPROVED = "connection.approved", "approved a changed connection"
    CONNECTION_OFF = "connection.off", "switched a connection off"
    CONNECTION_REFRESHED = "connection.refreshed", "took a change over from the identity provider's metadata"
    CERTIFICATE_EXPIRING = "certificate.expiring", "warned of an expiry"
    SSO_ENFORCED = "sso.enforced", "made single sign-on compulsory"
    SSO_RELAXED = "sso.relaxed", "allowed passwords beside single sign-on again"
    SSO_RELAX_ASKED = "sso.relax_asked", "asked a colleague to confirm that passwords are allowed again"
    SSO_RELAX_WITHDRAWN = "sso.relax_withdrawn", "withdrew the wish to allow passwords again"
    BREAK_GLASS_NAMED = "break_glass.named", "named a break-glass owner"
    BREAK_GLASS_UNNAMED = "break_glass.unnamed", "took break-glass from an owner"

    PORTAL_LINK_MADE = "portal.link_made", "made an Admin Portal link"
    PORTAL_LINK_SENT = "portal.link_sent", "sent an Admin Portal link"
    PORTAL_LINK_REVOKED = "portal.link_revoked", "revoked an Admin Portal link"
    PORTAL_OPENED = "portal.opened", "opened the Admin Portal"
    TRACE_READ = "trace.read", "read the trace of a sign-in"
    AUDIT_EXPORTED = "audit.exported", "exported the audit log"
    STAFF_NOTED = "staff.noted", "wrote a note"
    STAFF_SIGNED_IN = "staff.signed_in", "signed in to the staff console"
    STAFF_SIGN_IN_FAILED = "staff.sign_in_failed", "gave a wrong second factor at the staff console"
    STAFF_CREATED = "staff.created", "made a staff account"
    STAFF_SUSPENDED = "staff.suspended", "suspended a staff account"
    STAFF_FACTOR_RESET = "staff.factor_reset", "reset the second factor of a staff account"
    STAFF_PASSWORD_SET = "staff.password_set", "set the password of a staff account"
    PERSON_ERASED = "person.erased", "erased a person"
    KEYS_ROTATED = "keys.rotated", "rotated the session keys"
    RESTORED = "installation.restored", "restored a backup: what was valid before it is void"
