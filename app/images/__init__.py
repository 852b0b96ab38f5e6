"""Pictures that users made public, in the sizes that pages ask for: the role `images`."""
