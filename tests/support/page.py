"""What a visitor sees: an answer of a server, its text, links and forms."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import urljoin, urlsplit

import httpx2
from lxml.html import FormElement, HtmlElement, document_fromstring


@dataclass(frozen=True)
class Upload:
    """A file for a file field."""

    name: str
    content: bytes
    media_type: str = "application/octet-stream"


Value = str | Upload | Sequence[str] | None


@dataclass(frozen=True)
class Form:
    """A form as it would be sent without touching it. `names` are all its fields, also unticked boxes."""

    action: str
    method: str
    fields: dict[str, str | list[str]]
    names: frozenset[str]
    buttons: tuple[tuple[str, str, str], ...]  # (name, value, label)
    multipart: bool

    def filled(self, **values: Value) -> dict[str, Value]:
        """The fields with these values in place; None takes a field out.

        Raises: AssertionError for a field that the form does not have: nobody could fill it in.
        """
        unknown = set(values) - self.names
        assert not unknown, f"the form to {self.action} has no {sorted(unknown)}; it has {sorted(self.names)}"
        merged: dict[str, Value] = {**self.fields, **values}
        return {name: value for name, value in merged.items() if value is not None}

    def pressed(self, label: str) -> dict[str, str]:
        """The field that the button with this label (or this value) adds; nothing when it has no name."""
        for name, value, text in self.buttons:
            if label in (text, value):
                return {name: value} if name else {}
        raise AssertionError(f"no button «{label}» in {[text for _, _, text in self.buttons]}")


@dataclass(frozen=True)
class Page:
    """One answer. `url` is where it came from."""

    response: httpx2.Response

    @property
    def url(self) -> str:
        return str(self.response.request.url)

    @property
    def status(self) -> int:
        return self.response.status_code

    @property
    def headers(self) -> httpx2.Headers:
        return self.response.headers

    @property
    def html(self) -> str:
        return self.response.text

    @property
    def location(self) -> str | None:
        """Where it redirects to, as a whole address; None when it does not."""
        if self.status not in (301, 302, 303, 307, 308) or "location" not in self.headers:
            return None
        return urljoin(self.url, self.headers["location"])

    @cached_property
    def document(self) -> HtmlElement:
        return document_fromstring(self.html or "<html></html>", base_url=self.url)

    @property
    def text(self) -> str:
        """What can be read on it, in one line."""
        shown = self.document.xpath("//body//text()[not(ancestor::script or ancestor::style or ancestor::template)]")
        return " ".join(" ".join(shown).split())

    @property
    def title(self) -> str:
        return " ".join((self.document.findtext(".//title") or "").split())

    @property
    def links(self) -> list[tuple[str, str]]:
        """(text, whole address) of every link."""
        found = self.document.iterfind(".//a[@href]")
        return [(" ".join(a.text_content().split()), urljoin(self.url, str(a.get("href")))) for a in found]

    def link(self, wanted: str) -> str:
        """The address of the first link with this text or path. Raises: AssertionError, naming the links."""
        for text, address in self.links:
            if wanted == text or wanted == urlsplit(address).path:
                return address
        raise AssertionError(f"no link «{wanted}» on {self.url}; there are {self.links}")

    @cached_property
    def forms(self) -> list[Form]:
        return [_read_form(form, page_url=self.url) for form in self.document.forms]

    def form(self, action: str | None = None) -> Form:
        """The first form sent to this path or whole address; without one, the page's only form.

        Raises: AssertionError, naming the forms.
        """
        wanted = [form for form in self.forms if action is None or action in (form.action, urlsplit(form.action).path)]
        seen = [form.action for form in self.forms]
        assert wanted, f"no form to {action} on {self.url} ({self.status}); forms: {seen}; text: {self.text[:300]}"
        assert action or len(wanted) == 1, f"which form of {seen}?"
        return wanted[0]


def _read_form(form: FormElement, *, page_url: str) -> Form:
    fields: dict[str, str | list[str]] = {}
    for name, value in form.form_values():
        before = fields.get(name)
        if before is None:
            fields[name] = value
        else:
            fields[name] = [*([before] if isinstance(before, str) else before), value]
    buttons = form.xpath(".//button[not(@type) or @type='submit'] | .//input[@type='submit']")
    return Form(
        action=urljoin(page_url, form.get("action") or page_url),
        method=(form.get("method") or "get").upper(),
        fields=fields,
        names=frozenset(str(element.get("name")) for element in form.xpath(".//*[@name]")),
        buttons=tuple(
            (
                str(button.get("name") or ""),
                str(button.get("value") or ""),
                " ".join((button.text_content() or str(button.get("value") or "")).split()),
            )
            for button in buttons
        ),
        multipart=form.get("enctype") == "multipart/form-data",
    )
