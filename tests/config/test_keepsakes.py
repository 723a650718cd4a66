import stat
from pathlib import Path

from config.keepsakes import SECRETS, keep, set_secrets


def test_secrets_are_made_once_and_only_their_owner_can_read_them(tmp_path: Path) -> None:
    first: dict[str, str] = {}
    second: dict[str, str] = {}
    set_secrets(tmp_path, first)
    set_secrets(tmp_path, second)
    assert first == second
    assert set(first) == set(SECRETS)
    assert len(set(first.values())) == 2
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["secrets.json"]


def test_a_given_secret_goes_before_the_kept_one(tmp_path: Path) -> None:
    environment = {"WATCHKEEPER_SECRET_KEY": "given"}
    set_secrets(tmp_path, environment)
    assert environment["WATCHKEEPER_SECRET_KEY"] == "given"
    assert environment["WATCHKEEPER_ENCRYPTION_KEY"]


def test_nothing_is_kept_where_all_secrets_are_given(tmp_path: Path) -> None:
    set_secrets(tmp_path, dict.fromkeys(SECRETS, "given"))
    assert not list(tmp_path.iterdir())


def test_of_two_who_write_at_once_the_first_wins(tmp_path: Path) -> None:
    def late() -> dict[str, str]:
        keep(tmp_path / "it", lambda: {"by": "the first"})
        return {"by": "the second"}

    assert keep(tmp_path / "it", late) == {"by": "the first"}
