"""`python -m llmops` is `llmops`."""

from llmops.cli.main import main

main()
