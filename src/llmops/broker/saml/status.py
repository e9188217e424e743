"""samlp:Status: did the identity provider sign the person in, and if not, whose repair is it."""

import re
from dataclasses import dataclass

from lxml import etree

from llmops.broker.saml import names, xml
from llmops.broker.saml.names import samlp
from llmops.errors import Failure, IdpConfig, IdpDenied, IdpError, IdpUnavailable, UserNotAssigned

_BY_SECOND_LEVEL: dict[str, type[Failure]] = {
    "AuthnFailed": IdpDenied,
    "NoPassive": IdpDenied,
    "RequestDenied": UserNotAssigned,
    "UnknownPrincipal": UserNotAssigned,
    "InvalidNameIDPolicy": IdpConfig,
    "NoAuthnContext": IdpConfig,
    "RequestUnsupported": IdpConfig,
    "UnsupportedBinding": IdpConfig,
    "InvalidAttrNameOrValue": IdpConfig,
    "UnknownAttrProfile": IdpConfig,
    "ResourceNotRecognized": IdpConfig,
    "TooManyResponses": IdpConfig,
    "RequestVersionDeprecated": IdpConfig,
    "RequestVersionTooHigh": IdpConfig,
    "RequestVersionTooLow": IdpConfig,
    "NoAvailableIDP": IdpUnavailable,
    "NoSupportedIDP": IdpUnavailable,
    "ProxyCountExceeded": IdpUnavailable,
}

# Entra writes its own number into StatusMessage, which says more than its status codes.
# Source: Microsoft identity platform, "Microsoft Entra authentication and authorization error codes".
_BY_AADSTS: dict[str, type[Failure]] = {
    "50105": UserNotAssigned,  # the person is not assigned to the application
    "50020": UserNotAssigned,  # an account of another tenant
    "50034": UserNotAssigned,  # no such account in the tenant
    "53000": IdpDenied,  # conditional access: device not compliant
    "53003": IdpDenied,  # conditional access
    "65004": IdpDenied,  # the person declined consent
    "70044": IdpDenied,  # the session has expired
    "50011": IdpConfig,  # reply URL is not registered
    "650056": IdpConfig,  # misconfigured application
    "700016": IdpConfig,  # no application with our entity ID
    "75011": IdpConfig,  # authentication method does not match the requested one
    "75016": IdpConfig,  # NameIDPolicy
    "90033": IdpUnavailable,  # a service is temporarily unavailable
}
_AADSTS = re.compile(r"AADSTS([0-9]{4,7})")
_MESSAGE_CHARACTERS = 300


@dataclass(frozen=True)
class Status:
    """Codes and message, as they arrived; the message is untrusted text."""

    codes: tuple[str, ...]
    message: str

    @property
    def success(self) -> bool:
        """Whether the top-level code is exactly Success. Source: Core 2.0 §3.2.2.2."""
        return self.codes[0] == names.SUCCESS


def read(response: etree._Element) -> Status:
    """The Status of a Response whose structure was checked."""
    status = response.find(samlp("Status"))
    assert status is not None
    codes: list[str] = []
    code = status.find(samlp("StatusCode"))
    while code is not None:
        codes.append(code.get("Value", ""))
        code = code.find(samlp("StatusCode"))
    message = status.find(samlp("StatusMessage"))
    return Status(tuple(codes), "" if message is None else xml.text(message))


def failure(status: Status) -> Failure:
    """What a status that is not Success means to people. The status may be unsigned: it can only refuse.

    Source: Core 2.0 §3.2.2.2 (codes); SAML-30.
    """
    second = status.codes[1].removeprefix(names.STATUS) if len(status.codes) > 1 else ""
    kind = _BY_SECOND_LEVEL.get(second)
    aadsts = _AADSTS.search(status.message[:_MESSAGE_CHARACTERS])
    if aadsts is not None:
        kind = _BY_AADSTS.get(aadsts[1], kind)
    return (kind or IdpError)(
        check="status",
        seen=" ".join(status.codes),
        expected=names.SUCCESS,
        status_message=status.message[:_MESSAGE_CHARACTERS],
        aadsts=aadsts[1] if aadsts else "",
    )
