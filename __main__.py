"""What `pulumi up` runs."""

import gc

import pulumi

from infra.errors import UserError
from stacks.platform import program

# Everything that a program makes lives until its end, which is near: see infra/uncollected.py.
gc.disable()


async def main() -> None:
    """Run the program; a mistake in the configuration ends as a message, not as a traceback."""
    try:
        await program()
    except UserError as error:
        raise pulumi.RunError(str(error)) from None


pulumi.run(main)
