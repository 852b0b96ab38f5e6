"""The account around the stacks: what must be there before the first one, what it allows, what somebody has changed."""
