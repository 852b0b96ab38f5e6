"""The building blocks: one ComponentResource a file, each with its alarms."""
