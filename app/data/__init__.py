"""Users' rows: schema and migrations, connections, routing by shard, and what keeps the tables in order."""
