"""The graph as a drawing: lanes, their places, the routes of arrows, and text forms."""
