"""Settings of one stack, from its configuration: `Pulumi.STACK.yaml`, or what Pulumi hands to the program.

Every problem is found and told at once, with the command that mends it. Values of secrets never come here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property
from pathlib import Path

from infra import stack_file
from infra.settings_keys import GROUPS, KEYS, LISTS, REGION_KEY, SECRETS, Environment, Keys, key_info
from infra.settings_parser import Parser
from stacks.phase import Phase
from stacks.phases import phase

__all__ = ["GROUPS", "KEYS", "LISTS", "REGION_KEY", "ROOT", "SECRETS", "Environment", "Settings", "key_info"]

ROOT = Path(__file__).resolve().parent.parent
"""Where the project is: Pulumi.yaml and the stack files."""


class Settings(Keys):
    """Configuration of one stack, complete and checked."""

    @cached_property
    def spec(self) -> Phase:
        """The phase with this stack's overrides and regions."""
        return phase(self.phase, self.sizing, self.overrides, self.regions)

    def zones(self, region: str) -> tuple[str, str, str]:
        """Letters of the three zones that the stack uses in `region`."""
        own = [zone[-1] for zone in self.availability_zones if zone[:-1] == region]
        first, second, third = own or "abc"
        return first, second, third

    @classmethod
    def parse(cls, raw: Mapping[str, str], *, stack: str, encrypted: Collection[str] = ()) -> Settings:
        """Settings from a configuration as Pulumi gives it: full keys, lists and groups as JSON.

        Args:
            raw: the configuration. Keys of other namespaces pass, except `aws:region`.
            stack: name of the stack, for messages.
            encrypted: full keys that are stored as secrets; their values are not looked at, and never shown.

        Raises:
            ConfigError: with every problem.
        """
        return cls.model_construct(**Parser(raw, stack, encrypted).run())

    @classmethod
    def from_file(cls, path: Path) -> Settings:
        """Settings from `Pulumi.STACK.yaml`, without an engine: secrets stay encrypted.

        Raises:
            UserError: there is no such file, or it is no YAML.
            ConfigError: with every problem in it.
        """
        stored = stack_file.read(path)
        return cls.parse(stored.raw, stack=stored.stack, encrypted=stored.encrypted)

    @classmethod
    def of(cls, stack: str, root: Path = ROOT) -> Settings:
        """Settings of the stack of that name, from its file in the project."""
        return cls.from_file(stack_file.path_of(stack, root))

    @classmethod
    def current(cls) -> Settings:
        """Settings of the Pulumi program that is running.

        Raises:
            ConfigError: with every problem.
        """
        import pulumi
        from pulumi.runtime.config import CONFIG, is_config_secret

        raw = {key: str(text) for key, text in CONFIG.get().items()}
        return cls.parse(raw, stack=pulumi.get_stack(), encrypted=[key for key in raw if is_config_secret(key)])
