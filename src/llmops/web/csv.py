"""Tables as CSV files, for people who open them in a spreadsheet. Programs get JSON."""

import csv
import io
from collections.abc import Iterable, Sequence

from starlette.responses import Response

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def download(name: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> Response:
    """The answer with which a browser saves the table as the file `name`."""
    return Response(
        table(head, rows),
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": f'attachment; filename="{name}"'},
    )


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """The table in UTF-8 with a byte order mark, without which Excel reads another encoding; None is an empty cell.

    Source: RFC 4180 §2.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerows([safe(cell) for cell in row] for row in (head, *rows))
    return text.getvalue().encode("utf-8-sig")


def safe(cell: object) -> str:
    """The cell as text that no spreadsheet takes for a formula: one that begins like a formula gets an apostrophe.

    Full-width signs count too: some spreadsheets fold them (WEB-06).
    """
    text = "" if cell is None else str(cell)
    return f"'{text}" if text.startswith(_FORMULA) else text
