"""`python -m app`: what a container does, whatever its role; with arguments, one command of an operator's."""

import sys

if __name__ == "__main__":
    if arguments := sys.argv[1:]:
        from app import commands

        sys.exit(commands.main(arguments))
    from app.main import main

    sys.exit(main())
