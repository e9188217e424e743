"""The two marks that our own data files know: **bold** and `code`. Everything else is text."""

import re

from markupsafe import Markup, escape

_MARK = re.compile(r"`(?P<code>[^`\n]+)`|\*\*(?P<bold>[^*\n]+)\*\*")


def marked(text: str) -> Markup:
    """The text as HTML: escaped first, then the marks, so that nothing in it can become other markup (WEB-06).

    Inside code a star is a star; a mark that is not closed stays as it is.
    """
    return Markup(_MARK.sub(_shown, str(escape(text))))  # noqa: S704 (escaped in this very line)


def _shown(mark: re.Match[str]) -> str:
    code, bold = mark["code"], mark["bold"]
    return f"<code>{code}</code>" if code is not None else f"<strong>{bold}</strong>"
