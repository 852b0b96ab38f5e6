"""Growth: what carrying a stack from one phase to another would do, in which steps, and how long it takes."""
