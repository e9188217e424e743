"""Let Atheris search one target: `python tests/fuzz/search.py NAME SECONDS [FOLDER]`. Finds are kept in the folder.

Source: Atheris, which drives libFuzzer with the coverage of the Python code.
"""

import hashlib
import sys
import tempfile
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[1]))

with atheris.instrument_imports(include=["llmops"]):
    from fuzz.targets import TARGETS, judge

_MEGABYTES = 4096  # libFuzzer counts the peak of the process that started it, too
_INSTRUMENTED_SECONDS = 5.0  # instruments slow the code, and the machine may be busy: hangs are found, not jitter


def main(name: str, seconds: int, folder: Path) -> None:
    """Search, and end with a status that is not 0 when something was found."""
    target = TARGETS[name]
    corpus = folder / name
    corpus.mkdir(parents=True, exist_ok=True)
    for seed in target.seeds:
        (corpus / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
    options = [f"-max_total_time={seconds}", f"-rss_limit_mb={_MEGABYTES}", f"-artifact_prefix={folder}/found-{name}-"]
    arguments = [sys.argv[0], str(corpus), *options, "-max_len=8192", "-verbosity=0", "-print_final_stats=1"]
    atheris.Setup(arguments, lambda data: judge(target, data, slowest_seconds=_INSTRUMENTED_SECONDS) and None)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3] if len(sys.argv) > 3 else tempfile.mkdtemp()))
