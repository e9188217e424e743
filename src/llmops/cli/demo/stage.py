"""Everything the demo needs, started: database, server, identity provider, mailbox, and the example customers."""

import os
import secrets
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from llmops.broker import connections
from llmops.broker.connections import Kind
from llmops.cli.console import opened
from llmops.cli.demo import children, companies, idp
from llmops.cli.demo.children import HOST, Child
from llmops.cli.demo.companies import Company
from llmops.cli.demo.idp import IdentityProvider
from llmops.web.request import Site


@dataclass(frozen=True)
class Stage:
    """What runs, and where."""

    base_url: str
    idp_url: str
    mailbox_url: str
    companies: tuple[Company, ...]
    children: tuple[Child, ...]


def build(stack: ExitStack, folder: Path, *, port: int) -> Stage:
    """Start it all, side by side where nothing has to wait; `stack` stops it. Raises: PortTaken, DemoProgramFailed."""
    children.require_free(port)
    idp_port, page_port = children.free_port(port + 1), children.free_port(port + 2)
    smtp_port, base_url, mailbox_url = children.free_port(), f"http://{HOST}:{port}", f"http://{HOST}:{page_port}"
    environment = _settle(folder, base_url=base_url, smtp_port=smtp_port)

    def start(name: str, module: str, *arguments: str) -> Child:
        child = children.start(name, module, *arguments, environment=environment, folder=folder)
        stack.callback(child.stop)
        return child

    mailbox = start("mailbox", "llmops.cli.demo.mailbox", str(smtp_port), str(page_port))
    customers = companies.examples()
    with opened() as site:
        server = start("LLM Ops", "llmops", "serve", "--host", HOST, "--port", str(port))
        drafts = companies.found(site, customers)
        provider = idp.configured(
            [person for company in drafts for person in (company.owner, *company.staff)],
            redirect_uris=[connections.addresses(base_url, draft).redirect_uri for draft in drafts.values()],
            port=idp_port,
            folder=folder,
        )
        identity_provider = start("identity provider", idp.MODULE, *provider.arguments)
        identity_provider.wait_until_ready(provider.metadata_url)
        _connect(site, drafts, provider)
    server.wait_until_ready(f"{base_url}/healthz")
    mailbox.wait_until_ready(mailbox_url)
    return Stage(base_url, provider.url, mailbox_url, customers, (server, identity_provider, mailbox))


def _settle(folder: Path, *, base_url: str, smtp_port: int) -> Mapping[str, str]:
    """Put the demo's settings into the environment, for this process and those it starts, in place of any others.

    A developer's own LLMOPS_DATABASE_URL must not let the demo write into a real database.
    """
    for name in [name for name in os.environ if name.upper().startswith("LLMOPS_")]:
        del os.environ[name]
    data = folder / "data"
    data.mkdir()
    os.environ |= {
        "LLMOPS_ENV": "development",
        "LLMOPS_BASE_URL": base_url,
        "LLMOPS_DATA_DIR": str(data),
        "LLMOPS_DATABASE_URL": f"sqlite:///{data / 'llmops.sqlite3'}",
        "LLMOPS_SECRET_KEY": secrets.token_urlsafe(48),
        "LLMOPS_SMTP__HOST": HOST,
        "LLMOPS_SMTP__PORT": str(smtp_port),
        "LLMOPS_SMTP__SECURITY": "none",
        "LLMOPS_LOG_LEVEL": "warning",
        "LLMOPS_LOG_FORMAT": "console",
    }
    return dict(os.environ)


def _connect(site: Site, drafts: Mapping[Company, str], provider: IdentityProvider) -> None:
    for company, draft in drafts.items():
        if company.kind is Kind.GENERIC_SAML:
            companies.connect_saml(site, draft, metadata_url=provider.metadata_url)
        else:
            companies.connect_oidc(
                site, draft, issuer=provider.url, client_id=idp.CLIENT_ID, client_secret=provider.client_secret
            )
