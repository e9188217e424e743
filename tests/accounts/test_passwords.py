"""What is kept ready for checking passwords."""

from llmops.accounts import passwords


def test_hash_for_nobody_costs_as_much_as_any_other() -> None:
    assert passwords._HASHER.check_needs_rehash(passwords._DUMMY) is False
    assert passwords.matches(None, "") is False


def test_list_of_common_passwords_is_whole() -> None:
    common = passwords._common()
    assert len(common) == 30_000
    assert {"123456", "qwertyuiop"} <= common
