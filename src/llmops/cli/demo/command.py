"""The command: build the stage, walk in twice, say what there is to try, and clear up whatever happens."""

import importlib.util
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from llmops.cli.demo import stage, story, walk
from llmops.cli.demo.children import Child, require_free
from llmops.cli.demo.companies import Company
from llmops.cli.demo.stage import Stage
from llmops.cli.demo.walk import Walker
from llmops.errors import DemoNotInstalled

_PACKAGES = ("nanoidp", "aiosmtpd")

Port = Annotated[int, typer.Option(min=1, max=65533, help="Port of LLM Ops; the others take the next two.")]
Once = Annotated[bool, typer.Option("--once", help="End after the two sign-ins: status 0 if both were good.")]


def demo(port: Port = 8000, once: Once = False) -> None:
    """Try LLM Ops on this machine: with an identity provider, a mailbox and example customers, all thrown away."""
    missing = [package for package in _PACKAGES if importlib.util.find_spec(package) is None]
    if missing:
        raise DemoNotInstalled(missing=", ".join(missing))
    require_free(port)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)  # SIGINT too: shells let programs in the background ignore it
    try:
        with ExitStack() as stack:
            typer.echo("Starting LLM Ops, an identity provider and a mailbox …")
            folder = tempfile.TemporaryDirectory(prefix="llmops-demo-", ignore_cleanup_errors=True)
            built = stage.build(stack, Path(stack.enter_context(folder)), port=port)
            good = [_walk_in(built, company) for company in built.companies if company.kind is not None]
            if once:
                sys.exit(0 if all(good) else 1)
            typer.echo(story.summary(built))
            _watch(built.children)
    except KeyboardInterrupt:
        typer.echo("\nStopped. Nothing of the demo is left.")


def _walk_in(built: Stage, company: Company) -> bool:
    """Let the first of the company's staff sign in, and say how it went."""
    person = company.staff[0]
    typer.echo(story.before(company, person))
    with Walker(lambda hop: typer.echo(story.line(hop))) as walker:
        page = walk.sign_in(walker, built.base_url, email=person.email, password=person.password)
    wrong = walk.problems(page, built.base_url, company=company.name, name=person.name, email=person.email)
    typer.echo(story.after(company, person, wrong))
    return not wrong


def _watch(children: Sequence[Child]) -> NoReturn:
    """Wait for Ctrl-C. Raises: DemoProgramFailed, when one of the programs ends before."""
    while True:
        for child in children:
            if not child.running:
                raise child.failure()
        time.sleep(0.5)


def _interrupt(*_: object) -> NoReturn:
    """Ctrl-C, being told to end and losing the terminal are the same to us."""
    raise KeyboardInterrupt
