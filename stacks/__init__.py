"""The phases as data, and the one assembly that turns a phase into components."""
