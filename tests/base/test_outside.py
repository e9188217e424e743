"""Text that others chose: nothing hidden on pages, nothing to click in letters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops.base.outside import unlinked, visible


@pytest.mark.requirement("WEB-06")
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("evil\u202egpj.exe", "evil⟨U+202E⟩gpj.exe"),
        ("a\u2066b\u2069", "a⟨U+2066⟩b⟨U+2069⟩"),
        ("a\u200bb\ufeffc\u00add", "a⟨U+200B⟩b⟨U+FEFF⟩c⟨U+00AD⟩d"),
        ("a\x07b\x1b[31m\x7f", "a⟨U+0007⟩b⟨U+001B⟩[31m⟨U+007F⟩"),
        ("a\u2028b\ud800", "a⟨U+2028⟩b⟨U+D800⟩"),
        ("one\r\ntwo\nthree", "one ↵ two ↵ three"),
        ("Zoë Ångström 山田 👩\u200d💻 می\u200cخواهم", "Zoë Ångström 山田 👩\u200d💻 می\u200cخواهم"),
    ],
)
def test_hidden_characters_are_spelt_out_and_names_are_not(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.requirement("PWD-16")
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Win at https://evil.test/x?y=1 now", "Win at now"),
        ("HTTP://EVIL.TEST", ""),
        ("javascript://%0aalert(1)", ""),
        ("www.evil.test", ""),
        ("WWW。evil。test", ""),
        ("evil.test/path", ""),
        ("//evil.test/path", ""),
        ("Click(https://evil.test)", ""),
        ("Acme\r\nBcc: eve", "Acme Bcc: eve"),
        ("Acme\u2028next\x85line\x0b", "Acme next line"),
        ("\u202eAcme\u200b", "Acme"),
        ("evil.test", "evil.\u200btest"),
        ("sub.evil。test", "sub.\u200bevil。\u200btest"),
        ("https\u200b://evil.test", ""),
        ("x@evil.test.", "x@evil.test."),
        ("<pat@acme.test>", "<pat@acme.test>"),
        ("x@evil.test,evil.test", "x@evil.\u200btest,evil.\u200btest"),
        ("198.51.100.7 since 12.30", "198.51.100.7 since 12.30"),
        ("Søren & Co. (Berlin)", "Søren & Co. (Berlin)"),
    ],
)
def test_nothing_is_left_to_click(text: str, told: str) -> None:
    assert unlinked(text) == told


@given(st.text(alphabet=st.sampled_from("a.。/:@w\u200b\u202e\n ht1-,(")))
def test_doing_it_twice_changes_nothing(text: str) -> None:
    once = unlinked(text)
    assert unlinked(once) == once
    assert "://" not in once
    assert once.isprintable() or set(once) - {"\u200b"} == {letter for letter in once if letter.isprintable()}
