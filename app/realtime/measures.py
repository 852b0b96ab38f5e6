"""What the sockets of a process tell Prometheus."""

from __future__ import annotations

from app.ops.metrics import Counter, Gauge, Histogram

DELIVERY_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Upper bounds; 50 ms is what is promised."""

connections = Gauge("ws_connections", "Sockets that are open, those that are not authenticated yet among them.")
topics = Gauge("ws_topics", "Channels of Redis that this process hears.")
queued = Gauge("ws_queued_messages", "Messages that wait for their readers.")
dropped = Counter("ws_dropped_messages_total", "Messages that a closed socket did not get.")
received = Counter("ws_received_messages_total", "Messages of clients.", ("type",))
refused = Counter("ws_refused_total", "Handshakes that were refused.", ("code",))
closed = Counter("ws_closed_total", "Sockets that the server closed.", ("reason",))
unpublished = Counter("ws_unpublished_messages_total", "Messages that Redis did not take.")
gaps = Counter("ws_gaps_total", "Channels that may have missed messages.")
delivery = Histogram(
    "ws_delivery_seconds",
    "From publishing, by the publisher's clock, until the socket's buffer has it.",
    bounds=DELIVERY_SECONDS,
)
