"""Measures the product on this machine: `make bench`. Every figure stands beside its floor, measured in the same run.

The identity provider and the browser are played by what plays them in the tests, so those modules are on the path.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
