"""Measurements of speed: the schedule beside plain loops and other frameworks."""
