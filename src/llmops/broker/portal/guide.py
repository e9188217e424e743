"""What the Admin Portal tells about each identity provider, read from guides/*.toml; docs/it-admins.md comes from it.

The texts know two marks, **bold** for a console's own words and `code` for literal values (web/markup.py shows them),
and the placeholders of PLACEHOLDERS for the values of one connection.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from functools import cache
from importlib import resources
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from llmops import errors
from llmops.broker.connections import Addresses, Kind

PLACEHOLDERS = {
    "acs_url": "your ACS URL",
    "acs_url_regex": "your ACS URL as a regular expression",
    "sp_entity_id": "your SP entity ID",
    "sp_metadata_url": "your SP metadata address",
    "oidc_redirect_uri": "your redirect URI",
    "start_url": "your sign-in address",
    "connection_id": "your connection's ID",
}
"""Placeholder → what stands in its place where no connection is known."""

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_PROTOCOLS = {"saml": "SAML 2.0", "oidc": "OpenID Connect"}
_STRICT = ConfigDict(extra="forbid")
Text = Annotated[str, Field(min_length=1)]


class GuideInvalid(ValueError):
    """A guide's file is wrong: a fault of ours, found at load."""


@dataclass(frozen=True, config=_STRICT)
class Copy:
    """A value of ours under the label that the console has for it."""

    label: Text
    value: Text


@dataclass(frozen=True, config=_STRICT)
class Attribute:
    """A row of the attribute contract: `name` is what arrives, `value` what to choose for it in the console."""

    name: Text
    value: Text
    required: bool
    meaning: Text


@dataclass(frozen=True, config=_STRICT)
class Variant:
    """One of several screens that a console may show for the same thing."""

    label: Text
    attributes: tuple[Attribute, ...]


@dataclass(frozen=True, config=_STRICT)
class Step:
    """One step of the wizard; its slug ends its address. `input` says which form the page shows."""

    slug: Annotated[str, Field(pattern=r"^[a-z]+$")]
    title: Text
    paragraphs: Annotated[tuple[Text, ...], Field(min_length=1)]
    copies: tuple[Copy, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    variants: tuple[Variant, ...] = ()
    input: Literal["", "metadata", "oidc", "entra"] = ""


@dataclass(frozen=True, config=_STRICT)
class Mistake:
    """Something that often goes wrong: what it is, what is seen and where, how to put it right."""

    title: Text
    seen: Text
    fix: Text


@dataclass(frozen=True, config=_STRICT)
class Shared:
    """Mistakes and fixes that several guides have."""

    mistakes: tuple[Mistake, ...]
    fixes: Mapping[str, tuple[Text, ...]]


@dataclass(frozen=True, config=_STRICT)
class Guide:
    """One identity provider by one protocol. `verified` is the month ("2026-08") in which its sources were read.

    `unverified` tells staff what to check at a real console before promising it. `fixes`: error code → steps.
    """

    kind: Kind
    title: str
    protocol: Literal["SAML 2.0", "OpenID Connect"]
    vendor: Text
    verified: Annotated[str, Field(pattern=r"^(20\d\d-(0[1-9]|1[0-2]))?$")]
    unverified: str
    who: Text
    where: Text
    minutes: Annotated[int, Field(gt=0, le=60)]
    recommended: bool
    certificate: Text
    steps: Annotated[tuple[Step, ...], Field(min_length=1)]
    mistakes: tuple[Mistake, ...]
    fixes: Mapping[str, tuple[Text, ...]]

    def filled(self, values: Mapping[str, str]) -> "Guide":
        """The guide with the values of one connection in place of the placeholders; other braces stay."""
        filled: Guide = _filled(self, values)
        return filled


def of(kind: Kind) -> Guide:
    """The guide for this kind of connection."""
    return _read()[kind]


def everyone() -> Sequence[Guide]:
    """All guides, in the order of `Kind`."""
    return tuple(_read().values())


def values(ours: Addresses, *, connection_id: str, start_url: str) -> dict[str, str]:
    """What `Guide.filled` puts in for one connection. `start_url` is where its people begin to sign in."""
    return {
        "acs_url": ours.acs_url,
        "acs_url_regex": f"^{re.escape(ours.acs_url).replace('/', chr(92) + '/')}$",
        "sp_entity_id": ours.sp_entity_id,
        "sp_metadata_url": ours.sp_metadata_url,
        "oidc_redirect_uri": ours.redirect_uri,
        "start_url": start_url,
        "connection_id": connection_id,
    }


@cache
def shared() -> Mapping[str, Shared]:
    """What stands in common.toml under `both`, `saml`, `oidc` and for a vendor; the guides hold it already."""
    return {name: _shared(part) for name, part in load("common.toml")["shared"].items()}


@cache
def _read() -> Mapping[Kind, Guide]:
    common = load("common.toml")
    return {kind: read(kind, load(f"{kind.name.lower()}.toml"), common) for kind in Kind}


def load(name: str) -> dict[str, Any]:
    """One data file of the folder guides."""
    return tomllib.loads(resources.files(__package__).joinpath("guides", name).read_text(encoding="utf-8"))


def read(kind: Kind, raw: Mapping[str, Any], common: Mapping[str, Any]) -> Guide:
    """The guide in a file, with what it shares. Raises: GuideInvalid, naming the file's kind."""
    protocol = "saml" if kind.is_saml else "oidc"
    try:
        rest = dict(raw)
        taken = [_shared(common["shared"][name]) for name in ("both", protocol, *rest.pop("shares", ()))]
        rest["steps"] = [_step(step, common["fields"]) for step in raw["steps"]]
        rest["mistakes"] = [*raw["mistakes"], *(mistake for part in taken for mistake in part.mistakes)]
        fixes = {code: steps for part in taken for code, steps in part.fixes.items()} | _fixes(rest.pop("fixes", ()))
        rest |= {"kind": kind, "title": kind.label, "protocol": _PROTOCOLS[protocol], "fixes": fixes}
        guide = Guide(**rest)
        _check(guide)
    except (KeyError, TypeError, ValueError) as error:
        raise GuideInvalid(f"{kind.name}: {error}") from error
    return guide


def _shared(raw: Mapping[str, Any]) -> Shared:
    return Shared(**{**raw, "mistakes": raw.get("mistakes", ()), "fixes": _fixes(raw.get("fixes", ()))})


def _step(raw: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """A step with its attribute rows completed by what common.toml says of each field."""

    def rows(part: Mapping[str, Any]) -> list[dict[str, Any]]:
        return [
            {**{key: row[key] for key in row if key != "field"}, **known[row["field"]]} for row in part["attributes"]
        ]

    step = dict(raw)
    if "attributes" in raw:
        step["attributes"] = rows(raw)
    if "variants" in raw:
        step["variants"] = [{**variant, "attributes": rows(variant)} for variant in raw["variants"]]
    return step


def _fixes(raw: Any) -> dict[str, tuple[str, ...]]:
    """Error code → steps. Raises: ValueError, for an unknown code, one given twice, or not two to four steps."""
    found: dict[str, tuple[str, ...]] = {}
    for fix in raw:
        if fix.keys() != {"codes", "steps"} or not 2 <= len(fix["steps"]) <= 4:
            raise ValueError(f"a fix has codes and two to four steps: {fix}")
        for code in fix["codes"]:
            if errors.by_code(code) is None or code in found:
                raise ValueError(f"error code unknown or given twice: {code}")
            found[code] = tuple(fix["steps"])
    return found


def _check(guide: Guide) -> None:
    """What the types do not say. Raises: ValueError."""
    if not guide.verified and not guide.unverified:
        raise ValueError("neither verified nor a reason why not")
    slugs = [step.slug for step in guide.steps]
    if len(set(slugs)) != len(slugs):
        raise ValueError(f"two steps have one slug: {slugs}")
    if [bool(step.input) for step in guide.steps].count(True) != 1:
        raise ValueError("exactly one step asks for what the provider gave")
    for text in texts(guide):
        if unknown := set(_PLACEHOLDER.findall(text)) - PLACEHOLDERS.keys():
            raise ValueError(f"unknown placeholder {unknown} in {text!r}")
        if text.count("**") % 2 or text.count("`") % 2:
            raise ValueError(f"a mark is not closed in {text!r}")


def texts(value: object) -> Sequence[str]:
    """Every text in a guide or a part of it."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, tuple | list):
        return [text for part in value for text in texts(part)]
    if isinstance(value, Mapping):
        return texts(list(value.values()))
    if is_dataclass(value):
        return texts([getattr(value, field.name) for field in fields(value)])
    return []


def _filled(value: Any, given: Mapping[str, str]) -> Any:
    """The same with placeholders replaced in every text."""
    if isinstance(value, Kind):
        return value
    if isinstance(value, str):
        return _PLACEHOLDER.sub(lambda match: given.get(match[1], match[0]), value)
    if isinstance(value, tuple):
        return tuple(_filled(part, given) for part in value)
    if isinstance(value, Mapping):
        return {key: _filled(part, given) for key, part in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{field.name: _filled(getattr(value, field.name), given) for field in fields(value)})
    return value
