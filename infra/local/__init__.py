"""The local cloud: providers of our own between the real engine and moto, and the process that holds them."""
