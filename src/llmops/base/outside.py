"""Text that others chose (names, what identity providers send, reasons) as pages and letters may show it."""

import re
import unicodedata

_JOINERS = "\u200c\u200d"  # Persian names and emoji need them; they reorder nothing
_BREAK = "\u200b"
_WEB_ADDRESS = re.compile(r"://|www[.。．｡]|[.。．｡]\w+/", re.IGNORECASE)
_MAIL_ADDRESS = re.compile(r"[<(\"']{0,3}[^@,;/]+@[^@,;/:]+[>)\"',.;:]{0,3}")
_HOST_DOT = re.compile(r"(?<=\w)([.。．｡])(?=\w*[^\W\d_])")


def visible(text: str) -> str:
    """The text with what cannot be seen, or turns the order of letters around, spelt out: ⟨U+202E⟩ (WEB-06).

    Markup is not this function's business: templates escape it.
    """
    plain = text.replace("\r\n", "\n").replace("\n", " ↵ ")
    return "".join(f"⟨U+{ord(letter):04X}⟩" if _is_hidden(letter) else letter for letter in plain)


def unlinked(text: str) -> str:
    """The text in one line, in which no mail program finds an address of the web to make a link of (PWD-16).

    Web addresses are taken out. A bare host, which may well be a company's name, stays readable: an invisible space
    behind each dot keeps it from becoming a link. E-mail addresses stay as they are. Doing it twice changes nothing.
    """
    seen = "".join(_plain(letter) for letter in text)
    words = [word for word in seen.split() if not _WEB_ADDRESS.search(word)]
    return " ".join(word if _MAIL_ADDRESS.fullmatch(word) else _HOST_DOT.sub(rf"\1{_BREAK}", word) for word in words)


def _plain(letter: str) -> str:
    if letter.isprintable() or letter in _JOINERS:
        return letter
    return "" if unicodedata.category(letter) == "Cf" else " "


def _is_hidden(letter: str) -> bool:
    return letter not in _JOINERS and unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
