"""Recovery procedures: restore a database, let a copy take over, renew a secret."""
