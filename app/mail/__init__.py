"""Mail by SES: what is sent at most once, and what came back."""
