"""Code of our Lambda functions; each file runs alone in AWS."""
