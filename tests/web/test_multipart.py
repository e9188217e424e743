"""Forms with files: what is read of them, and how little of a hostile one."""

import pytest

from llmops.errors import BodyUnreadable
from llmops.web import multipart

TYPE = "multipart/form-data; boundary=x"


def body(*parts: tuple[str, bytes]) -> bytes:
    """Header of each part's disposition, and its content."""
    written = [
        b"--x\r\ncontent-disposition: form-data; " + head.encode() + b"\r\n\r\n" + content for head, content in parts
    ]
    return b"\r\n".join([*written, b"--x--\r\n"])


def test_fields_and_files_are_read_and_an_empty_file_is_none() -> None:
    found = multipart.read(
        TYPE,
        body(
            ('name="a"', b"1"), ('name="f"; filename="../../etc/passwd"', b"<x/>"), ('name="g"; filename=""', b"")
        ),
        most_fields=3,
    )  # fmt: skip
    assert (found.fields, found.files) == ([("a", "1")], {"f": b"<x/>"})


@pytest.mark.requirement("WEB-13", "WEB-10")
@pytest.mark.parametrize("head", ['name="{n}"', 'name="{n}"; filename="f"', 'name="f"; filename=""'])
def test_more_parts_than_any_form_has_are_refused(head: str) -> None:
    parts = [(head.replace("{n}", str(number)), b"" if 'filename=""' in head else b"1") for number in range(65)]
    assert multipart.read(TYPE, body(*parts[:64]), most_fields=64)
    with pytest.raises(BodyUnreadable):
        multipart.read(TYPE, body(*parts), most_fields=64)


@pytest.mark.requirement("WEB-13")
@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"--x",
        b"--y\r\n\r\n",
        b"--x\r\n\r\nno name\r\n--x--\r\n",
        b"--x\r\ncontent-disposition: form-data; name=a\r\ncontent-transfer-encoding: base64\r\n\r\n!!!\r\n--x--",
        b"--x\r\n" + b"a: b\r\n" * 10_000,
        b"--x\r\ncontent-disposition: form-data; name=\xff\r\n\r\n1\r\n--x--\r\n",
        b"--x\r\ncontent-disposition: form-data; name=a\r\n\r\n\0\r\n--x--\r\n",
    ],
)
def test_a_broken_form_is_refused_or_holds_nothing(broken: bytes) -> None:
    try:
        found = multipart.read(TYPE, broken, most_fields=64)
    except BodyUnreadable:
        return
    assert (found.fields, found.files) == ([], {})


@pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/form-data; boundary=", "text/plain"])
def test_a_type_without_boundary_is_refused(content_type: str) -> None:
    with pytest.raises(BodyUnreadable):
        multipart.read(content_type, body(('name="a"', b"1")), most_fields=64)
