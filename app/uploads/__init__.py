"""Files of users: straight into the bucket and out of it, by requests that were signed for them."""
