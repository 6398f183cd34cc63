"""What differs between two graphs, in words and drawn."""
