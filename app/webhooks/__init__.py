"""Webhooks: what we tell others, and what others tell us, both signed as https://www.standardwebhooks.com says."""
