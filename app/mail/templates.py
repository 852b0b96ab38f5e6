"""What the product writes to its users: subject and plain text, with `$names` for values."""

from __future__ import annotations

from collections.abc import Mapping
from string import Template
from types import MappingProxyType
from typing import NamedTuple

from app.privacy.consents import Purpose


class Mail(NamedTuple):
    """Subject and body."""

    subject: str
    text: str


_TEMPLATES: Mapping[str, Mail] = MappingProxyType(
    {
        "export-ready": Mail(
            "Your data is ready",
            "The copy of your data that you asked for is ready.\n\nGet it at https://$domain/settings/privacy, "
            "within $days days.\n",
        ),
        "erasure-scheduled": Mail(
            "Your account will be deleted",
            "You asked us to delete your account and all that belongs to it. We will do so on $date.\n\n"
            "If it was not you, or you think again, log in and stop it at https://$domain/settings/privacy.\n",
        ),
        "webhook-disabled": Mail(
            "A webhook was turned off",
            "One of your webhooks failed too often, so we no longer call it.\n\n"
            "See https://$domain/settings/webhooks.\n",
        ),
        "newsletter": Mail("$subject", "$text"),
        "offer": Mail("$subject", "$text"),
        "campaign": Mail("$subject", "$text"),
    }
)
"""`campaign` is what users write to their leads."""
NAMES = frozenset(_TEMPLATES)
OF_USERS = frozenset({"campaign"})
"""What comes from a user, whose reputation it is."""
PURPOSES: Mapping[str, Purpose] = MappingProxyType({"newsletter": "newsletter", "offer": "marketing"})
"""What goes to those alone who agreed to it; all else is about an account, and needs no consent."""


def fill(name: str, values: Mapping[str, str]) -> Mail:
    """A template with its values. A subject is one line, whatever is in a value.

    Raises:
        KeyError: there is no such template, or a value is missing.
    """
    subject, text = (Template(part).substitute(values) for part in _TEMPLATES[name])
    return Mail(" ".join(subject.split()), text)


def with_link(mail: Mail, url: str) -> Mail:
    """A mail that says how to get no more of its kind, for readers whose program shows no button."""
    return mail._replace(text=f"{mail.text}\n\n-- \nTo get no more of this: {url}\n")
