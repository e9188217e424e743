"""Forms that carry files (RFC 7578), read from memory within the door's limit. File names are ignored (WEB-10)."""

from dataclasses import dataclass, field
from io import BytesIO
from itertools import count

import python_multipart
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import Field, File

from llmops.errors import BodyUnreadable


@dataclass(frozen=True)
class Multipart:
    """The fields in order, and the chosen files by field name."""

    fields: list[tuple[str, str]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)


def read(content_type: str, body: bytes, *, most_fields: int) -> Multipart:
    """Parse a multipart form. Raises: BodyUnreadable, also for a file given twice.

    `most_fields`: of fields and files together; empty files count.
    """
    found, parts = Multipart(), count(1)

    def count_part() -> None:
        if next(parts) > most_fields:
            raise BodyUnreadable(seen=f"more than {most_fields} fields")

    def on_field(part: Field) -> None:
        count_part()
        found.fields.append((_text(part.field_name), _text(part.value)))

    def on_file(part: File) -> None:
        count_part()
        name = _text(part.field_name)
        part.file_object.seek(0)
        content = part.file_object.read()
        part.close()
        if name in found.files:
            raise BodyUnreadable(parameter=name, seen="several files", expected="one")
        if content:  # browsers send an empty one when none was chosen
            found.files[name] = content

    headers = {"Content-Type": content_type.encode("latin-1"), "Content-Length": str(len(body)).encode()}
    try:
        # The body is in memory already: nothing of it is written to a temporary file.
        parser = python_multipart.create_form_parser(
            headers, on_field, on_file, config={"MAX_MEMORY_FILE_SIZE": len(body) + 1}
        )
        stream = BytesIO(body)
        while piece := stream.read(64 * 1024):
            parser.write(piece)
        parser.finalize()
    except (FormParserError, ValueError) as error:
        raise BodyUnreadable(seen=type(error).__name__, expected="multipart/form-data") from None
    return found


def _text(value: bytes | None) -> str:
    """Raises: BodyUnreadable, for what is not UTF-8 or holds a NUL, which PostgreSQL does not store."""
    try:
        text = (value or b"").decode()
    except UnicodeDecodeError:
        raise BodyUnreadable(seen="not UTF-8") from None
    if "\0" in text:
        raise BodyUnreadable(seen="a NUL character")
    return text
