"""Read an issuer's discovery document into a Provider, to be stored: no sign-in waits for discovery."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal, cast
from urllib.parse import parse_qsl, urlsplit

from llmops.broker.oidc.keys import ALGORITHMS
from llmops.broker.oidc.vendors import entra_tenant
from llmops.broker.oidc.wire import BadJson, Fetch, is_json, json_object
from llmops.errors import OidcDiscoveryInvalid

REDIRECT_LIMIT = 3
ADDRESS_LIMIT = 2000
"""Characters of an address that an identity provider names."""
NO_DOCUMENT = "no discovery document at this address"
ClientAuth = Literal["client_secret_basic", "client_secret_post"]
_REQUEST_PARAMETERS = {
    *("response_type", "response_mode", "client_id", "redirect_uri", "scope", "state", "nonce"),
    *("code_challenge", "code_challenge_method", "request", "request_uri", "prompt"),
}


@dataclass(frozen=True)
class Provider:
    """What we keep of a discovery document. `algorithms` are fixed here, before any token is seen.

    `sends_iss`: it announces the response parameter `iss` (RFC 9207). `takes_claims`: it heeds the request
    parameter `claims` (OIDC Core §5.5). `warnings` are sentences for the
    administrator who sets the connection up.
    """

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    end_session_endpoint: str | None
    algorithms: tuple[str, ...]
    client_auth: ClientAuth
    sends_iss: bool
    takes_claims: bool = False
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """A form that JSON can hold; `from_dict` reads it back."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @staticmethod
    def from_dict(stored: Mapping[str, object]) -> "Provider":
        """The provider that `to_dict` wrote. What somebody else wrote goes through `read`."""
        lists = {name: tuple(cast(list[str], stored[name])) for name in ("algorithms", "warnings")}
        return Provider(**{**stored, **lists})  # type: ignore[arg-type]  # JSON that to_dict made


def document_url(issuer: str) -> str:
    """Where an issuer keeps its document. Source: Discovery 1.0 §4 (one final slash is removed here only)."""
    return issuer.removesuffix("/") + "/.well-known/openid-configuration"


def fetch(issuer: str, fetcher: Fetch, *, allow_http: bool = False) -> Provider:
    """Get and read the discovery document of `issuer`, the issuer exactly as typed.

    Raises: OidcDiscoveryInvalid, OutboundFailure.
    """
    check_issuer(issuer, allow_http=allow_http)
    url = document_url(issuer)
    answer = fetcher("GET", url, headers={"Accept": "application/json"}, redirects=REDIRECT_LIMIT)
    if answer.status != 200 or not is_json(answer):
        raise OidcDiscoveryInvalid(
            problem=NO_DOCUMENT,
            url=url,
            status=answer.status,
            content_type=answer.content_type,
        )
    return read(answer.body, issuer=issuer, allow_http=allow_http)


def read(body: bytes, *, issuer: str, allow_http: bool = False) -> Provider:
    """Check a discovery document and keep what we use. `allow_http` is for development.

    Raises: OidcDiscoveryInvalid.
    Source: Discovery 1.0 §3, 4.3; RFC 8414 §3.3; OIDC-16, OIDC-18.
    """
    check_issuer(issuer, allow_http=allow_http)
    try:
        document = json_object(body)
    except BadJson as error:
        raise OidcDiscoveryInvalid(problem=str(error)) from error
    # The whole text, no slash repaired: a prefix of another issuer is another issuer.
    if document.get("issuer") != issuer:
        raise OidcDiscoveryInvalid(problem="another issuer", seen=document.get("issuer"), expected=issuer)
    if "code" not in _texts(document, "response_types_supported"):
        raise OidcDiscoveryInvalid(problem="the authorization code flow is not offered")
    pkce = _texts(document, "code_challenge_methods_supported")
    authorization_endpoint = _endpoint(document, "authorization_endpoint", allow_http=allow_http)
    _check_query(authorization_endpoint)
    return Provider(
        issuer=issuer,
        authorization_endpoint=authorization_endpoint,
        token_endpoint=_endpoint(document, "token_endpoint", allow_http=allow_http),
        jwks_uri=_endpoint(document, "jwks_uri", allow_http=allow_http),
        userinfo_endpoint=_optional(document, "userinfo_endpoint", allow_http=allow_http),
        end_session_endpoint=_optional(document, "end_session_endpoint", allow_http=allow_http),
        algorithms=_algorithms(document),
        client_auth=_client_auth(document),
        sends_iss=document.get("authorization_response_iss_parameter_supported") is True,
        takes_claims=document.get("claims_parameter_supported") is True,
        warnings=() if "S256" in pkce else ("The document does not list PKCE with S256; we use it all the same.",),
    )


def moved(stored: Provider, fresh: Provider) -> tuple[str, ...]:
    """The endpoints that went to another host: such a change waits for an administrator (OIDC-16)."""
    names = (
        "authorization_endpoint",
        "token_endpoint",
        "jwks_uri",
        "userinfo_endpoint",
        "end_session_endpoint",
    )
    return tuple(name for name in names if _origin(getattr(stored, name)) != _origin(getattr(fresh, name)))


def check_issuer(issuer: str, *, allow_http: bool) -> None:
    """Refuse what cannot be an issuer: no query or fragment, and one company's only.

    Raises: OidcDiscoveryInvalid. Source: OIDC Core §2 (iss), Discovery 1.0 §3.
    """
    problem = _url_problem(issuer, allow_http=allow_http)
    if problem or "?" in issuer:
        raise OidcDiscoveryInvalid(problem=f"issuer: {problem or 'has a query'}", seen=issuer)
    entra_tenant(issuer)


def _endpoint(document: Mapping[str, object], name: str, *, allow_http: bool) -> str:
    url = document.get(name)
    problem = _url_problem(url, allow_http=allow_http) if isinstance(url, str) else "missing"
    if problem or not isinstance(url, str):
        raise OidcDiscoveryInvalid(problem=f"{name}: {problem}", seen=url)
    return url


def _optional(document: Mapping[str, object], name: str, *, allow_http: bool) -> str | None:
    return None if document.get(name) is None else _endpoint(document, name, allow_http=allow_http)


def _url_problem(url: str, *, allow_http: bool) -> str | None:
    """What is wrong with an address that the identity provider names, or None. Browsers are sent there."""
    if len(url) > ADDRESS_LIMIT:
        return f"longer than {ADDRESS_LIMIT} characters"
    if not url.isascii() or any(character <= " " or character == "\x7f" or character == "\\" for character in url):
        return "has characters that an address cannot have"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "not an address"
    if parts.scheme != "https" and not (allow_http and parts.scheme == "http"):
        return "not https"
    if not host or "@" in parts.netloc or "#" in url:
        return "has no host, or a user or fragment"
    return None


def _check_query(authorization_endpoint: str) -> None:
    # A document that presets our own parameters could change what we ask for, for example to another flow.
    preset = {name for name, _ in parse_qsl(urlsplit(authorization_endpoint).query, keep_blank_values=True)}
    if preset & _REQUEST_PARAMETERS:
        raise OidcDiscoveryInvalid(problem="authorization_endpoint: presets parameters", seen=authorization_endpoint)


def _algorithms(document: Mapping[str, object]) -> tuple[str, ...]:
    offered = _texts(document, "id_token_signing_alg_values_supported")
    usable = tuple(name for name in ALGORITHMS if name in offered)
    if not usable:
        raise OidcDiscoveryInvalid(
            problem="no ID token signature that is safe",
            seen=" ".join(offered),
            expected=" ".join(ALGORITHMS),
        )
    return usable


def _client_auth(document: Mapping[str, object]) -> ClientAuth:
    """How we show the client secret. Source: Discovery 1.0 §3 (basic when the document does not say)."""
    name = "token_endpoint_auth_methods_supported"
    offered = _texts(document, name) if name in document else ("client_secret_basic",)
    if "client_secret_basic" in offered:
        return "client_secret_basic"
    if "client_secret_post" in offered:
        return "client_secret_post"
    raise OidcDiscoveryInvalid(problem="the token endpoint takes no client secret", seen=" ".join(offered))


def _texts(document: Mapping[str, object], name: str) -> tuple[str, ...]:
    values = document.get(name, [])
    if not isinstance(values, list):
        raise OidcDiscoveryInvalid(problem=f"{name}: not a list")
    return tuple(value for value in values if isinstance(value, str))


def _origin(url: str | None) -> tuple[str, str] | None:
    return None if url is None else (urlsplit(url).scheme, urlsplit(url).netloc.lower())
