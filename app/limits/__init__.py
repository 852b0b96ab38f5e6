"""How often anybody may ask: sliding windows in Redis, the same for all processes, and what holds without it."""
