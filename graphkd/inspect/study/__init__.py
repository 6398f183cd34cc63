"""A fidelity study as figures, tables and a page."""
