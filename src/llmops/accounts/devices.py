"""What a browser calls itself, in two words for the session list. A hint for people, never a check."""

_BROWSERS = (("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
_SYSTEMS = (
    ("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Windows", "Windows"),
    ("Mac OS X", "Mac"), ("CrOS", "ChromeOS"), ("Linux", "Linux"),
)  # fmt: skip


def described(user_agent: str) -> str:
    """Both, as letters say it: «Firefox on Windows»."""
    return f"{browser(user_agent)} on {device(user_agent)}"


def browser(user_agent: str) -> str:
    """The browser's name, or «A program» for what is none."""
    return _first(_BROWSERS, user_agent, "A program")


def device(user_agent: str) -> str:
    """The device or system, or «an unknown device»."""
    return _first(_SYSTEMS, user_agent, "an unknown device")


def _first(names: tuple[tuple[str, str], ...], user_agent: str, otherwise: str) -> str:
    return next((name for mark, name in names if mark in user_agent), otherwise)
