"""WebSockets: users' own channels, rooms, presence. Redis carries messages between processes; the database keeps."""
