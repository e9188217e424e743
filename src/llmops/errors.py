"""Every failure a person or a program can meet: its code, status, sentence, advice, and who can repair it.

The only place where such a sentence is written. Raise a class where the failure is known; the edge
(`web/failures.py`) turns it into a page, a redirect to the sign-in page, or JSON. `docs/errors.md` is printed
from `catalogue()`.

Sentences may travel through OAuth, so they keep to the characters of RFC 6749 §4.1.2.1: printable ASCII
without double quote and backslash.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import ClassVar


class Repair(StrEnum):
    """Who can repair it."""

    PERSON = "You"
    IT = "Your IT administrator"
    OWNER = "An owner of your organization"
    SALES = "LLM Ops sales"
    SUPPORT = "LLM Ops support"
    OPERATOR = "Whoever runs this server"


class Failure(Exception):
    """An expected failure. Keyword arguments are facts for traces and administrators, never for the person's page.

    By custom `seen` is what arrived and `expected` what should have; other facts are named as they are.
    """

    code: ClassVar[str] = ""
    status: ClassVar[int] = 400
    message: ClassVar[str] = ""
    advice: ClassVar[str] = ""
    repair: ClassVar[Repair] = Repair.PERSON

    def __init__(self, **facts: object) -> None:
        super().__init__(self.code)
        self.ref: str | None = None  # under which the attempt was recorded, if it was
        self.report: str | None = None  # the page that tells about it, when that is not the usual one
        self.facts: dict[str, str] = {name: str(value)[:500] for name, value in facts.items()}

    def __str__(self) -> str:
        facts = ", ".join(f"{name}={value!r}" for name, value in self.facts.items())
        return f"{self.code}: {self.message}" + (f" ({facts})" if facts else "")


def catalogue() -> Iterator[type[Failure]]:
    """Every concrete failure, in the order of this file."""

    def below(kind: type[Failure]) -> Iterator[type[Failure]]:
        for child in kind.__subclasses__():
            if child.code:
                yield child
            yield from below(child)

    return below(Failure)


def by_code(code: str) -> type[Failure] | None:
    """The failure that has this code, or None."""
    return _BY_CODE.get(code)


# --- Starting single sign-on -------------------------------------------------------------------------------


class SignInFailure(Failure):
    """Ends on the sign-in page as ?sso_error=CODE; only these codes are recognised there."""


class InvalidEmail(SignInFailure):
    """What was typed is not an e-mail address."""

    code = "invalid_email"
    message = "That does not look like an e-mail address"
    advice = "Enter your full work e-mail address, for example ann@yourcompany.com."


class PersonalEmail(SignInFailure):
    """The address belongs to a personal mail provider, which can never be an organization's domain."""

    code = "personal_email"
    message = "Please use your organization email address, not a personal one"
    advice = "Personal addresses such as gmail.com or yahoo.com cannot be used for single sign-on."


class SsoNotConfigured(SignInFailure):
    """No organization holds the domain, or it has no active connection."""

    code = "sso_not_configured"
    message = "SSO is not set up for your organization yet"
    advice = (
        "Sign in with your password, or ask an owner of your organization to finish the SSO setup or to contact sales."
    )
    repair = Repair.OWNER


class PlanNotEnterprise(SignInFailure):
    """The organization that holds the domain is on a plan without SSO."""

    code = "plan_not_enterprise"
    message = "Your organization is not on the Enterprise plan"
    advice = "An owner can upgrade under Settings, Subscription, then contact us to activate SSO."
    repair = Repair.OWNER


class LoginLoop(SignInFailure):
    """More automatic starts in this browser than a person would make."""

    code = "login_loop"
    message = "Signing in keeps going back and forth, so we stopped it"
    advice = "Clear your browser cookies for this site and your identity provider, then try an incognito window."


class TooManyAttempts(SignInFailure):
    """A rate limit was reached."""

    code = "too_many_attempts"
    status = 429
    message = "Too many attempts, so we are taking a short break"
    advice = "Wait a few minutes, then try again."


class SsoRequired(SignInFailure):
    """The organization has switched password sign-in off."""

    code = "sso_required"
    status = 403
    message = "Your organization signs in with SSO"
    advice = "Use the Enterprise SSO section with your work e-mail."


class SecondFactorWrong(SignInFailure):
    """Neither the authenticator app's present code nor an unspent recovery code."""

    code = "second_factor_wrong"
    status = 401
    message = "That code is not right"
    advice = "Enter the six digits that your authenticator app shows now, or one of your recovery codes."


class SignInUnclear(SignInFailure):
    """Shown for a code in the address that is none of ours. Never raised."""

    code = "sign_in_unclear"
    message = "Something stopped your sign-in"
    advice = "Start again from the sign-in page."


# --- The attempt itself ------------------------------------------------------------------------------------


class LoginUnknown(SignInFailure):
    """An answer that names no attempt we started, or none at this connection."""

    code = "login_unknown"
    message = "We could not match that answer to a sign-in you started here"
    advice = (
        "Start again from the sign-in page. If it happens again, try an incognito window to rule out stale cookies."
    )


class LoginOtherBrowser(SignInFailure):
    """The answer came back to a browser that did not start the attempt, or that lost its cookie."""

    code = "login_other_browser"
    message = "This browser did not start that sign-in, or its cookie is gone"
    advice = "Start again from the sign-in page. An incognito window rules out stale session cookies."


class LoginExpired(SignInFailure):
    """The attempt was started too long ago."""

    code = "login_expired"
    message = "That sign-in took too long"
    advice = "Start again from the sign-in page."


class LoginAlreadyAnswered(SignInFailure):
    """The attempt already has its answer: a second post, the back button, or a replay."""

    code = "login_already_answered"
    message = "That sign-in was already used"
    advice = "Start again from the sign-in page."


class CodeExpired(SignInFailure):
    """The short-lived code between the SSO provider and the application is too old."""

    code = "code_expired"
    message = "The sign-in code has expired"
    advice = "Start again from the sign-in page."


class CodeAlreadyUsed(SignInFailure):
    """The short-lived code was spent before, or never existed."""

    code = "code_already_used"
    message = "The sign-in code was already used"
    advice = "Start again from the sign-in page."


class ConnectionUnknown(SignInFailure):
    """No such connection."""

    code = "connection_unknown"
    status = 404
    message = "There is no such single sign-on connection here"
    advice = "The address in your identity provider may be mistyped. Compare it with the one in the Admin Portal."
    repair = Repair.IT


class ConnectionInactive(SignInFailure):
    """The connection is a draft or was switched off."""

    code = "connection_inactive"
    message = "Single sign-on is not switched on for your organization"
    advice = "Sign in with your password, or ask your IT administrator to activate the connection."
    repair = Repair.IT


# --- What the identity provider answered -------------------------------------------------------------------


class IdpDenied(SignInFailure):
    """The identity provider did not sign the person in: cancelled, or a policy refused."""

    code = "idp_denied"
    status = 403
    message = "Your identity provider did not sign you in"
    advice = "Try again. If it happens again, ask your IT administrator whether a policy stops you."
    repair = Repair.IT


class UserNotAssigned(SignInFailure):
    """The identity provider says that the person may not use this application."""

    code = "user_not_assigned"
    status = 403
    message = "Your account is not assigned to LLM Ops at your identity provider"
    advice = "Ask your IT administrator to assign you to the LLM Ops app."
    repair = Repair.IT


class IdpConfig(SignInFailure):
    """The identity provider refuses our request because of how the application is set up there."""

    code = "idp_config"
    message = "Your identity provider refused the request because of how LLM Ops is set up there"
    advice = "Ask your IT administrator to compare the app's settings with the Admin Portal."
    repair = Repair.IT


class IdpError(SignInFailure):
    """The identity provider answered with an error of its own."""

    code = "idp_error"
    status = 502
    message = "Your identity provider reported an error"
    advice = "Try again in a few minutes. If it happens again, tell your IT administrator."
    repair = Repair.IT


class IdpUnavailable(SignInFailure):
    """The identity provider did not answer, or said that it cannot at the moment."""

    code = "idp_unavailable"
    status = 503
    message = "Your identity provider is not answering"
    advice = "Try again in a few minutes. If you have a password here, you can sign in with it."
    repair = Repair.IT


# --- SAML: is this Response acceptable? --------------------------------------------------------------------


class SamlMalformed(SignInFailure):
    """Not a SAML Response we can read: base64, XML, structure, size, a DTD."""

    code = "saml_malformed"
    message = "The answer from your identity provider could not be read"
    advice = "Start again. If it happens again, ask your IT administrator to check the app's settings."
    repair = Repair.IT


class SamlSignatureMissing(SignInFailure):
    """What has to be signed is not."""

    code = "saml_signature_missing"
    message = "The answer from your identity provider was not signed"
    advice = "Your IT administrator must switch on signing of the response or the assertion."
    repair = Repair.IT


class SamlSignatureInvalid(SignInFailure):
    """A signature is there and does not verify, or does not cover what it should."""

    code = "saml_signature_invalid"
    message = "We could not verify the answer from your identity provider"
    advice = "Your IT administrator should check that the certificate in the Admin Portal is the current one."
    repair = Repair.IT


class SamlKeyUnknown(SignInFailure):
    """The signature names a certificate that this connection does not hold, usually after a roll-over."""

    code = "saml_key_unknown"
    message = "Your identity provider signed with a certificate that we do not know"
    advice = (
        "Try again in a minute, when we have looked for the new one. If it happens again,"
        " your IT administrator must upload the current metadata or certificate in the Admin Portal."
    )
    repair = Repair.IT


class IdpCertificateExpired(SignInFailure):
    """Every signing certificate of the connection was expired when the answer failed to verify."""

    code = "idp_certificate_expired"
    message = "The certificate of your identity provider has expired"
    advice = "Your IT administrator must upload the new metadata or certificate in the Admin Portal."
    repair = Repair.IT


class SamlAlgorithmRefused(SignInFailure):
    """A signature, digest, transform or encryption method that is not safe: SHA-1, MD5, HMAC, RSA 1.5, ..."""

    code = "saml_algorithm_refused"
    message = "Your identity provider used a signature or encryption method that is not safe"
    advice = "Your IT administrator must switch the app to RSA-SHA256 or better."
    repair = Repair.IT


class SamlDecryptionFailed(SignInFailure):
    """An encrypted assertion that our key does not open."""

    code = "saml_decryption_failed"
    message = "We could not decrypt the answer from your identity provider"
    advice = "Your IT administrator should upload our current encryption certificate, or switch encryption off."
    repair = Repair.IT


class SamlWrongIssuer(SignInFailure):
    """Issuer is not the connection's identity provider."""

    code = "saml_wrong_issuer"
    message = "The answer came from another identity provider than the one that is set up"
    advice = "Your IT administrator should compare the issuer (entity ID) with the Admin Portal."
    repair = Repair.IT


class SamlWrongAudience(SignInFailure):
    """The assertion is meant for another service provider."""

    code = "saml_wrong_audience"
    message = "The answer from your identity provider is meant for another application"
    advice = "Your IT administrator should compare the audience (SP entity ID) with the Admin Portal."
    repair = Repair.IT


class SamlWrongRecipient(SignInFailure):
    """Recipient of the subject confirmation is another address."""

    code = "saml_wrong_recipient"
    message = "The answer from your identity provider is addressed to another recipient"
    advice = "Your IT administrator should compare the ACS URL with the Admin Portal."
    repair = Repair.IT


class SamlWrongDestination(SignInFailure):
    """Destination of the Response is another address."""

    code = "saml_wrong_destination"
    message = "The answer from your identity provider was sent to another address"
    advice = "Your IT administrator should compare the ACS URL with the Admin Portal."
    repair = Repair.IT


class SamlExpired(SignInFailure):
    """A time limit in the answer has passed."""

    code = "saml_expired"
    message = "The answer from your identity provider has expired"
    advice = "Start again. If it happens again, a clock is wrong: your IT administrator can compare both in the trace."


class SamlNotYetValid(SignInFailure):
    """The answer begins to be valid later than now."""

    code = "saml_not_yet_valid"
    message = "The answer from your identity provider is not valid yet"
    advice = "A clock is wrong. Your IT administrator can compare both clocks in the trace."
    repair = Repair.IT


class SamlWrongRequest(SignInFailure):
    """InResponseTo names no request of ours, or another one than the attempt's."""

    code = "saml_wrong_request"
    message = "The answer from your identity provider belongs to another request"
    advice = "Start again from the sign-in page. An incognito window rules out stale session cookies."


class SamlUnsolicited(SignInFailure):
    """A Response nobody asked for, at a connection that does not allow it."""

    code = "saml_unsolicited"
    message = "Please start from the LLM Ops sign-in page"
    advice = "Sign-in from the identity provider's own portal is switched off for your organization."
    repair = Repair.IT


class SamlAlreadyUsed(SignInFailure):
    """This assertion was accepted before."""

    code = "saml_already_used"
    message = "That answer from your identity provider was already used"
    advice = "Start again from the sign-in page."


class SamlSubjectUnusable(SignInFailure):
    """NameID is transient, encrypted or empty: nothing that could name the person next time."""

    code = "saml_subject_unusable"
    message = "Your identity provider sent a name that changes with every sign-in"
    advice = "Your IT administrator must set the Name ID format to e-mail address or persistent."
    repair = Repair.IT


class SamlWrongAuthnContext(SignInFailure):
    """The sign-in at the identity provider was not as fresh or as strong as asked for."""

    code = "saml_wrong_authn_context"
    message = "Your identity provider did not ask you to sign in again, as this step requires"
    advice = "Start again, and sign in afresh at your identity provider."
    repair = Repair.IT


# --- OpenID Connect: is this answer acceptable? ------------------------------------------------------------


class OidcMalformed(SignInFailure):
    """The callback, the token answer or the ID token is not what OpenID Connect describes."""

    code = "oidc_malformed"
    message = "The answer from your identity provider could not be read"
    advice = "Start again. If it happens again, ask your IT administrator to check the app's settings."
    repair = Repair.IT


class OidcClientSecret(SignInFailure):
    """The token endpoint refuses our client ID or secret: wrong, expired, or the secret's ID instead of its value."""

    code = "oidc_client_secret"
    message = "Your identity provider does not accept the client secret that is set up here"
    advice = "Your IT administrator must enter a current client secret in the Admin Portal."
    repair = Repair.IT


class OidcCodeRefused(SignInFailure):
    """The token endpoint refuses the authorization code: used, too old, or another redirect URI."""

    code = "oidc_code_refused"
    message = "Your identity provider no longer accepts that sign-in"
    advice = "Start again from the sign-in page."


class OidcSignatureInvalid(SignInFailure):
    """The ID token's signature does not verify."""

    code = "oidc_signature_invalid"
    message = "We could not verify the answer from your identity provider"
    advice = "Ask your IT administrator to check the issuer in the Admin Portal."
    repair = Repair.IT


class OidcKeyUnknown(SignInFailure):
    """The ID token names a key that the issuer does not publish."""

    code = "oidc_key_unknown"
    message = "Your identity provider signed with a key that it does not publish"
    advice = "Try again in a minute. If it happens again, tell your IT administrator."
    repair = Repair.IT


class OidcAlgorithmRefused(SignInFailure):
    """A signature method that is not allowed: none, HMAC, or one not fixed for the connection."""

    code = "oidc_algorithm_refused"
    message = "Your identity provider used a signature method that is not safe"
    advice = "Your IT administrator must switch the app's ID token signature to RS256 or better."
    repair = Repair.IT


class OidcWrongIssuer(SignInFailure):
    """`iss` is not the connection's issuer, in the token or in the callback."""

    code = "oidc_wrong_issuer"
    message = "The answer came from another identity provider than the one that is set up"
    advice = "Your IT administrator should compare the issuer with the Admin Portal."
    repair = Repair.IT


class OidcWrongTenant(SignInFailure):
    """Another Entra tenant (`tid`) or Google Workspace domain (`hd`) than the connection's."""

    code = "oidc_wrong_tenant"
    message = "That account belongs to another company or is a personal account"
    advice = "Sign out at your identity provider and choose your work account."


class OidcWrongAudience(SignInFailure):
    """`aud` or `azp` is not our client ID."""

    code = "oidc_wrong_audience"
    message = "The answer from your identity provider is meant for another application"
    advice = "Your IT administrator should compare the client ID with the Admin Portal."
    repair = Repair.IT


class OidcWrongNonce(SignInFailure):
    """`nonce` is missing or is not the attempt's."""

    code = "oidc_wrong_nonce"
    message = "The answer from your identity provider belongs to another request"
    advice = "Start again from the sign-in page."


class OidcExpired(SignInFailure):
    """The ID token has expired, or was issued too long ago or in the future."""

    code = "oidc_expired"
    message = "The answer from your identity provider has expired"
    advice = "Start again. If it happens again, a clock is wrong: your IT administrator can compare both in the trace."


class OidcWrongSubject(SignInFailure):
    """UserInfo speaks of another person (`sub`) than the ID token."""

    code = "oidc_wrong_subject"
    message = "Your identity provider gave two different answers about who you are"
    advice = "Start again. If it happens again, tell your IT administrator."
    repair = Repair.IT


class OidcWrongAuthnContext(SignInFailure):
    """The sign-in at the identity provider was not as fresh or as strong as asked for."""

    code = "oidc_wrong_authn_context"
    message = "Your identity provider did not ask you to sign in again, as this step requires"
    advice = "Start again, and sign in afresh at your identity provider."
    repair = Repair.IT


class OidcDiscoveryInvalid(SignInFailure):
    """The issuer's discovery document is missing something or names another issuer."""

    code = "oidc_discovery_invalid"
    message = "The identity provider's discovery document does not fit the issuer that is set up"
    advice = "Your IT administrator should compare the issuer with the Admin Portal, character for character."
    repair = Repair.IT


# --- What the identity provider says about the person ------------------------------------------------------


class EmailMissing(SignInFailure):
    """No e-mail address among the attributes or claims."""

    code = "email_missing"
    message = "Your identity provider did not send your e-mail address"
    advice = "Your IT administrator must map the attribute email in the app's settings."
    repair = Repair.IT


class FirstNameMissing(SignInFailure):
    """No first name among the attributes or claims."""

    code = "first_name_missing"
    message = "Your identity provider did not send your first name"
    advice = "Your IT administrator must map the attribute firstName in the app's settings."
    repair = Repair.IT


class LastNameMissing(SignInFailure):
    """No last name among the attributes or claims."""

    code = "last_name_missing"
    message = "Your identity provider did not send your last name"
    advice = "Your IT administrator must map the attribute lastName in the app's settings."
    repair = Repair.IT


class EmailAmbiguous(SignInFailure):
    """Two different addresses under one attribute."""

    code = "email_ambiguous"
    message = "Your identity provider sent more than one e-mail address"
    advice = "Your IT administrator must map the attribute email to one address."
    repair = Repair.IT


class EmailOutsideDomains(SignInFailure):
    """The address is not in a verified domain of the organization."""

    code = "email_outside_domains"
    status = 403
    message = "That account's e-mail address is outside your organization's verified domains"
    advice = "Use your work account, or ask an owner to verify the domain."
    repair = Repair.OWNER


class EmailNotVerified(SignInFailure):
    """The identity provider says that it has not verified the address."""

    code = "email_not_verified"
    status = 403
    message = "Your identity provider has not verified your e-mail address"
    advice = "Verify the address at your identity provider, or ask your IT administrator."
    repair = Repair.IT


# --- From the identity to an account -----------------------------------------------------------------------


class AccountSuspended(SignInFailure):
    """The account is suspended as a whole."""

    code = "account_suspended"
    status = 403
    message = "Your account is suspended"
    advice = "Ask an owner of your organization, or contact support."
    repair = Repair.OWNER


class MemberSuspended(SignInFailure):
    """An administrator suspended the person in this organization."""

    code = "member_suspended"
    status = 403
    message = "Your access to this organization is suspended"
    advice = "Ask an owner or admin of your organization."
    repair = Repair.OWNER


class MemberRemoved(SignInFailure):
    """An administrator removed the person; only an administrator can let them back in."""

    code = "member_removed"
    status = 403
    message = "You were removed from this organization"
    advice = "Ask an owner or admin of your organization to let you back in."
    repair = Repair.OWNER


class OrganizationSuspended(SignInFailure):
    """The organization is suspended."""

    code = "organization_suspended"
    status = 403
    message = "Your organization is suspended"
    advice = "Ask an owner of your organization to contact sales."
    repair = Repair.SALES


class NoSeatsLeft(SignInFailure):
    """Every seat of the plan is taken."""

    code = "no_seats_left"
    status = 403
    message = "Your organization has no free seat"
    advice = "An owner can free a seat under Settings, Team, or contact sales for more."
    repair = Repair.OWNER


class AccountElsewhere(SignInFailure):
    """The address has an account that is not a member here; its owner must accept from inside it."""

    code = "account_elsewhere"
    status = 403
    message = "Your address already has an account that is not part of this organization"
    advice = "Ask an owner or admin to invite you, then accept while signed in to that account."
    repair = Repair.OWNER


class LinkProofNeeded(SignInFailure):
    """An owner's or admin's account is linked only with proof of its present way in."""

    code = "link_proof_needed"
    status = 403
    message = "As an owner or admin, confirm once that this is your account"
    advice = "Open the link in the letter we just sent you, or sign in with your password first."


class SubjectShared(SignInFailure):
    """One subject, but another address and another name than before: the Name ID does not name one person."""

    code = "subject_shared"
    status = 409
    message = "Your identity provider calls two different people by the same name"
    advice = "Your IT administrator must map the Name ID to something that is each person's own."
    repair = Repair.IT


class EmailTaken(SignInFailure):
    """The identity provider renamed the person to an address that another account has."""

    code = "email_taken"
    status = 409
    message = "Your new e-mail address belongs to another account here"
    advice = "Ask support to look at both accounts."
    repair = Repair.SUPPORT


# --- Passwords, letters, sign-up ---------------------------------------------------------------------------


class WrongCredentials(Failure):
    """Unknown address, wrong password, unverified or suspended: always the same sentence."""

    code = "wrong_credentials"
    status = 401
    message = "The e-mail address or the password is not right"
    advice = "Check both, use Forgot password, or sign in with SSO."


class PasswordRefused(Failure):
    """A new password that cannot be taken."""


class PasswordTooShort(PasswordRefused):
    """Fewer characters than a password needs when it stands alone."""

    code = "password_too_short"
    message = "Use at least 15 characters"
    advice = "Four or five unrelated words make a good password."


class PasswordTooLong(PasswordRefused):
    """More than 1,024 bytes."""

    code = "password_too_long"
    message = "Use at most 1,024 bytes"
    advice = "A shorter password is as safe."


class PasswordTooCommon(PasswordRefused):
    """A common or breached password, or made of the person's own or the product's words."""

    code = "password_too_common"
    message = "That password is too easy to guess"
    advice = "Avoid common words, your name, your company's name and this product's name."


class LetterSpent(Failure):
    """A link from a letter that was used, replaced by a newer one, or is too old."""

    code = "letter_spent"
    status = 410
    message = "This link has expired or was already used"
    advice = "Ask for a new one."


class InvitationSpent(Failure):
    """An invitation that was accepted, revoked, replaced by a newer link, or is older than seven days."""

    code = "invitation_spent"
    status = 410
    message = "This invitation has expired or was already used"
    advice = "Ask the person who invited you to send it again."
    repair = Repair.OWNER


class InvitationForAnother(Failure):
    """The signed-in person is not the one who was invited."""

    code = "invitation_for_another"
    status = 403
    message = "This invitation is for another address"
    advice = "Sign out, then open the link again and go on with the address that was invited."


class InvitationPointless(Failure):
    """The address belongs to a member already, or has an open invitation."""

    code = "invitation_pointless"
    status = 409
    message = "That person is a member or invited already"
    advice = "Look for the address under Settings, Team."


class LastOwner(Failure):
    """The organization would be without an owner (TEN-16)."""

    code = "last_owner"
    status = 409
    message = "An organization needs at least one owner"
    advice = "Make somebody else an owner first."


class NameMissing(Failure):
    """A required name is empty."""

    code = "name_missing"
    message = "Please fill in this field"
    advice = "A name has 1 to 100 characters."


# --- Organizations, connections and keys, mostly met on the command line -----------------------------------


class PersonUnknown(Failure):
    """A command names somebody who has no account."""

    code = "person_unknown"
    status = 404
    message = "Nobody has that address"
    advice = "Check the address; llmops user create makes an account."
    repair = Repair.OPERATOR


class SecondFactorMissing(Failure):
    """A command would take away the second factor of somebody who has none."""

    code = "second_factor_missing"
    status = 404
    message = "That person has no second factor"
    advice = "Their password is enough already; a forgotten one they set anew themselves, from the sign-in page."
    repair = Repair.OPERATOR


class OrganizationUnknown(Failure):
    """No organization has this slug or id."""

    code = "organization_unknown"
    status = 404
    message = "There is no such organization"
    advice = "llmops org list shows them all."
    repair = Repair.OPERATOR


class OrganizationNameTaken(Failure):
    """Another organization has this slug."""

    code = "organization_name_taken"
    status = 409
    message = "Another organization has that name"
    advice = "Choose another name."


class PlanUnknown(Failure):
    """Not one of the plans."""

    code = "plan_unknown"
    message = "There is no such plan"
    advice = "The plans are starter, growth, scale and enterprise."
    repair = Repair.OPERATOR


class DomainInvalid(Failure):
    """Not a domain name that a company can own: an address, a public suffix, a personal mail provider."""

    code = "domain_invalid"
    message = "That is not a company's domain"
    advice = "Give the part after the @ of your work addresses, for example acme.com."


class DomainTaken(Failure):
    """Another organization has verified this domain."""

    code = "domain_taken"
    status = 409
    message = "Another organization has verified that domain"
    advice = "Contact support if it is yours."
    repair = Repair.SUPPORT


class EmailInUse(Failure):
    """An account with this address exists."""

    code = "email_in_use"
    status = 409
    message = "An account with that e-mail address exists"
    advice = "Sign in, or use another address."


class RoleUnknown(Failure):
    """Not one of the roles."""

    code = "role_unknown"
    message = "There is no such role"
    advice = "The roles are owner, admin and member."
    repair = Repair.OPERATOR


class StaffUnknown(Failure):
    """No colleague has this address."""

    code = "staff_unknown"
    status = 404
    message = "There is no such colleague"
    advice = "llmops staff list shows them all."
    repair = Repair.OPERATOR


class SignInUnknown(Failure):
    """No attempt to sign in has this reference or id, or it is older than thirty days."""

    code = "sign_in_unknown"
    status = 404
    message = "No sign-in has that reference"
    advice = "Check it for typing mistakes. Attempts are kept for 30 days."


class NoteEmpty(Failure):
    """A note without a word in it."""

    code = "note_empty"
    status = 422
    message = "Write something first"
    advice = "A note has 1 to 4,000 characters."


class NumberInvalid(Failure):
    """Not a whole number within the limits of the field."""

    code = "number_invalid"
    status = 422
    message = "Give a whole number"
    advice = "From 1 to 1,000,000, without separators. Leave it empty for what the plan has."


class SecondPersonNeeded(Failure):
    """Whoever asked for something that takes two people also wanted to confirm it (ADM-07)."""

    code = "second_person_needed"
    status = 403
    message = "This takes two people"
    advice = "Ask a colleague to confirm what you asked for."
    repair = Repair.SUPPORT


class ConfirmationSpent(Failure):
    """What should be confirmed was confirmed, withdrawn or asked for too long ago."""

    code = "confirmation_spent"
    status = 409
    message = "There is nothing left to confirm"
    advice = "Load the page again. If it is still wanted, ask for it once more."


class ConnectionIncomplete(Failure):
    """The connection lacks what it needs to be activated."""

    code = "connection_incomplete"
    message = "The connection is not complete"
    advice = "A SAML connection needs metadata; an OpenID Connect one an issuer, a client ID and a client secret."
    repair = Repair.IT


class ConnectionUntested(Failure):
    """No test sign-in passed with exactly this configuration in the last 24 hours."""

    code = "connection_untested"
    status = 409
    message = "The connection needs a successful test first"
    advice = "Run the test sign-in, then activate within 24 hours."
    repair = Repair.IT


class ChangeMovedOn(Failure):
    """The change that waits for an owner is another one than the owner was looking at."""

    code = "change_moved_on"
    status = 409
    message = "The change that waits was changed meanwhile"
    advice = "Nothing was approved. Look at what it would change now, then decide."
    repair = Repair.OWNER


class ClientInvalid(Failure):
    """What was typed as client ID, tenant ID or client secret cannot be one; `problem` says in what way."""

    code = "client_invalid"
    message = "Those client credentials cannot be right"
    advice = "Compare them with the application's page in the identity provider."
    repair = Repair.IT


class DomainUnproven(Failure):
    """The TXT record is not there, or says something else."""

    code = "domain_unproven"
    status = 409
    message = "The TXT record was not found yet"
    advice = "Check name and value at your DNS provider. A new record can take an hour, sometimes a day, to be seen."
    repair = Repair.IT


class EnforcementNotReady(Failure):
    """A condition for making single sign-on compulsory is not met; `missing` names it."""

    code = "enforcement_not_ready"
    status = 409
    message = "Single sign-on cannot be made compulsory yet"
    advice = "Meet the conditions on the page first: otherwise the organization could lock itself out."
    repair = Repair.OWNER


class SsoStillRequired(Failure):
    """What was wished would leave an organization in which single sign-on is compulsory without any way in."""

    code = "sso_still_required"
    status = 409
    message = "Single sign-on is compulsory in this organization"
    advice = "Nobody could sign in any more. Contact sales to allow passwords again, then do this."
    repair = Repair.SALES


class NotConfirmed(Failure):
    """A wrong password or a wrong code where somebody who is signed in has to prove once more who they are."""

    code = "not_confirmed"
    status = 401
    message = "That does not confirm that it is you"
    advice = "Check your password, and the code if you are asked for one."


class RescueNeedsOwner(Failure):
    """A rescue link is for an active owner of the organization only."""

    code = "rescue_needs_owner"
    status = 409
    message = "That person is not an active owner of the organization"
    advice = "Name an active owner; llmops org list shows the organizations."
    repair = Repair.OPERATOR


class PasswordByLetter(Failure):
    """A first password opens every organization that the person is in; a company's sign-in speaks for its own only."""

    code = "password_by_letter"
    status = 403
    message = "You are in more than one organization, so a password needs a letter to your address"
    advice = "Sign out, choose Forgot password on the sign-in page, and open the link in the letter."


class RescueOnlyRepairs(Failure):
    """A session that a rescue link opened gives nobody a way in that outlasts it: no password, factor, role or link."""

    code = "rescue_only_repairs"
    status = 403
    message = "A rescue sign-in is for repairing single sign-on only"
    advice = (
        "Repair the connection under Settings, Security, or have passwords allowed again; "
        "then sign in as usual and do this there."
    )


class BreakGlassRefused(Failure):
    """Unknown address, wrong password, wrong code, nobody named for emergencies: always the same sentence."""

    code = "break_glass_refused"
    status = 401
    message = "That does not let you in"
    advice = "Check all three. Only owners who were named for emergencies can sign in here."
    repair = Repair.OWNER


class BreakGlassNotReady(Failure):
    """Who is named as an emergency owner must be an active owner with a password and a second factor; see `missing`."""

    code = "break_glass_not_ready"
    status = 409
    message = "That person cannot be an emergency owner yet"
    advice = "An emergency owner is an owner who has set a password and two-step sign-in, both under Settings, Profile."
    repair = Repair.OWNER


class BreakGlassNeeded(Failure):
    """The last emergency owner of an organization with compulsory single sign-on, or the second factor of one."""

    code = "break_glass_needed"
    status = 409
    message = "An emergency owner is needed as long as that stays so"
    advice = "Name another emergency owner under Settings, Security first, or take the naming away."
    repair = Repair.OWNER


class PortalLinkSpent(Failure):
    """An Admin Portal link that is unknown, revoked, replaced or too old."""

    code = "portal_link_spent"
    status = 410
    message = "This link to the Admin Portal does not work any more"
    advice = "Ask whoever sent it for a new one. What you entered so far is kept."
    repair = Repair.SUPPORT


class PortalClosed(Failure):
    """No portal session in this browser, or its time is over."""

    code = "portal_closed"
    status = 403
    message = "The Admin Portal is closed in this browser"
    advice = "Open the link from your mail again. What you entered so far is kept."


class PortalNotCovered(Failure):
    """The link that opened the portal is for something else than this page (ADM-02)."""

    code = "portal_not_covered"
    status = 403
    message = "Your link is not for this"
    advice = "Go back to the overview, or ask whoever sent the link for one that covers it."
    repair = Repair.SUPPORT


class ReasonMissing(Failure):
    """Staff did something to a customer without saying why (ADM-07)."""

    code = "reason_missing"
    status = 422
    message = "Say why"
    advice = "The reason stands in the customer's audit log."


class SalesRequestMoved(Failure):
    """The sales request is ended, or a colleague moved it on since the page was loaded."""

    code = "sales_request_moved"
    status = 409
    message = "That request was moved on meanwhile"
    advice = "Load the page again. A request that is ended stays so; the customer can ask again."
    repair = Repair.SALES


class AuditChainBroken(Failure):
    """An entry of the audit log was changed, taken out or put in later; `number` is the first that does not fit."""

    code = "audit_chain_broken"
    status = 500
    message = "The audit log does not fit together"
    advice = "Compare with a backup: from the entry named on, it cannot be trusted."
    repair = Repair.OPERATOR


class MetadataInvalid(Failure):
    """The metadata is not that of one usable SAML identity provider; `problem` says in what way."""

    code = "metadata_invalid"
    message = "That is not the metadata of a SAML identity provider"
    advice = "Download the identity provider's metadata file again and upload it unchanged."
    repair = Repair.IT


class SettingInvalid(Failure):
    """A setting is missing or wrong; the server does not start."""

    code = "setting_invalid"
    status = 500
    message = "A setting is missing or wrong"
    advice = "llmops doctor names each one with an example."
    repair = Repair.OPERATOR


class SecretKeyMismatch(Failure):
    """The database was sealed with another secret key than this process has."""

    code = "secret_key_mismatch"
    status = 500
    message = "This process has another secret key than the database was made with"
    advice = "Give every replica the same LLMOPS_SECRET_KEY, old ones after the new one."
    repair = Repair.OPERATOR


class DatabaseUnreachable(Failure):
    """The database cannot be opened."""

    code = "database_unreachable"
    status = 503
    message = "The database cannot be opened"
    advice = "Check LLMOPS_DATABASE_URL, and that the server or the folder is there."
    repair = Repair.OPERATOR


class SchemaOutdated(Failure):
    """The database has not had all migrations."""

    code = "schema_outdated"
    status = 503
    message = "The database needs a migration"
    advice = "Run llmops migrate."
    repair = Repair.OPERATOR


class PortTaken(Failure):
    """The demo cannot listen where it should."""

    code = "port_taken"
    status = 500
    message = "Another program is listening on that port"
    advice = "Stop that program, or choose another port, for example with --port 8100."
    repair = Repair.OPERATOR


class DemoNotInstalled(Failure):
    """What only the demo needs is not installed."""

    code = "demo_not_installed"
    status = 500
    message = "The packages of the demo are not installed"
    advice = "Run make setup, or install llmops with its extra named demo."
    repair = Repair.OPERATOR


class DemoProgramFailed(Failure):
    """A program that the demo started did not answer, or ended."""

    code = "demo_program_failed"
    status = 500
    message = "A program of the demo is not running as it should"
    advice = "Its last lines stand under log."
    repair = Repair.OPERATOR


# --- Calls from here to other servers ----------------------------------------------------------------------


class OutboundFailure(Failure):
    """A call to somebody else's server did not give a usable answer."""

    status = 502


class OutboundRefused(OutboundFailure):
    """The address is not one we call: not https, a private network, credentials in the URL, a redirect too many."""

    code = "outbound_refused"
    message = "That address cannot be called from here"
    advice = "Use a public https address. An operator can allow private ones with LLMOPS_OUTBOUND_ALLOW_PRIVATE."
    repair = Repair.IT


class OutboundUnreachable(OutboundFailure):
    """No connection, no TLS, no name, or no answer in time."""

    code = "outbound_unreachable"
    message = "That server did not answer"
    advice = "Check the address, and try again."
    repair = Repair.IT


class OutboundUnusable(OutboundFailure):
    """An answer of the wrong status, type or size."""

    code = "outbound_unusable"
    message = "That server's answer cannot be used"
    advice = "Open the address in a browser: a sign-in page there is the usual cause."
    repair = Repair.IT


# --- The web -----------------------------------------------------------------------------------------------


class NotFound(Failure):
    """No such page, or not for this person: both look alike."""

    code = "not_found"
    status = 404
    message = "There is no such page"
    advice = "Check the address for typing mistakes."


class NotAllowed(Failure):
    """The person's role does not allow it."""

    code = "not_allowed"
    status = 403
    message = "Your role does not allow that"
    advice = "Ask an owner or admin of your organization."
    repair = Repair.OWNER


class MethodNotAllowed(Failure):
    """The page exists, but not for this method."""

    code = "method_not_allowed"
    status = 405
    message = "That page cannot be used in that way"
    advice = "Go back and use the form."


class SessionOver(Failure):
    """A form came from a page whose session had ended meanwhile. Told on the sign-in page, which leads back."""

    code = "session_over"
    status = 401
    message = "Your session had ended"
    advice = "Sign in and you are back on the page. What you had typed there was not saved."


class FormExpired(Failure):
    """The anti-forgery token is missing or is not this browser's, or the post came from another site."""

    code = "form_expired"
    status = 403
    message = "This form has expired"
    advice = "Go back, reload the page and try again. Cookies must be allowed for this site."


class BodyTooLarge(Failure):
    """The request's body is over the limit."""

    code = "body_too_large"
    status = 413
    message = "That is too large"
    advice = "Send less."


class Overloaded(Failure):
    """More is being sent to this process at once than it has room for."""

    code = "overloaded"
    status = 503
    message = "Too many people are here at once"
    advice = "Try again in a minute."
    repair = Repair.OPERATOR


class BodyUnreadable(Failure):
    """Wrong content type, broken encoding, too many fields, or a parameter given twice."""

    code = "body_unreadable"
    message = "That request could not be read"
    advice = "Go back, reload the page and try again."


class HostUnknown(Failure):
    """The Host header names another site than the configured one."""

    code = "host_unknown"
    status = 421
    message = "This server does not answer to that name"
    advice = "Use the address that your company gave you."
    repair = Repair.OPERATOR


class Unexpected(SignInFailure):
    """A fault of ours. Never raised: the edge shows it for what nobody expected."""

    code = "server_error"
    status = 500
    message = "Something went wrong on our side"
    advice = "Try again in a minute. If it happens again, send the reference to support."
    repair = Repair.SUPPORT


_BY_CODE = {failure.code: failure for failure in catalogue()}
