"""Which servers this program calls is known, and written down for whoever sets up a network policy (NET-09)."""

import ast
from pathlib import Path

import pytest

pytestmark = pytest.mark.requirement("NET-09")
ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "llmops"
NETWORK = {"socket", "ssl", "smtplib", "http", "urllib.request", "httpx2", "httpcore2", "dns", "ftplib", "asyncio"}
KNOWN = {
    "base/fetch.py": "identity providers",
    "base/connecting.py": "identity providers",
    "base/dns.py": "name servers",
    "mail/smtp.py": "the mail relay",
    "cli/doctor.py": "the mail relay",
}
"""Where the network is used, and under which name the page lists where that leads."""
LISTENING = {"web/wire.py"}
"""Takes connections and opens none."""


def imported(path: Path) -> set[str]:
    """The modules of the network that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        found |= {name for name in names if name in NETWORK or name.split(".")[0] in NETWORK - {"urllib.request"}}
    return found


def test_no_other_file_opens_connections() -> None:
    """The database's driver does too; the demo, on its own machine, is not the product."""
    files = {str(path.relative_to(SOURCE)): imported(path) for path in SOURCE.rglob("*.py") if "demo" not in path.parts}
    assert {name for name, modules in files.items() if modules} - KNOWN.keys() - LISTENING == set()


def test_every_destination_is_on_the_page() -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    section = page.partition("## Calls that leave the server")[2].partition("\n## ")[0]
    for destination in {
        *KNOWN.values(),
        "PostgreSQL",
        "LLMOPS_OUTBOUND_PORTS",
        "LLMOPS_DNS_SERVERS",
        "LLMOPS_SMTP__HOST",
    }:
        assert destination in section, destination
