"""Runs of several blueprints beside each other."""
