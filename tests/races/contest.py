"""Several processes on one database that want the same thing at the same moment, again and again.

Each process has the product to itself, as a replica has. Before every round they wait for each other at a barrier.
"""

import multiprocessing
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection as Pipe
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from world import World

from llmops.db.engine import connect
from llmops.errors import Failure

ROUNDS = 200
REPLICAS = 3
WON = "won"
_PATIENCE_SECONDS = 120

Attempt = Callable[[World, int, Any], str]
"""One try by replica number `int` at what this round's value names: "won", or the code of the refusal."""


def outcomes(world: World, attempt: Attempt, rounds: Sequence[Any]) -> list[list[str]]:
    """Let every replica try each round's value at the same moment; what each got, by round."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(REPLICAS)
    pipes, processes = [], []
    url = world.database.engine.url.render_as_string(hide_password=False)
    for number in range(REPLICAS):
        ours, theirs = context.Pipe(duplex=False)
        arguments = (url, world.folder, world.clock.now, barrier, theirs, attempt, number, rounds)
        process = context.Process(target=_replica, args=arguments, daemon=True)
        process.start()
        theirs.close()
        pipes.append(ours)
        processes.append(process)
    try:
        got = [_received(pipe) for pipe in pipes]
    finally:
        for process in processes:
            process.terminate()
            process.join()
    return [list(tries) for tries in zip(*got, strict=True)]


def _received(pipe: Pipe) -> list[str]:
    assert pipe.poll(_PATIENCE_SECONDS), "a replica did not finish"
    answer: list[str] = pipe.recv()
    return answer


def _replica(
    url: str,
    folder: Path,
    now: Any,
    barrier: Barrier,
    results: Pipe,
    attempt: Attempt,
    number: int,
    rounds: Sequence[Any],
) -> None:
    world = World(connect(url), folder)
    world.clock.now = now
    got = []
    for value in rounds:
        barrier.wait(_PATIENCE_SECONDS)
        try:
            got.append(attempt(world, number, value))
        except Failure as failure:
            got.append(failure.code)
    results.send(got)
    world.close()
    world.database.close()
