"""A run as a page that is written anew while it goes on."""
