"""`llmops work`: the worker alone, for when the replicas leave the jobs to it (LLMOPS_WORK=false)."""

import signal
from typing import Annotated

import structlog
import typer

from llmops.app import worker_of
from llmops.base import logs
from llmops.cli.console import opened

log = structlog.stdlib.get_logger("llmops.jobs")

_ENDS = {signal.SIGTERM, signal.SIGINT}


def work(
    once: Annotated[bool, typer.Option("--once", help="Do what is due now, then end: for cron.")] = False,
) -> None:
    """Deliver letters, look at other servers, do what runs by the clock; until SIGTERM or Ctrl-C.

    Then it finishes the job at hand and ends with status 0. It serves no page and listens nowhere.
    """
    with opened() as site:
        logs.configure(level=site.settings.log_level, form=site.settings.log_format)
        worker = worker_of(site)
        if once:
            tasks, jobs = worker.run_due(), worker.work_once()
            log.info("work done", tasks=tasks, jobs=jobs)
            return
        # Blocked before the thread starts, so that the signal waits for `sigwait` and interrupts no job.
        signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)
        worker.start()
        log.info("work begins")
        received = signal.sigwait(_ENDS)
        worker.stop()
        log.info("work ends", signal=signal.Signals(received).name)
        site.fetch.close()
