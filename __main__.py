"""What `pulumi up` runs."""

import pulumi

from infra.errors import UserError
from stacks.platform import program


async def main() -> None:
    """Run the program; a mistake in the configuration ends as a message, not as a traceback."""
    try:
        await program()
    except UserError as error:
        raise pulumi.RunError(str(error)) from None


pulumi.run(main)
