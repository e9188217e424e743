"""Chromium opens a page and tells when the page breaks its own policy."""

import pytest
from support.browser import chromium_missing, chromium_page

pytestmark = pytest.mark.skipif(chromium_missing() is not None, reason=str(chromium_missing()))


def test_page_without_faults_passes() -> None:
    with chromium_page() as page:
        page.set_content("<h1>Hello</h1>")
        assert page.inner_text("h1") == "Hello"


def test_script_that_fails_is_reported() -> None:
    with pytest.raises(AssertionError, match="broken on purpose"), chromium_page() as page:
        page.set_content("<script>throw new Error('broken on purpose')</script>")


def test_inline_script_against_the_policy_is_reported() -> None:
    policy = "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'\">"
    with pytest.raises(AssertionError, match="Content Security Policy"), chromium_page() as page:
        page.set_content(f"{policy}<script>document.title = 'ran'</script>")
