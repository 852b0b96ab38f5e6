"""What every role of the container has: health, metrics, logs, request ids, errors, and a way to stop."""
