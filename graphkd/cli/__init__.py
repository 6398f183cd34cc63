"""The command line."""

from graphkd.cli.app import main

__all__ = ["main"]
