"""Three tiers before the database: this process, Redis, the loader; Redis may be gone at any time."""
