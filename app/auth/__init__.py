"""Who is asking: passwords, sessions, tokens, second factors, and what a browser may send on a user's behalf."""
