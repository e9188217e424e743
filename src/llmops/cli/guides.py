"""docs/it-admins.md: the Admin Portal's guides as one page, for those who want to read before they begin."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from llmops.broker.portal import guide
from llmops.broker.portal.guide import PLACEHOLDERS, Attribute, Guide, Mistake, Step

_EVERY = {
    "both": "With every identity provider",
    "saml": "With every identity provider by SAML",
    "oidc": "With every identity provider by OpenID Connect",
}
"""What guide.shared() has for everybody → its heading."""

_INTRODUCTION = """# Connecting your identity provider

For the person who looks after a company's sign-in. The Admin Portal shows the same steps, one by one, with your own
values ready to copy; whoever buys LLM Ops for you sends the link. Words in **bold** are the console's own, `code` is to
be typed as it stands, and «…» stands for a value that belongs to your connection alone. «Here» is the Admin Portal.

You need: the right to add an application at your identity provider, and access to your domain's DNS for one TXT record.
Every guide ends in the same way: verify the domain, test with yourself, then activate. Nobody is affected before that.

What we call and what others call it:

| ours | also called |
| --- | --- |
| ACS URL | single sign-on URL (Okta), reply URL (Entra), consumer URL, recipient, destination |
| SP entity ID | audience, identifier, relying party identifier, client ID (Keycloak, for SAML) |
| metadata of LLM Ops | SP metadata; it holds the ACS URL, the SP entity ID and our certificate |
| redirect URI | sign-in redirect URI, callback URL |
| sign-in address | sign-on URL, start URL, initiate login URI |
"""


def page() -> Iterator[str]:
    """The lines of the page."""
    yield _INTRODUCTION
    for one in guide.everyone():
        yield f"- [{one.title}](#{_anchor(one.title)})" + (" (recommended)" if one.recommended else "")
    yield from (f"- [{title}](#{_anchor(title)})" for title in _EVERY.values())
    yield ""
    for one in guide.everyone():
        yield from _section(one)
    for name, title in _EVERY.items():
        yield f"## {title}\n"
        yield from _mistakes(guide.shared()[name].mistakes)
        yield from _by_code(guide.shared()[name].fixes)


def _section(one: Guide) -> Iterator[str]:
    yield f"## {one.title}\n"
    yield f"**Who**: {one.who}  "
    yield f"**Where**: {one.where}  "
    yield f"**How long**: about {one.minutes} minutes" + (
        f". Last read in {one.verified}.\n" if one.verified else ".\n"
    )
    for number, step in enumerate(one.steps, start=1):
        yield from _step(number, step)
    yield f"### {one.title}: the certificate or secret\n"
    yield f"{one.certificate}\n"
    yield f"### {one.title}: what often goes wrong\n"
    everybody = [guide.shared()[name] for name in _EVERY]
    yield from _mistakes(mistake for mistake in one.mistakes if all(mistake not in part.mistakes for part in everybody))
    own = {code: fix for code, fix in one.fixes.items() if all(part.fixes.get(code) != fix for part in everybody)}
    yield from _by_code(own)


def _step(number: int, step: Step) -> Iterator[str]:
    yield f"### {number}. {step.title}\n"
    for paragraph in step.paragraphs:
        yield f"{_plain(paragraph)}\n"
    if step.copies:
        yield from _table(("field", "value"), ((copy.label, f"`{copy.value}`") for copy in step.copies))
    if step.attributes:
        yield from _attributes(step.attributes)
    for variant in step.variants:
        yield f"**{variant.label}**\n"
        yield from _attributes(variant.attributes)


def _attributes(rows: Sequence[Attribute]) -> Iterator[str]:
    yield from _table(
        ("attribute", "value there", "", "meaning"),
        ((f"`{row.name}`", f"`{row.value}`", "required" if row.required else "optional", row.meaning) for row in rows),
    )


def _mistakes(mistakes: Iterable[Mistake]) -> Iterator[str]:
    rows = [(mistake.title, mistake.seen, mistake.fix) for mistake in mistakes]
    if rows:
        yield from _table(("what", "what is seen, and where", "what to do"), rows)


def _by_code(fixes: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """Codes that are repaired in the same way stand together."""
    together: dict[tuple[str, ...], list[str]] = {}
    for code, steps in fixes.items():
        together.setdefault(steps, []).append(f"`{code}`")
    rows = [
        (" ".join(codes), " ".join(f"{number}. {step}" for number, step in enumerate(steps, start=1)))
        for steps, codes in together.items()
    ]
    if rows:
        yield from _table(("error code", "what to do"), rows)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield "|" + " --- |" * len(heads)
    for row in rows:
        yield f"| {' | '.join(_plain(cell).replace('|', chr(92) + '|') for cell in row)} |"
    yield ""


def _plain(text: str) -> str:
    """The text with words in place of the placeholders."""
    for name, meaning in PLACEHOLDERS.items():
        text = text.replace(f"{{{name}}}", f"«{meaning}»")
    return text


def _anchor(title: str) -> str:
    """As GitHub and most others make it of a heading."""
    kept = "".join(letter for letter in title.lower() if letter.isalnum() or letter in " -")
    return kept.replace(" ", "-")
