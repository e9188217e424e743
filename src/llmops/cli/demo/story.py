"""What the demo says: each hop of a walk, how it ended, and what there is to try."""

from llmops.broker.connections import Kind
from llmops.cli.demo.companies import Company, Person
from llmops.cli.demo.stage import Stage
from llmops.cli.demo.walk import Hop
from llmops.plans import ALLOWANCES

_PROTOCOLS = {Kind.GENERIC_SAML: "SAML", Kind.GENERIC_OIDC: "OpenID Connect"}


def before(company: Company, person: Person) -> str:
    """The headline of a walk."""
    return f"\n{person.name} of {company.name} signs in for the first time, by {_protocol(company)}"


def line(hop: Hop) -> str:
    """One hop: method, address, status, and what it meant."""
    return f"  {hop.method:<4} {hop.short_url:<47} {hop.status}  {hop.meaning}"


def after(company: Company, person: Person, problems: list[str]) -> str:
    """How a walk ended."""
    if problems:
        return f"  ✗ It did not work: {'; '.join(problems)}"
    return f"  ✓ {person.name} is on the dashboard of {company.name}, with a new account"


def summary(stage: Stage) -> str:
    """Addresses, people with their passwords, and what to try."""
    return f"""
LLM Ops is running. Stop it with Ctrl-C.

  LLM Ops            {stage.base_url}
  Letters            {stage.mailbox_url}
  Identity provider  {stage.idp_url}

{"".join(_people(company) for company in stage.companies)}
Try
  Email and password    as an owner.
  Enterprise SSO        as somebody marked «new»: the account is made at the first sign-in.
  Taking over           SSO as an owner: the account has a password, so a letter asks for proof first.
  No SSO in the plan    SSO as {_owner(stage, 2)}.
  Nothing connected     SSO as {_owner(stage, 3)}.
  The wrong person      begin SSO with an address of one company and sign in as somebody of the other.
  Your own company      Sign up with any address that ends in .test; then read your letters.
  The identity provider remembers who signed in: a private window, or {stage.idp_url}/logout, forgets.
"""


def _people(company: Company) -> str:
    how = f"signs in by {_protocol(company)}" if company.kind else "has no connection"
    title = f"  {company.name} · {ALLOWANCES[company.plan].title} plan · {how}\n"
    rows = [(company.owner, "owner")] + [(person, "new") for person in company.staff[1:]]
    rows += [(person, "was here before") for person in company.staff[:1]]
    return title + "".join(f"    {person.email:<20} {person.password:<22} {note}\n" for person, note in rows)


def _protocol(company: Company) -> str:
    return _PROTOCOLS[company.kind] if company.kind else "password"


def _owner(stage: Stage, number: int) -> str:
    return stage.companies[number].owner.email
