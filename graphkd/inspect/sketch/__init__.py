"""A blueprint with problems, drawn as far as it can be read, each problem at what it concerns."""

from graphkd.inspect.sketch.make import Finding, Sketch, sketch

__all__ = ["Finding", "Sketch", "sketch"]
