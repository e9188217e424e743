"""LLM Ops: how a whole company gets in."""

__version__ = "0.1.0"
