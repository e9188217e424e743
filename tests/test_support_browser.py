"""Chromium opens a page and tells when the page breaks its own policy."""

import pytest
from support.browser import chromium_missing, chromium_page, chromium_running, page_of

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


def test_fault_in_another_tab_is_reported() -> None:
    with pytest.raises(AssertionError, match="broken elsewhere"), chromium_page() as page:
        page.context.new_page().set_content("<script>throw new Error('broken elsewhere')</script>")


def test_error_in_the_console_is_reported_and_a_warning_is_not() -> None:
    with pytest.raises(AssertionError) as raised, chromium_page() as page:
        page.set_content("<script>console.warn('only a warning'); console.error('an error')</script>")
    assert "an error" in str(raised.value)
    assert "only a warning" not in str(raised.value)


def test_pages_of_one_browser_share_no_cookies() -> None:
    with chromium_running() as browser:
        for _ in range(2):
            with page_of(browser) as page:
                assert page.context.cookies() == []
                page.context.add_cookies([{"name": "a", "value": "b", "url": "http://127.0.0.1"}])


def test_a_dialog_is_reported() -> None:
    with pytest.raises(AssertionError, match="hello"), chromium_page() as page:
        page.set_content("<script>alert('hello')</script>")


def test_what_breaks_the_policy_is_named_with_its_directive() -> None:
    strict = {"Content-Security-Policy": "default-src 'none'", "Content-Type": "text/html"}
    with pytest.raises(AssertionError, match="policy broken: img-src"), chromium_page() as page:  # noqa: PT012 (it ends late)
        page.route("http://localhost/a", lambda route: route.fulfill(body="<img src=/b.png>", headers=strict))
        page.goto("http://localhost/a")
        page.wait_for_timeout(200)
