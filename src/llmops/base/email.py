"""E-mail addresses: read strictly, compared in one form."""

from email_validator import EmailNotValidError, validate_email

from llmops.errors import InvalidEmail


def normalise(text: str) -> str:
    """The address in the form in which it is stored and compared: lower case, domain as A-labels.

    One @, no quoted or comment forms, no control characters, a domain with a dot. Domains that cannot be on the
    public internet, such as `acme.test`, are allowed: companies have them. Raises: InvalidEmail.

    Source: TEN-06; RFC 5321 §4.1.2, RFC 5891.
    """
    typed = text.strip(" \t\r\n")
    try:
        parsed = validate_email(
            typed,
            strict=True,
            check_deliverability=False,
            allow_smtputf8=False,
            globally_deliverable=False,
            test_environment=True,
        )
    except EmailNotValidError as error:
        raise InvalidEmail(seen=typed[:100], problem=type(error).__name__) from None
    local, domain = parsed.local_part, parsed.ascii_domain
    top = domain.rpartition(".")[2]
    if "." not in domain or domain.startswith("[") or top.isdigit():  # an IP address is nobody's domain
        raise InvalidEmail(seen=typed[:100])
    if "#ext#" in local.lower():  # Entra's guests: not an address
        raise InvalidEmail(seen=typed[:100])
    return f"{local}@{domain}".lower()


def domain_of(address: str) -> str:
    """The domain of a normalised address."""
    return address.rpartition("@")[2]
