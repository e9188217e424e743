"""First and later sign-ins: from a profile to an account, a membership and, first time, a link between them.

The order of questions is the security of the whole (TEN-04): a stored link wins over any address; then the linking
rules; then a new account. Nothing here raises a role, crosses an organization, or trusts an address outside the
organization's verified domains.
"""

from dataclasses import dataclass
from datetime import datetime

from llmops.accounts import identities, proof, sessions, users, verification
from llmops.accounts.identities import Identity
from llmops.accounts.users import User
from llmops.audit import log
from llmops.audit.actions import Action
from llmops.base.email import domain_of
from llmops.broker.profiles import Profile
from llmops.db.tables import Db
from llmops.errors import (
    AccountElsewhere,
    AccountSuspended,
    EmailInUse,
    EmailNotVerified,
    EmailOutsideDomains,
    EmailTaken,
    LinkProofNeeded,
    LoginAlreadyAnswered,
    MemberRemoved,
    MemberSuspended,
    OrganizationSuspended,
    SubjectShared,
)
from llmops.organizations import acceptance, domains, erasure, invitations, members
from llmops.organizations.members import Member
from llmops.organizations.organization import Organization
from llmops.organizations.roles import NEEDS_PROOF, Role


@dataclass(frozen=True)
class Welcome:
    """Who signed in. `created`: the account was made now; `linked`: an existing one was connected now.

    `email_before`: the address that the identity provider has replaced now, to which a notice goes (PWD-17).
    """

    user: User
    created: bool = False
    linked: bool = False
    email_before: str = ""


def welcome(
    db: Db,
    organization: Organization,
    connection_id: str,
    profile: Profile,
    *,
    now: datetime,
    ip: str,
    signed_in_as: str | None,
) -> Welcome:
    """Find or make the account that a profile stands for. `signed_in_as` is the user id of this browser's session.

    Raises: OrganizationSuspended, AccountSuspended, MemberSuspended, MemberRemoved, EmailOutsideDomains,
    EmailNotVerified, AccountElsewhere, LinkProofNeeded, NoSeatsLeft, EmailTaken.
    """
    if organization.suspended_at is not None:
        raise OrganizationSuspended(organization=organization.slug)
    verified = domains.verified(db, organization.id)
    if domain_of(profile.email) not in verified:
        raise EmailOutsideDomains(seen=profile.email, expected=", ".join(sorted(verified)) or "a verified domain")
    if profile.email_verified is False:
        raise EmailNotVerified(seen=profile.email)
    identity = identities.with_subject(db, connection_id, profile.subject)
    if identity is not None:
        return _known(db, organization, identity, profile, now=now)
    user = users.with_email(db, profile.email)
    if user is None:
        _require_never_erased(db, organization, connection_id, profile, now=now)
        return _new(db, organization, connection_id, profile, now=now, ip=ip)
    return _link(db, organization, connection_id, profile, user, now=now, ip=ip, proven=signed_in_as == user.id)


def require_welcome(db: Db, organization: Organization, user_id: str) -> User:
    """The person of a confirmation that was asked for a while ago, if they would still be let in.

    Raises: AccountElsewhere, AccountSuspended, MemberSuspended, MemberRemoved, EmailOutsideDomains.
    """
    user = users.get(db, user_id)
    assert user is not None, "a confirmation is asked of a user that exists, and users are not deleted"
    _require_active(db, organization, user)
    if domain_of(user.email) not in domains.verified(db, organization.id):
        raise EmailOutsideDomains(seen=user.email, organization=organization.slug)
    return user


def connect(
    db: Db, organization: Organization, connection_id: str, subject: str, user: User, *, now: datetime, ip: str
) -> None:
    """Link a subject to an account for good. The caller has made sure that it may."""
    identities.link(db, connection_id, subject, user_id=user.id, now=now)
    log.record(
        db,
        Action.IDENTITY_LINKED,
        organization_id=organization.id,
        actor=user.id,
        target=connection_id,
        ip=ip,
        now=now,
        email=user.email,
    )


def _known(db: Db, organization: Organization, identity: Identity, profile: Profile, *, now: datetime) -> Welcome:
    """A later sign-in: names are refreshed, the role is left alone."""
    user = users.get(db, identity.user_id)
    assert user is not None, "identities.user_id is a foreign key"
    _require_active(db, organization, user)
    if _is_somebody_else(user, profile):
        raise SubjectShared(seen=f"{profile.first_name} {profile.email}", expected=f"{user.first_name} {user.email}")
    identities.used(db, identity.id, now=now)
    if (user.first_name, user.last_name) != (profile.first_name, profile.last_name):
        users.rename(db, user.id, first_name=profile.first_name, last_name=profile.last_name)
    if user.email != profile.email and _may_take_new_email(db, organization, user):
        return Welcome(_take_new_email(db, organization, user, profile.email, now=now), email_before=user.email)
    return Welcome(user)


def _is_somebody_else(user: User, profile: Profile) -> bool:
    """A constant or re-used Name ID would hand one person's account to the next (SAML-36).

    People change address and last name together when they marry; address, first and last name at once they do not.
    """
    names = ((user.first_name, profile.first_name), (user.last_name, profile.last_name))
    return user.email != profile.email and all(before.casefold() != after.casefold() for before, after in names)


def _may_take_new_email(db: Db, organization: Organization, user: User) -> bool:
    """Whether the identity provider may rename the person: inside verified domains (TEN-13).

    An address outside them was proven to us by another way, so it stays: this organization does not own it. Nor does
    it own the account of somebody who is at home in another organization too: who names the address gets the letters
    that reset the password, and with it the other membership (TEN-03).
    """
    return domain_of(user.email) in domains.verified(db, organization.id) and members.count_of(db, user.id) == 1


def _take_new_email(db: Db, organization: Organization, user: User, email: str, *, now: datetime) -> User:
    """The identity provider renamed the person. Returns them as they are now. Raises: EmailTaken (TEN-13)."""
    try:
        users.change_email(db, user.id, email=email, now=now)
    except EmailInUse:
        raise EmailTaken(seen=email, user=user.id) from None
    sessions.end_all(db, user.id, now=now)  # and letters: whoever reads the old mailbox may be somebody else (SES-11)
    verification.void(db, user.id, now=now)
    log.record(
        db,
        Action.MEMBER_RENAMED,
        organization_id=organization.id,
        actor=user.id,
        now=now,
        before=user.email,
        after=email,
    )
    renamed = users.get(db, user.id)
    assert renamed is not None, "it was read in this transaction"
    return renamed


def _require_never_erased(
    db: Db, organization: Organization, connection_id: str, profile: Profile, *, now: datetime
) -> None:
    """Who was erased is not made anew by the next assertion; an administrator's invitation lifts that (TEN-15)."""
    erased = erasure.is_erased(db, organization.id, connection_id, subject=profile.subject, email=profile.email)
    invited = invitations.open_for(db, organization.id, profile.email) if erased else None
    if erased and (invited is None or invited.expires_at <= now):
        raise MemberRemoved(organization=organization.slug)


def _new(
    db: Db, organization: Organization, connection_id: str, profile: Profile, *, now: datetime, ip: str
) -> Welcome:
    """A first sign-in: account and membership, no letter to verify; role Member, but for an open invitation's."""
    try:
        user = users.create(
            db,
            profile.email,
            first_name=profile.first_name,
            last_name=profile.last_name,
            verified=True,
            now=now,
        )
    except EmailInUse:  # two first sign-ins at the same moment: the other one made the account
        raise LoginAlreadyAnswered(email=profile.email) from None
    vouched = profile.email_verified is True
    invited = acceptance.role_by_invitation(db, organization.id, user.email, proven=vouched, now=now)
    role = invited or Role.MEMBER
    members.join(db, organization, user.id, role=role, how="sso", now=now)
    identities.link(db, connection_id, profile.subject, user_id=user.id, now=now)
    log.record(
        db,
        Action.MEMBER_JOINED,
        organization_id=organization.id,
        actor=user.id,
        target=connection_id,
        ip=ip,
        now=now,
        email=user.email,
        role=role,
        how="sso",
    )
    return Welcome(user, created=True)


def _link(
    db: Db,
    organization: Organization,
    connection_id: str,
    profile: Profile,
    user: User,
    *,
    now: datetime,
    ip: str,
    proven: bool,
) -> Welcome:
    """An account has this address already. Who may be connected at once, and who has to prove that it is theirs."""
    member = _require_active(db, organization, user)
    if user.email_verified_at is None:
        if members.count_of(db, user.id) > 1:  # each organization's word is for itself alone (TEN-03)
            raise AccountElsewhere(email=user.email, organization=organization.slug)
        # Whoever set this password never proved the address; the verified domain's identity provider does (TEN-08).
        proof.take_over(db, user, now=now)
    elif not proven and (Role(member.role) in NEEDS_PROOF or profile.email_verified is None):
        raise LinkProofNeeded(user=user.id, role=member.role, email=user.email)
    connect(db, organization, connection_id, profile.subject, user, now=now, ip=ip)
    return Welcome(user, linked=True)


def _require_active(db: Db, organization: Organization, user: User) -> Member:
    """The membership, if person and membership may come in. A removed member is not made anew (TEN-15)."""
    member = members.of(db, organization.id, user.id)
    if member is None:
        raise AccountElsewhere(email=user.email, organization=organization.slug)
    if user.suspended_at is not None:
        raise AccountSuspended(user=user.id)
    if member.status == "suspended":
        raise MemberSuspended(user=user.id)
    if member.status != "active":
        raise MemberRemoved(user=user.id)
    return member
