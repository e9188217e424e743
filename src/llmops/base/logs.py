"""Structured logs: one JSON object a line in production, readable text in development.

Only named fields are logged, never bodies, tokens or cookies (SEC-04). Line breaks and terminal codes in values are
escaped by the renderers (SEC-06).
"""

import logging
import sys

import structlog


def configure(*, level: str, form: str) -> None:
    """Set up logging for this process: `form` is "json" or "console", output goes to stdout."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stdout.isatty(),
            exception_formatter=structlog.dev.plain_traceback,  # the rich one prints local variables: secrets too
        )
    )
    logging.getLogger("signxml").setLevel(logging.INFO)  # at DEBUG it writes whole messages (SEC-04)
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", key="ts", utc=True),
            *([structlog.processors.format_exc_info] if form == "json" else []),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.PrintLoggerFactory(),
        cache_logger_on_first_use=True,
    )
