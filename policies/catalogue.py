"""Every rule there is: those of each module in `policies/rules`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from typing import Final

from policies import rules
from policies.rule import Rule, merged


def _modules() -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules(rules.__path__))


RULES: Final[Mapping[str, Rule]] = merged(
    *(importlib.import_module(f"policies.rules.{name}").RULES.rules for name in _modules())
)
