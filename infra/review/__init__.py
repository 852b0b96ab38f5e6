"""`headroom review`: what a change would do to every stack, what it would cost, and whether data holds."""
