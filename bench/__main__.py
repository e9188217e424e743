"""`python -m bench`: measure, print, and write docs/benchmarks.md. `load` and `scale` take longer and have own pages.

With other numbers than the usual ones (`python -m bench load --seconds 6`) the page is printed only.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from support.postgres import postgres
from world import World

from bench import idp, inside, load, scale, walk
from bench.installation import Installation, bare, installed
from bench.measure import Figure, resident_mib
from llmops.base import logs
from llmops.broker.connections import Addresses
from llmops.db.engine import connect
from llmops.migrations import history

DOCS = Path(__file__).parents[1] / "docs"
CROWD, WARM_UP, ROUNDS, PAGES = 25, 3, 17, 20  # 500 sign-ins of 50 people, so the first two rounds make accounts


def main() -> None:
    """Do what the command line says."""
    logs.configure(level="error", form="json")
    asked = _asked()
    options = {name: value for name, value in vars(asked).items() if name not in ("what", "usual")}
    if asked.what is None:
        single()
    elif asked.what == "load":
        _long("load", load.report, options, keep=options == asked.usual)
    else:
        _long("scale", scale.report, options, keep=options == asked.usual)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure the product on this machine.")
    kinds = parser.add_subparsers(dest="what")
    of_load = {"seconds": load.SECONDS, "browsers": load.BROWSERS}
    of_scale = {"small": scale.SMALL, "large": scale.LARGE}
    for what, usual, sentence in (
        ("load", of_load, "two replicas under mixed traffic, and a flood: two minutes"),
        ("scale", of_scale, "a sign-in among 100 and among 100,000 connections: ten minutes"),
    ):
        kind = kinds.add_parser(what, help=sentence)
        kind.set_defaults(usual=usual)
        for name, value in usual.items():
            kind.add_argument(f"--{name}", type=type(value), default=value)
    return parser.parse_args()


def _long(what: str, report: Callable[..., Iterator[str]], options: dict[str, float], *, keep: bool) -> None:
    """Print what takes long, and write it to a page of its own if it was measured with the usual numbers."""
    version = ".".join(str(part) for part in sys.version_info[:3])
    machine = f"CPython {version}, {os.cpu_count()} shared cores, {datetime.now(UTC):%d %B %Y}."
    head = [f"# Benchmarks: {what}\n", f"<!-- Written by `make bench ARGS={what}`. -->\n", f"{machine}\n"]
    with tempfile.TemporaryDirectory(prefix="llmops-bench-") as name:
        page = "\n".join([*head, *report(Path(name), **options)]) + "\n"
    if keep:
        (DOCS / f"benchmarks-{what}.md").write_text(page, encoding="utf-8")
    sys.stdout.write(page)


def single() -> None:
    """One person's sign-in and pages, memory and start, in a few minutes."""
    with tempfile.TemporaryDirectory(prefix="llmops-bench-") as name:
        folder = Path(name)
        verify_ms, verify_floor_ms = inside.saml_response()
        figures = [Figure("verify one Response of 7.5 KB", "ms", 1.0, verify_ms, verify_floor_ms, _VERIFY_FLOOR)]
        figures += _session(folder)
        steps: dict[str, list[float]] = {}
        figures += _over_http("SQLite", f"sqlite:///{folder}/login.sqlite3", folder, 3.0, verify_floor_ms, steps)
        with postgres() as server:
            figures += _over_http("PostgreSQL", server.fresh(), folder, 5.0, verify_floor_ms, steps)
        seconds, floor = inside.importing()
        figures.append(Figure("import of the server", "s", 0.6, seconds, floor, _IMPORT_FLOOR))
    report = "\n".join(_report(figures, steps)) + "\n"
    (DOCS / "benchmarks.md").write_text(report, encoding="utf-8")
    sys.stdout.write(report)


_VERIFY_FLOOR = "parse, 2 × (2 C14N, SHA-256, RSA verify)"
_IMPORT_FLOOR = "import of Starlette, SQLAlchemy ORM, pydantic, lxml"
_LOGIN_FLOOR = "bare server answering the same requests, and the verification's floor"


def _session(folder: Path) -> list[Figure]:
    database = connect(f"sqlite:///{folder}/session.sqlite3")
    history.upgrade(database)
    world = World(database, folder / "session")
    measured, floor = inside.session_check(world)
    world.close()
    database.close()
    return [Figure("session check", "ms", 0.15, measured, floor, "AES-GCM of as many bytes")]


def _over_http(
    name: str, url: str, folder: Path, target_ms: float, verify_floor_ms: float, steps: dict[str, list[float]]
) -> list[Figure]:
    """The whole sign-in and the dashboard, on one database, in turns with the bare server."""
    with installed(url, folder / name) as at, bare(folder) as floor_server:
        rounds, floors = _rounds(at, floor_server.process.pid, floor_server.url)
        memory, bare_memory = resident_mib(at.pid), resident_mib(floor_server.process.pid)
        owner = walk.owner(at)
        pages = [walk.dashboard(owner, at.pid, times=CROWD) for _ in range(PAGES)]
    steps[name] = [median(column) for column in zip(*rounds, strict=True)]
    counted = [sum(each[1:]) for each in rounds]  # GET /login is before the sign-in begins
    floor_ms = median(sum(each[1:]) for each in floors) + verify_floor_ms
    page_floor_ms = median(each[-1] for each in floors)
    sign_ins = CROWD * (WARM_UP + ROUNDS)
    return [
        Figure(f"whole SAML sign-in, {name}", "ms", target_ms, median(counted), floor_ms, _LOGIN_FLOOR),
        Figure(f"dashboard of an owner, {name}", "ms", 3.0, median(pages), page_floor_ms, "bare server, one request"),
        Figure(f"memory after {sign_ins} sign-ins, {name}", "MiB", 120.0, memory, bare_memory, "bare server"),
    ]


def _rounds(at: Installation, bare_pid: int, bare_url: str) -> tuple[list[list[float]], list[list[float]]]:
    """The steps of each round after the warm-up, and those of the bare server, in turns."""
    visitors, floor_visitors = walk.crowd(at.server.url, CROWD), walk.crowd(bare_url, CROWD)
    here = Addresses(at.ours.acs_url, at.ours.sp_entity_id, at.ours.sp_metadata_url, "")
    encoded = idp.response(here, "_" + "0" * 40, person=1, now=datetime.now(UTC))
    rounds, floors = [], []
    for number in range(WARM_UP + ROUNDS):
        rounds.append(walk.sign_in(visitors, at, first_person=CROWD * (number % 2)))
        floors.append(walk.same_requests(floor_visitors, bare_pid, encoded))
    return rounds[WARM_UP:], floors[WARM_UP:]


def _report(figures: list[Figure], steps: dict[str, list[float]]) -> Iterator[str]:
    version = ".".join(str(part) for part in sys.version_info[:3])
    yield "# Benchmarks\n"
    yield (
        "<!-- Written by `make bench`. -->\n\nProcessor time of the server's process (not the wall clock), medians,"
        f" CPython {version}, {os.cpu_count()} shared cores, {datetime.now(UTC):%d %B %Y}. Other programs on the"
        " machine move the absolute figures by tens of percent; each stands beside its floor from the same run, so read"
        " the ratios.\n"
    )
    yield "| what | target | measured | floor | × floor | verdict | the floor is |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for figure in figures:
        yield (
            f"| {figure.name} | {figure.target:g} {figure.unit} | {figure.measured:.2f} | {figure.floor:.3g}"
            f" | {figure.ratio:.1f} | {figure.verdict} | {figure.floor_is} |"
        )
    yield "\n## Where a sign-in's time goes\n"
    yield "| request | " + " | ".join(f"{name}, ms" for name in steps) + " |"
    yield "| --- |" + " --- |" * len(steps)
    for number, step in enumerate(walk.STEPS):
        yield f"| `{step}` | " + " | ".join(f"{values[number]:.2f}" for values in steps.values()) + " |"
    yield (
        "\nA sign-in is counted from `POST /login/sso` to the dashboard's answer; the identity provider signs outside."
        " Later sign-ins of 50 people through one SAML connection, response and assertion signed; 25 browsers send each"
        " step one after the other. With pauses between the requests each takes two to three times as long, on the bare"
        " server too: an idle processor begins with cold caches."
    )


main()
