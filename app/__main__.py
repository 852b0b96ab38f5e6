"""`python -m app`: the container's only command, whatever its role."""

import sys

from app.main import main

if __name__ == "__main__":
    sys.exit(main())
