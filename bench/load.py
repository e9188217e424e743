"""Two replicas on one PostgreSQL under mixed traffic, and good sign-ins while somebody floods them with rubbish.

Seconds are on the wall: replicas, database, browsers and identity provider share this machine, so read shares and
ratios. `python -m bench load`.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median, quantiles

from support.postgres import postgres
from support.visitor import Visitor
from world import request_id_of

from bench import idp
from bench.replicas import Stage, staged

SECONDS, BROWSERS = 60.0, 6
MIX = {"page": 7, "sign-in": 2, "refused": 1}
_FLOOD_SHARE = 3  # a flood lasts a third of the traffic's time
_GOOD_BROWSERS = 2
_FROM_IDP = {"Origin": "https://idp.example.test", "Sec_Fetch_Site": "cross-site"}


@dataclass
class Tally:
    """Seconds that each kind of thing took, and what went wrong. Several threads add to it."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def run(self, kind: str, work: Callable[[], None]) -> None:
        """Do one thing. Whatever it raises is an answer that nobody planned."""
        began = time.monotonic()
        try:
            work()
        except Exception as problem:
            self.wrong.append(f"{kind}: {problem!r}"[:300])
        else:
            self.seconds.setdefault(kind, []).append(time.monotonic() - began)


def report(folder: Path, *, seconds: float = SECONDS, browsers: int = BROWSERS) -> Iterator[str]:
    """The lines of the page."""
    with postgres() as server, staged(folder, server.fresh()) as stage:
        tally = traffic(stage, seconds=seconds, mix=MIX, browsers=browsers)
        yield f"{seconds:g} s, {browsers} browsers at once; {len(tally.wrong)} answers nobody planned (target: 0).\n"
        yield "| kind | how many | a second | median, ms | p99, ms |"
        yield "| --- | --- | --- | --- | --- |"
        for kind, took in sorted(tally.seconds.items()):
            p99 = quantiles(took, n=100)[98] if len(took) > 1 else took[0]
            yield f"| {kind} | {len(took)} | {len(took) / seconds:.1f} | {1000 * median(took):.1f} | {1000 * p99:.1f} |"
        yield from (f"\n    {problem}" for problem in tally.wrong[:10])
        yield "\n## A flood\n"
        yield from _flood(stage, seconds=seconds / _FLOOD_SHARE)


def _flood(stage: Stage, *, seconds: float) -> Iterator[str]:
    """Good sign-ins alone, then beside a flood of refused messages."""
    signing_in = partial(traffic, stage, seconds=seconds, mix={"sign-in": 1}, browsers=_GOOD_BROWSERS)
    began = stage.spent_ms()
    quiet = signing_in()
    quiet_ms = stage.spent_ms() - began
    refused, ends = Tally(), threading.Event()
    flooder = threading.Thread(target=_rubbish, args=(stage, refused, ends))
    flooder.start()
    began = stage.spent_ms()
    loud = signing_in()
    loud_ms = stage.spent_ms() - began
    ends.set()
    flooder.join()
    alone, beside = (tally.seconds["sign-in"] for tally in (quiet, loud))
    each_ms = quiet_ms / len(alone)
    share = max(0.0, 1 - each_ms * len(beside) / loud_ms)
    yield (
        f"{len(refused.seconds['refused']) / seconds:.0f} refused messages a second took {100 * share:.0f} % of the"
        f" replicas' processor time. The median good sign-in went from {1000 * median(alone):.0f} to"
        f" {1000 * median(beside):.0f} ms, {median(beside) / median(alone):.2f} times (target: at most"
        f" {1 / (1 - share):.2f} times, which is the flood's share);"
        f" {len(quiet.wrong + loud.wrong + refused.wrong)} answers that nobody planned (target: 0)."
    )
    yield from (f"\n    {problem}" for problem in (quiet.wrong + loud.wrong + refused.wrong)[:10])


def traffic(stage: Stage, *, seconds: float, mix: dict[str, int], browsers: int) -> Tally:
    """Browsers that each do one thing after another, in these proportions, for so long."""
    tally, ends = Tally(), time.monotonic() + seconds
    threads = [threading.Thread(target=_browse, args=(stage, tally, mix, number, ends)) for number in range(browsers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return tally


def _browse(stage: Stage, tally: Tally, mix: dict[str, int], number: int, ends: float) -> None:
    dice = random.Random(number)
    with stage.visitor(f"198.18.{number}.251") as visitor:
        _sign_in(stage, visitor, person=number)
        turn = 0
        while time.monotonic() < ends:
            turn += 1
            kind = dice.choices(list(mix), weights=list(mix.values()))[0]
            if kind == "page":
                tally.run(kind, partial(_page, visitor))
            elif kind == "refused":
                tally.run(kind, partial(_refused, stage, visitor))
            else:
                with stage.visitor(f"198.18.{number}.{turn % 250}") as fresh:
                    tally.run(kind, partial(_sign_in, stage, fresh, person=number * 100 + turn % 100))


def _rubbish(stage: Stage, tally: Tally, ends: threading.Event) -> None:
    with stage.visitor("198.19.0.1") as visitor:
        while not ends.is_set():
            tally.run("refused", partial(_refused, stage, visitor))


def _page(visitor: Visitor) -> None:
    page = visitor.get("/")
    assert page.status == 200, f"{page.status} for the dashboard"


def _refused(stage: Stage, visitor: Visitor) -> None:
    page = visitor.post(stage.ours.acs_url, {"SAMLResponse": stage.stale, "RelayState": "login"}, **_FROM_IDP)
    assert "sso_error=login_unknown" in (page.location or ""), f"{page.status} to {page.location}"


def _sign_in(stage: Stage, visitor: Visitor, *, person: int) -> None:
    sent = visitor.submit(visitor.get("/login"), "/login/sso", email=f"person{person}@acme.test")
    answer = idp.response(stage.ours, request_id_of(sent.location or ""), person=person, now=datetime.now(UTC))
    page = visitor.post(stage.ours.acs_url, {"SAMLResponse": answer, "RelayState": "login"}, **_FROM_IDP)
    landed = visitor.follow(page)
    assert landed.status == 200, f"{landed.status} at {landed.url}"
    assert "sso_error" not in landed.url, landed.url
