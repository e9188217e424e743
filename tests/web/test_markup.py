"""The two marks become elements; nothing else in a text ever does."""

import pytest
from jinja2 import Environment

from llmops.web.markup import marked
from llmops.web.render import environment

SHOWN = {
    "plain": ("Open the app.", "Open the app."),
    "bold": ("Choose **Next** twice: **Next**.", "Choose <strong>Next</strong> twice: <strong>Next</strong>."),
    "code": ("Type `email`.", "Type <code>email</code>."),
    "star inside code": ("`a**b**c` and **d**", "<code>a**b**c</code> and <strong>d</strong>"),
    "not closed": ("**Next and `email", "**Next and `email"),
    "empty marks": ("**** and ``", "**** and ``"),
    "over lines": ("**a\nb**", "**a\nb**"),
}


@pytest.mark.parametrize("case", SHOWN)
def test_marks_are_shown(case: str) -> None:
    text, html = SHOWN[case]
    assert marked(text) == html


@pytest.mark.requirement("WEB-06")
@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("<script>x</script>", "&lt;script&gt;x&lt;/script&gt;"),
        ("**<b onclick=x>**", "<strong>&lt;b onclick=x&gt;</strong>"),
        ("`</code><img src=x>`", "<code>&lt;/code&gt;&lt;img src=x&gt;</code>"),
        ("a\" b='c' &amp;", "a&#34; b=&#39;c&#39; &amp;amp;"),
        ("<**script**>", "&lt;<strong>script</strong>&gt;"),
        ("&**lt**;", "&amp;<strong>lt</strong>;"),
    ],
)
def test_markup_in_a_text_stays_text(text: str, html: str) -> None:
    assert marked(text) == html


@pytest.mark.requirement("WEB-06")
def test_the_filter_of_templates_escapes_once() -> None:
    page: Environment = environment
    template = page.from_string("{% autoescape true %}{{ text|marked }}{% endautoescape %}")
    assert template.render(text="**<i>**") == "<strong>&lt;i&gt;</strong>"
