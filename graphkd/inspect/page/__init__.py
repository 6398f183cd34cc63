"""A blueprint as one page to look around in."""
