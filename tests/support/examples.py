"""How many examples a property test tries: a few that are always the same, or as many as EXAMPLES says, by chance.

A night's search: `EXAMPLES=100000 .venv/bin/python -m pytest -k mutations`.
"""

import os

from hypothesis import HealthCheck, settings

_VARIABLE = "EXAMPLES"


def examples(usual: int) -> settings:
    """The settings of one property: `usual` examples in every run, more only where somebody asks for them."""
    return settings(
        max_examples=int(os.environ.get(_VARIABLE, usual)),
        derandomize=_VARIABLE not in os.environ,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
