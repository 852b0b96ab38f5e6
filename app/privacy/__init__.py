"""What users may ask about their own data: a copy, and its end. And who did what, which nobody can change."""
