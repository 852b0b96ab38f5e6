"""Settings of one stack, from its configuration: `Pulumi.STACK.yaml`, or what Pulumi hands to the program.

Every problem is found and told at once, with the command that mends it. Values of secrets never come here.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Mapping
from enum import StrEnum
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

from infra import stack_file
from infra.cidr import DEFAULT_NETWORK, ZONES
from infra.problems import HIDDEN, NAMESPACE, ConfigError, Problem, remove_command, set_command
from infra.settings_fields import (
    AccessCidr,
    ApiPath,
    CloudflareId,
    Domain,
    EcrImage,
    Email,
    Image,
    Key,
    ModelUrl,
    NetworkCidr,
    Origin,
    Percentage,
    RegionName,
    RoleArn,
    Slots,
    TagValue,
    Zone,
)
from stacks import shards
from stacks.model import Model
from stacks.overrides import Broken, OverrideError, dotted
from stacks.phase import Phase, PhaseName, Sizing
from stacks.phases import PHASES, phase

ROOT = Path(__file__).resolve().parent.parent
"""Where the project is: Pulumi.yaml and the stack files."""
SECRETS = ("sentryDsn", "pagerdutyUrl")
"""Keys whose values only the components read, as secrets of Pulumi; here they are known by name."""
REGION_KEY = "aws:region"
_ALIKE = 0.8


class Environment(StrEnum):
    """What an environment is for: how much it is protected follows from it."""

    PRODUCTION = "production"
    STAGING = "staging"
    DEVELOPMENT = "development"


class Settings(Model):
    """Configuration of one stack, complete and checked; the keys are `headroom:` and the field in camelCase."""

    stack: str
    """Name of the stack; not a key."""
    secret_keys: tuple[str, ...] = ()
    """Those of `SECRETS` that are configured; not a key."""
    phase: Annotated[PhaseName, Key("one of 10k, 50k, 250k, 1m", "10k")]
    """Phase of the product; everything else has its size from it."""
    sizing: Annotated[Sizing, Key("one of efficient, blueprint", "efficient")] = Sizing.EFFICIENT
    """`efficient` fits the phase's budget band; `blueprint` is the roadmap's own hardware, for comparison."""
    environment: Annotated[Environment, Key("one of production, staging, development", "production")]
    """Production keeps its data even when the program forgets it; development protects nothing: destroy works."""
    domain: Annotated[Domain, Key("a host name such as example.com", "example.com")]
    """Domain of the product, whose zone is at Cloudflare."""
    owner: Annotated[TagValue, Key("the name of a team or person", "platform")]
    """Team that answers for the stack: tag Owner of every resource."""
    cost_center: Annotated[TagValue, Key("the name of a cost center", "product")]
    """Who pays: tag CostCenter of every resource, which the cost anomaly monitor follows."""
    alert_emails: Annotated[
        tuple[Email, ...],
        Field(min_length=1, max_length=10),
        Key("a list of 1 to 10 e-mail addresses (AWS Budgets takes 10 a notification)", "oncall@example.com"),
    ]
    """Who hears of alarms and budgets."""
    cloudflare_zone_id: Annotated[CloudflareId, Key("the id of the domain's zone", "0123456789abcdef0123456789abcdef")]
    """Zone of the domain at Cloudflare."""
    cloudflare_account_id: Annotated[
        CloudflareId | None, Key("the id of the Cloudflare account", "0123456789abcdef0123456789abcdef")
    ] = None
    """Account at Cloudflare; only edge workers need it."""
    image: Annotated[Image | None, Key("an image by digest", f"registry.example.com/product@sha256:{'0' * 64}")] = None
    """The product's container image, for arm64, by digest. Without one a public image that answers the probes runs."""
    green_image: Annotated[
        Image | None, Key("an image by digest", f"registry.example.com/product@sha256:{'1' * 64}")
    ] = None
    """From 250k: image of the API's second set of pods, green; `image` unless set."""
    green_share: Annotated[Percentage, Key("a percentage, 0 to 100", "10")] = 0
    """From 250k: share of the API's requests that green answers."""
    slots: Annotated[
        tuple[Slots, ...], Field(max_length=256), Key("a list of at most 256 moved slots", "128-255=1")
    ] = ()
    """Which of the 256 slots of users are on another logical shard than 0; docs/shards.md is how to move one."""
    model_image: Annotated[
        EcrImage | None, Key("an image in ECR", "123456789012.dkr.ecr.us-east-1.amazonaws.com/model:1")
    ] = None
    """Container that serves the model, where `machine` is enabled."""
    model_data_url: Annotated[
        ModelUrl | None, Key("the address of a model's archive in S3", "s3://product-models/model.tar.gz")
    ] = None
    """The model itself, where `machine` is enabled."""
    regions: Annotated[tuple[RegionName, ...], Key("a list of regions, home first", "us-east-1")] = ()
    """Full regions, home first, as many as the phase has; the phase's own unless set. Home and order are for ever."""
    operator_role_arns: Annotated[
        tuple[RoleArn, ...], Key("a list of ARNs of IAM roles", "arn:aws:iam::123456789012:role/admin")
    ] = ()
    """IAM roles that administer the clusters, besides the one that deploys."""
    cluster_access_cidrs: Annotated[
        tuple[AccessCidr, ...],
        Field(max_length=40),
        Key("a list of at most 40 IPv4 networks (EKS takes no more)", "203.0.113.7/32"),
    ] = ()
    """Networks that reach the clusters' API over the internet; without any it is reached from inside the VPC only."""
    network_cidr: Annotated[NetworkCidr, Key("a private /14", DEFAULT_NETWORK)] = DEFAULT_NETWORK
    """Address space of all regions, a /16 each. No VPC can change it later."""
    availability_zones: Annotated[tuple[Zone, ...], Key("a list of zones, three of a region", "us-east-1a")] = ()
    """Three zones for each region named here, where a, b and c will not do: in us-east-1 EKS refuses one of the zones,
    and which letter it has differs by account."""
    anonymous_api_paths: Annotated[
        tuple[ApiPath, ...],
        Field(max_length=8),
        Key("a list of at most 8 paths (each is one of 25 behaviors of the distribution)", "/api/v1/posts/*"),
    ] = ()
    """Paths whose GET answers are the same for everybody, so that CloudFront may keep them; no other is cached."""
    allowed_origins: Annotated[tuple[Origin, ...], Key("a list of origins", "https://app.example.com")] = ()
    """Origins that may call the API from a browser and upload, besides the domain's own."""
    overrides: Annotated[
        dict[str, Any], Field(default_factory=dict), Key("a group of settings such as database", "database")
    ]
    """Settings of the phase to change for this stack."""

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
        return cls.model_construct(**_Parser(raw, stack, encrypted).run())

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


KEYS = {to_camel(name): name for name in Settings.model_fields if name not in ("stack", "secret_keys")}
"""Keys of a stack file, without namespace, and the fields they fill."""
LISTS = tuple(key for key, name in KEYS.items() if "tuple" in str(Settings.model_fields[name].annotation))
"""Keys that hold a list."""


def key_info(key: str) -> Key:
    """Shape and example of a key."""
    return next(part for part in Settings.model_fields[KEYS[key]].metadata if isinstance(part, Key))


@cache
def _adapter(key: str) -> TypeAdapter[Any]:
    return TypeAdapter(Settings.model_fields[KEYS[key]].rebuild_annotation())


class _Parser:
    """One pass over a configuration: values first, then what holds between them."""

    def __init__(self, raw: Mapping[str, str], stack: str, encrypted: Collection[str]) -> None:
        self._raw, self._stack, self._encrypted = raw, stack, encrypted
        self._values: dict[str, Any] = {}
        self._problems: list[Problem] = []

    def run(self) -> dict[str, Any]:
        """Fields of `Settings`, or ConfigError."""
        for full_key, text in self._raw.items():
            self._take(full_key, text)
        for key, name in KEYS.items():
            if f"{NAMESPACE}:{key}" not in self._raw and Settings.model_fields[name].is_required():
                self._missing(key)
        self._check_regions()
        self._check_phase()
        self._check_zones()
        self._check_origins()
        if self._problems:
            raise ConfigError(self._stack, self._problems)
        secrets = tuple(key for key in SECRETS if f"{NAMESPACE}:{key}" in self._raw)
        given = {KEYS[key]: value for key, value in self._values.items()}
        return {"stack": self._stack, "secret_keys": secrets, **given}

    # one key

    def _take(self, full_key: str, text: str) -> None:
        namespace, _, key = full_key.partition(":")
        if namespace != NAMESPACE:
            if difflib.SequenceMatcher(None, namespace.lower(), NAMESPACE).ratio() >= _ALIKE:
                self._unknown(full_key, f"{NAMESPACE}:{key}")
        elif key in SECRETS:
            self._check_secret(full_key)
        elif key not in KEYS:
            by_case = {known.lower(): known for known in (*KEYS, *SECRETS)}
            close = difflib.get_close_matches(key.lower().replace("_", "").replace("-", ""), by_case, n=1)
            self._unknown(full_key, f"{NAMESPACE}:{by_case[close[0]]}" if close else None)
        else:
            self._decode(key, text)

    def _unknown(self, full_key: str, meant: str | None) -> None:
        # Its value is not shown: a secret under a misspelt key is still a secret.
        hint = f"did you mean {meant}?" if meant else f"the keys are {', '.join((*KEYS, *SECRETS))}"
        self._add(full_key, None, f"is no key of this program; {hint}", remove_command(full_key, self._stack))

    def _check_secret(self, full_key: str) -> None:
        if full_key not in self._encrypted:
            allowed = "is stored in plain text: put it in again as a secret, and change it where it comes from"
            self._add(full_key, HIDDEN, allowed, set_command(full_key, "", self._stack, secret=True))

    def _decode(self, key: str, text: str) -> None:
        full_key = f"{NAMESPACE}:{key}"
        if full_key in self._encrypted:
            self._wrong(key, (), HIDDEN, "is encrypted, which a plan without engine cannot read: set it in plain text")
            return
        value: Any = text
        if key in LISTS or key == "overrides":
            value = _from_json(text)
            if not isinstance(value, list if key in LISTS else dict):
                self._wrong(key, (), text, f"must be {key_info(key).allowed}")
                return
        try:
            self._values[key] = _adapter(key).validate_python(value)
        except ValidationError as error:
            for one in error.errors(include_url=False):
                reason = str(one["ctx"]["error"]) if one["type"] == "value_error" else self._shape(key, one["loc"])
                self._wrong(key, one["loc"], one["input"], reason)
            return
        if key in LISTS:
            for index, item in enumerate(value):
                if item in value[:index]:
                    name = f"{full_key}[{index}]"
                    self._add(name, item, "is there twice", remove_command(name, self._stack))

    def _shape(self, key: str, loc: tuple[int | str, ...]) -> str:
        return f"must be text: {key_info(key).allowed}" if loc else f"must be {key_info(key).allowed}"

    def _wrong(self, key: str, loc: tuple[int | str, ...], value: object, reason: str) -> None:
        full_key = f"{NAMESPACE}:{key}"
        if key == "overrides":
            mend = remove_command(full_key, self._stack)
        elif key in LISTS and not loc:
            mend = set_command(f"{full_key}[0]", key_info(key).example, self._stack)
            if isinstance(value, list) and value:  # too long: `loc` is empty, and the items are right
                mend = remove_command(f"{full_key}[{len(value) - 1}]", self._stack)
        else:
            mend = set_command(f"{full_key}{dotted(loc)}", _meant(key, value), self._stack)
        self._add(f"{full_key}{dotted(loc)}", value, reason, mend)

    def _missing(self, key: str) -> None:
        info, full_key = key_info(key), f"{NAMESPACE}:{key}"
        path = f"{full_key}[0]" if key in LISTS else full_key
        self._add(full_key, None, f"is missing: {info.allowed}", set_command(path, info.example, self._stack))

    def _add(self, key: str, value: object, allowed: str, mend: str) -> None:
        self._problems.append(Problem(key=key, value=value, allowed=allowed, mend=mend))

    # what holds between keys

    def _base(self) -> Phase | None:
        if "phase" not in self._values:
            return None
        return PHASES[self._values["phase"]][self._values.get("sizing", Sizing.EFFICIENT)]

    def _check_regions(self) -> None:
        base, given = self._base(), self._raw.get(REGION_KEY)
        if base is None or (f"{NAMESPACE}:regions" in self._raw and "regions" not in self._values):
            return
        regions = self._values.get("regions", base.regions)
        if len(regions) != len(base.regions):
            allowed = f"must have {len(base.regions)} as phase {base.name} has, not {len(regions)}"
            self._add(
                f"{NAMESPACE}:regions", list(regions), allowed, remove_command(f"{NAMESPACE}:regions", self._stack)
            )
            del self._values["regions"]
            return
        if given is None:
            allowed = f"is missing: the home region, {regions[0]}"
        elif given != regions[0]:
            allowed = f"must be the home region, {regions[0]}; another home is headroom:regions[0]"
        else:
            self._values["regions"] = regions
            return
        self._add(REGION_KEY, given, allowed, set_command(REGION_KEY, regions[0], self._stack))

    def _check_phase(self) -> None:
        base = self._base()
        if base is None:
            return
        try:
            spec = phase(base.name, base.sizing, self._values.get("overrides", {}), self._values.get("regions"))
        except OverrideError as error:
            for one in error.broken:
                self._override(one)
            return
        if spec.edge.edge_workers:
            self._need("cloudflareAccountId", "edge workers, on in this phase, belong to an account")
        if spec.machine.enabled:
            self._need("modelImage", "machine learning is enabled, and needs a container")
            self._need("modelDataUrl", "machine learning is enabled, and needs a model")
        self._check_slots(spec)
        self._check_release(spec)

    def _need(self, name: str, why: str) -> None:
        key = f"{NAMESPACE}:{name}"
        if key not in self._raw:
            self._add(key, None, f"is missing: {why}", set_command(key, key_info(name).example, self._stack))

    def _check_slots(self, spec: Phase) -> None:
        entries = self._values.get("slots", ())
        for index, reason in shards.problems(entries, spec.database.logical_shards):
            key = f"{NAMESPACE}:slots[{index}]"
            self._add(key, entries[index], reason, remove_command(key, self._stack))

    def _check_release(self, spec: Phase) -> None:
        for name in ("greenImage", "greenShare"):
            if self._values.get(name) and not spec.compute.blue_green:
                key = f"{NAMESPACE}:{name}"
                allowed = f"has no pods: phase {spec.name} releases by a rolling update, without blue and green"
                self._add(key, self._values[name], allowed, remove_command(key, self._stack))

    def _override(self, broken: Broken) -> None:
        def full(path: tuple[int | str, ...]) -> str:
            return f"{NAMESPACE}:{dotted(('overrides', *path))}"

        path, value = broken.mend
        mend = remove_command(full(path), self._stack) if value is None else set_command(full(path), value, self._stack)
        if isinstance(broken.value, str) and not isinstance(value, str | None):
            # Where there is text, `pulumi config set` stores text, whatever its `--type` (seen with 3.255).
            mend = f"{remove_command(full(path), self._stack)} && {mend}"
        self._add(full(broken.path), broken.value, broken.allowed, mend)

    def _check_zones(self) -> None:
        key = f"{NAMESPACE}:availabilityZones"
        zones: tuple[str, ...] = self._values.get("availabilityZones", ())
        base = self._base()
        used = (*self._values.get("regions", ()), *(base.read_regions if base else ()))
        for region in dict.fromkeys(zone[:-1] for zone in zones):
            own = [zone for zone in zones if zone[:-1] == region]
            if len(own) != ZONES or len(set(own)) != ZONES:
                allowed = f"must name three different zones of {region}, not {', '.join(own)}"
                self._add(key, list(zones), allowed, remove_command(key, self._stack))
            elif used and region not in used:
                allowed = f"names zones of {region}, where this stack has nothing: its regions are {', '.join(used)}"
                self._add(key, list(zones), allowed, remove_command(key, self._stack))

    def _check_origins(self) -> None:
        if self._values.get("environment", Environment.DEVELOPMENT) is Environment.DEVELOPMENT:
            return
        for index, origin in enumerate(self._values.get("allowedOrigins", ())):
            if not origin.startswith("https://"):
                allowed = "must be https:// outside of development, or whoever is on the way can call as the user"
                self._wrong("allowedOrigins", (index,), origin, allowed)


def _from_json(text: str) -> Any:
    """The value, or the text itself where it is no JSON, or holds what no file can (half a character)."""
    try:
        value = json.loads(text)
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):  # the second for too many levels
        return text
    return value


def _meant(key: str, value: object) -> str:
    """The right value nearest to a wrong one, for the command that mends it."""
    text = value.strip().lower() if isinstance(value, str) else ""
    text = text.removeprefix("https://").removeprefix("http://").partition("/")[0].removeprefix("www.").rstrip(".")
    field = Settings.model_fields[KEYS[key]]
    if isinstance(field.annotation, type) and issubclass(field.annotation, StrEnum):
        return next(iter(difflib.get_close_matches(text, list(field.annotation), n=1)), key_info(key).example)
    try:
        return str(_adapter(key).validate_python(text)) if key == "domain" else key_info(key).example
    except ValidationError:
        return key_info(key).example
