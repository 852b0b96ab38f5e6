"""Versions, in order: each only adds to what the image before it still uses."""
