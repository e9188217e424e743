"""`llmops docs`: print the pages of docs/ that come from the code, or check that they are fresh."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from pydantic import BaseModel, SecretStr

import llmops
from llmops import errors
from llmops.app import SITE
from llmops.cli import guides
from llmops.settings import Settings

_MADE = "<!-- Printed from the code by `make docs`; change the code, not this page. -->\n\n"


def docs(
    folder: Annotated[Path, typer.Argument(help="Where the pages are.")] = Path("docs"),
    check: Annotated[bool, typer.Option("--check", help="Only say whether they are fresh.")] = False,
) -> None:
    """Print the pages that come from the code."""
    stale = [name for name, text in pages() if _read(folder / name) != text]
    if check and stale:
        typer.echo(f"stale: {', '.join(stale)} (make docs)", err=True)
        sys.exit(1)
    if not check:
        folder.mkdir(exist_ok=True)
        for name, text in pages():
            (folder / name).write_text(text, encoding="utf-8")


def pages() -> Iterator[tuple[str, str]]:
    """Each page's file name and content."""
    yield "errors.md", _MADE + "\n".join(_errors()) + "\n"
    yield "settings.md", _MADE + "\n".join(_settings()) + "\n"
    yield "routes.md", _MADE + "\n".join(_routes()) + "\n"
    yield "files.md", _MADE + "\n".join(_files()) + "\n"
    yield "it-admins.md", _MADE + "\n".join(guides.page())


def _errors() -> Iterator[str]:
    yield "# Every failure\n"
    yield (
        "The code stands in `?sso_error=` and on error pages. Codes marked with * come back to the sign-in page."
        " What was seen and what was expected stands in the trace: `llmops logins show REF`.\n"
    )
    yield "| code | status | sentence | what to do | who can repair it |"
    yield "| --- | --- | --- | --- | --- |"
    for failure in errors.catalogue():
        mark = "*" if issubclass(failure, errors.SignInFailure) else ""
        yield (
            f"| `{failure.code}`{mark} | {failure.status} | {failure.message} | {failure.advice} | {failure.repair} |"
        )


def _settings() -> Iterator[str]:
    yield "# Every setting\n"
    yield "From the environment, or from a file of that name in lower case in `/run/secrets`. Secrets never print.\n"
    yield "| variable | default | meaning |"
    yield "| --- | --- | --- |"
    yield from _rows(Settings, "LLMOPS_")


def _rows(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        default, kind = field.default, field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _rows(kind, f"{prefix}{name.upper()}__")
            continue
        plain = default.get_secret_value() if isinstance(default, SecretStr) else default
        if isinstance(plain, tuple):
            plain = ",".join(str(part) for part in plain)
        yield f"| `{prefix}{name.upper()}` | {f'`{plain}`' if plain != '' else ''} | {field.description} |"


def _routes() -> Iterator[str]:
    yield "# Every route\n"
    yield "| method | path | what | signed in | anti-forgery token |"
    yield "| --- | --- | --- | --- | --- |"
    for _, doors in SITE:
        for door in doors:
            what = (door.handler.__doc__ or "").strip().splitlines()[0]
            token = "yes" if door.csrf else "–" if door.method == "GET" else "no: the identity provider posts here"
            session = "yes" if door.signed_in else "a session of its own" if door.guard else ""
            yield f"| {door.method} | `{door.path}` | {what} | {session} | {token} |"


def _files() -> Iterator[str]:
    """Every module with the first sentence of its docstring, in the order of the folders."""
    package = Path(llmops.__file__).parent
    yield "# Every file"
    folder = None
    for path in sorted(package.rglob("*.py"), key=lambda path: (path.parent.as_posix(), path.name)):
        here = path.parent.relative_to(package).as_posix()
        if path.name.startswith("__") or "versions" in path.parts:
            continue
        if here != folder:
            folder = here
            yield f"\n## {here if here != '.' else 'llmops'}\n"
        doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        first = " ".join(doc.partition("\n\n")[0].split())
        yield f"- `{path.name}`: {first}"


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""
