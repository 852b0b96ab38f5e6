"""After an update that was cut short: bring Pulumi's state and the cloud together again."""
