"""Entry point for the engine: `pulumi preview --policy-pack policies`."""

import sys
from pathlib import Path

# The engine starts the pack in its own folder.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from policies.server import serve

serve()
