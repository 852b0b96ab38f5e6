"""Jobs: what is done after an answer, by whoever reads the queues."""
