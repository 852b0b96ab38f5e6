"""The random provider: really random, and stored by nobody but the state, like the official one."""

from __future__ import annotations

import base64
import secrets
import string
from collections.abc import Mapping
from typing import Any, Final

from infra.errors import UserError
from infra.local.provider import Call, Provider, ResourceKind, Values
from infra.local.values import Secret

SPECIAL: Final = "!@#$%&*()-_=+[]{}<>:?"
"""The official provider's default for `overrideSpecial`."""
CLASSES: Final = (
    ("lower", "minLower", string.ascii_lowercase),
    ("upper", "minUpper", string.ascii_uppercase),
    ("numeric", "minNumeric", string.digits),
    ("special", "minSpecial", SPECIAL),
)


def password(inputs: Values) -> str:
    """Make a password of `length` with at least the asked number of characters of each class.

    Raises:
        UserError: when no such password exists.
    """
    length = int(inputs["length"])
    pools: dict[str, str] = {}
    characters: list[str] = []
    for name, minimum, default in CLASSES:
        pool = (inputs.get("overrideSpecial") or default) if name == "special" else default
        if inputs.get(name, inputs.get("number", True) if name == "numeric" else True):
            pools[name] = pool
            characters += [secrets.choice(pool) for _ in range(int(inputs.get(minimum, 0)))]
        elif inputs.get(minimum):
            msg = f"{minimum} is {inputs[minimum]}, but {name} is false"
            raise UserError(msg)
    if not pools or len(characters) > length:
        msg = f"length {length} cannot hold the {len(characters)} characters asked for"
        raise UserError(msg)
    everything = "".join(pools.values())
    characters += [secrets.choice(everything) for _ in range(length - len(characters))]
    secrets.SystemRandom().shuffle(characters)
    return "".join(characters)


class _Stateless:
    """A value that only the state holds: reading gives the state back, nothing changes in place."""

    computed: tuple[str, ...] = ()

    def read(self, ctx: Any, id: str, outputs: Values) -> Values | None:  # noqa: A002
        """Give back what the state has."""
        return outputs or None

    def update(self, ctx: Any, id: str, outputs: Values, old: Values, new: Values) -> Values:  # noqa: A002
        """Keep the value: every input that shapes it replaces instead."""
        return {**outputs, **new}

    def delete(self, ctx: Any, id: str, outputs: Values) -> None:  # noqa: A002
        """Forget nothing, for nothing is held."""


class RandomPassword(_Stateless):
    """`random:index/randomPassword:RandomPassword`."""

    computed = ("result",)

    def create(self, ctx: Any, inputs: Values) -> tuple[str, Values]:
        """Make the password; the official provider's id is the word `none`."""
        return "none", {**inputs, "result": Secret(password(inputs))}

    def read(self, ctx: Any, id: str, outputs: Values) -> Values | None:  # noqa: A002
        """Give back what the state has, still secret."""
        found = super().read(ctx, id, outputs)
        return {**found, "result": Secret(found["result"])} if found else None


class RandomBytes(_Stateless):
    """`random:index/randomBytes:RandomBytes`."""

    computed = ("base64", "hex")

    def create(self, ctx: Any, inputs: Values) -> tuple[str, Values]:
        """Draw `length` bytes, given in two forms, both secret; the id is the word `none` as for passwords."""
        drawn = secrets.token_bytes(int(inputs["length"]))
        return "none", {**inputs, "base64": Secret(base64.b64encode(drawn).decode()), "hex": Secret(drawn.hex())}

    def read(self, ctx: Any, id: str, outputs: Values) -> Values | None:  # noqa: A002
        """Give back what the state has, still secret."""
        found = super().read(ctx, id, outputs)
        return {**found, "base64": Secret(found["base64"]), "hex": Secret(found["hex"])} if found else None


KINDS: Final[Mapping[str, ResourceKind]] = {
    "random:index/randomPassword:RandomPassword": RandomPassword(),
    "random:index/randomBytes:RandomBytes": RandomBytes(),
}


class RandomProvider(Provider):
    """The provider `random`."""

    package = "random"
    version = "4.0.0"

    def kind(self, token: str) -> ResourceKind | None:
        """Look the type up."""
        return KINDS.get(token)

    def context(self, call: Call) -> Any:
        """Nothing to know."""

    def invoke(self, token: str, args: Values, config: Values) -> Values:
        """There are no functions."""
        msg = f"the random provider has no function {token}"
        raise UserError(msg)
