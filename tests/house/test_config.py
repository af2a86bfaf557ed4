"""Settings are checked at the start, and a mistake is one line that says which and what to do."""

import multiprocessing
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from karokar import config as configuration
from karokar import safety
from karokar.config import PROJECT, ConfigError, forget_place, load_config, remember
from karokar.kernel.settings import SETTINGS


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An environment that names a data directory; the project's own folder is a temporary one."""
    (tmp_path / "project").mkdir()
    monkeypatch.setattr(configuration, "PROJECT", tmp_path / "project")
    return {"KAROKAR_DATA": str(tmp_path / "data")}


def refusal(environ: dict[str, str]) -> str:
    with pytest.raises(ConfigError) as refused:
        load_config(environ)
    line = str(refused.value)
    assert "\n" not in line
    return line


def test_everything_has_a_default(place):
    config = load_config(place)
    assert config.database_url == f"sqlite:///{place['KAROKAR_DATA']}/karokar.sqlite3"
    assert config.redis_url is None
    assert config.event_bus_max_attempts == 8
    assert config.environment == "production"
    assert not config.demo


def test_without_anything_the_data_is_in_the_project(place, tmp_path: Path):
    assert load_config({}).data == tmp_path / "project" / "var"


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("KAROKAR_DTA", "KAROKAR_DATA"),
        ("EVENT_BUS_MAX_ATTEMPT", "EVENT_BUS_MAX_ATTEMPTS"),
        ("KAROKAR_SMTPURL", "KAROKAR_SMTP_URL"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_that_is_known(place, name, nearest):
    line = refusal({**place, name: "x"})
    assert name in line
    assert f"did you mean {nearest}?" in line


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EVENT_BUS_MAX_ATTEMPTS", "many"), ("EVENT_BUS_MAX_ATTEMPTS", "0"), ("EVENT_BUS_MAX_ATTEMPTS", "٣"), ("EVENT_BUS_MAX_ATTEMPTS", "1_0"),
        ("EVENT_BUS_DISPATCHER", "thread"), ("KAROKAR_REQUIRE_2FA", "maybe"), ("KAROKAR_LOG_FORMAT", "xml"),
        ("KAROKAR_BASE_URL", "karokar.example"), ("KAROKAR_BASE_URL", "https://x/?a=b"), ("KAROKAR_BASE_URL", "https://[x"),
        ("REDIS_URL", "localhost:6379"), ("REDIS_URL", "redis://h:99999"), ("REDIS_URL", "unix://"),
        ("DATABASE_URL", "mysql://h/db"), ("DATABASE_URL", "sqlite:relative"), ("DATABASE_URL", "postgres://"),
        ("KAROKAR_SMTP_URL", "mail.example"), ("KAROKAR_MAIL_FROM", "nobody"), ("KAROKAR_MAIL_FROM", "Jörg <jörg@x.example>"), ("KAROKAR_MAIL_FROM", "a\r\nBcc: x@y.z <a@b.c>"),
        ("KAROKAR_ENVIRONMENT", "<b>"), ("SECRET_KEY", "short"), ("KAROKAR_MAX_UPLOAD_MB", "-1"), ("KAROKAR_PROXIES", "11"),
    ],
)  # fmt: skip
def test_a_malformed_value_is_refused_by_name(place, name, value):
    assert name in refusal({**place, name: value})


def test_a_refusal_repeats_no_password(place):
    line = refusal({**place, "DATABASE_URL": "mysql://user:geheim@host/db"})
    assert "geheim" not in line


def test_settings_show_no_secret_when_printed(place):
    config = load_config(
        {
            **place,
            "SECRET_KEY": "Zq7xV1mB9sLkT4wRnC8yH2pGfD6jA3eU",
            "DATABASE_URL": "postgres://u:geheim@h/db",
            "REDIS_URL": "redis://:geheim@h",
        }
    )
    assert "geheim" not in repr(config)
    assert "Zq7xV1mB" not in repr(config)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_name_of_postgresql_leads_to_its_driver(place, scheme):
    assert load_config({**place, "DATABASE_URL": f"{scheme}://u@h/db"}).database_url == "postgresql+psycopg://u@h/db"


def test_a_sender_s_domain_is_kept_as_mail_servers_know_it(place):
    given = {**place, "KAROKAR_MAIL_FROM": "Käro <no-reply@münchen.example>"}
    assert load_config(given).mail_from == "Käro <no-reply@xn--mnchen-3ya.example>"


def test_an_empty_value_means_not_set(place):
    assert load_config({**place, "REDIS_URL": "", "EVENT_BUS_MAX_ATTEMPTS": "  "}).redis_url is None


@pytest.mark.parametrize(("given", "expected"), [({}, False), ({"KAROKAR_BASE_URL": "https://x.example"}, True),
    ({"KAROKAR_BASE_URL": "https://x.example", "KAROKAR_SECURE_COOKIES": "no"}, False)])  # fmt: skip
def test_cookies_are_secure_where_the_address_is(place, given, expected):
    assert load_config({**place, **given}).secure_cookies is expected


def test_the_secret_key_is_made_once_and_kept_from_others(place):
    first = load_config(place)
    assert load_config(place).secret_key == first.secret_key
    assert len(first.secret_key) > 40
    assert stat.S_IMODE((first.data / "secret_key").stat().st_mode) == 0o600
    assert stat.S_IMODE(first.data.stat().st_mode) == 0o700


def make_key(data: str) -> str:
    return load_config({"KAROKAR_DATA": data}).secret_key


def test_processes_that_start_at_once_agree_on_the_secret_key(place):
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        assert len(set(pool.map(make_key, [place["KAROKAR_DATA"]] * 8))) == 1
    assert sorted(path.name for path in Path(place["KAROKAR_DATA"]).iterdir()) == ["audit_keys", "secret_key"]


def test_a_file_in_the_place_of_the_data_directory_is_one_clear_line(place):
    Path(place["KAROKAR_DATA"]).write_text("in the way")
    assert "a file is in the way" in refusal(place)


def test_a_data_directory_that_cannot_be_written_is_one_clear_line(tmp_path: Path):
    # Root may write everywhere: another user asks.
    folder = tmp_path / "read-only"
    folder.mkdir(mode=0o555)
    code = (
        "import os, sys; os.geteuid() == 0 and os.setuid(65534)\n"
        "from karokar.config import load_config, ConfigError\n"
        f"try: load_config({{'KAROKAR_DATA': {str(folder)!r}}})\n"
        "except ConfigError as error: print(error)"
    )
    for parent in [folder, *folder.parents][:4]:
        if parent.stat().st_uid == os.geteuid() and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o055)
    code = "import karokar.config\n" + code  # read before rights are given up: the project may be unreadable to others
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert "cannot be written" in done.stdout
    assert "KAROKAR_DATA" in done.stdout


def test_the_settings_table_for_operators_is_complete():
    text = (PROJECT / "docs/operations.md").read_text(encoding="utf-8")
    for setting in SETTINGS.values():
        assert f"| `{setting.name}` | {setting.default} | {setting.purpose} |" in text


# What bin/up leaves for commands --------------------------------------------------------------------------------------


def test_commands_find_what_a_running_console_uses(place, monkeypatch):
    config = load_config({**place, "REDIS_URL": "redis://localhost/3"})
    remember(
        config,
        {
            "REDIS_URL": "redis://localhost/3",
            "KAROKAR_DEMO": "true",
            "KAROKAR_ENVIRONMENT": "demo",
            "HOME": "/root",
            "SECRET_KEY": "x" * 20,
        },
    )
    found = load_config()
    assert found.data == config.data
    assert found.redis_url == "redis://localhost/3"
    assert found.demo
    assert "xxxx" not in (config.data / "up.json").read_text()
    assert stat.S_IMODE((config.data / "up.json").stat().st_mode) == 0o600


def test_what_the_environment_says_goes_before_what_was_left(place, monkeypatch):
    remember(load_config(place), {"REDIS_URL": "redis://localhost/3"})
    monkeypatch.setenv("REDIS_URL", "redis://elsewhere/1")
    assert load_config().redis_url == "redis://elsewhere/1"


def test_commands_find_the_project_again_when_the_trial_elsewhere_is_over(place, tmp_path: Path):
    config = load_config(place)
    remember(config, {})
    forget_place(config)
    assert load_config().data == tmp_path / "project" / "var"


def test_a_trial_whose_place_is_gone_is_forgotten(place, tmp_path: Path):
    config = load_config(place)
    remember(config, {"KAROKAR_DEMO": "true"})
    for path in config.data.iterdir():
        path.unlink()
    config.data.rmdir()
    found = load_config()
    assert found.data == tmp_path / "project" / "var"
    assert not found.demo


# What nobody should run with ------------------------------------------------------------------------------------------

STRONG = "Zq7xV1mB9sLkT4wRnC8yH2pGfD6jA3eU"


@pytest.mark.parametrize(
    "key",
    [
        "k", "x" * 64, "ab" * 32, "karokar-karokar-karokar-karokar-", "changeme" * 8, "secret" * 8, "0123456789abcdef" * 4,
        "change-me-change-me-please-please", "Zq7xV1mB9sLkT4wR",
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["SECRET_KEY", "SECRET_KEY_FALLBACKS"])
def test_a_key_that_could_be_guessed_is_refused(place, name, key):
    line = refusal({**place, "SECRET_KEY": STRONG, name: key})
    assert name in line
    assert len(key) == 1 or key not in line


def test_a_weak_key_in_the_data_directory_is_refused(place):
    data = load_config(place).data
    (data / "secret_key").write_text("x" * 64)
    assert "could be guessed" in refusal(place)


def test_former_keys_are_kept_after_the_one_that_signs(place):
    config = load_config(
        {**place, "SECRET_KEY": STRONG, "SECRET_KEY_FALLBACKS": f"{STRONG[::-1]} , {STRONG.swapcase()}"}
    )
    assert config.secret_keys == (STRONG, STRONG[::-1], STRONG.swapcase())


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"KAROKAR_ENVIRONMENT": "staging"},
        {"KAROKAR_ENVIRONMENT": "test", "KAROKAR_BASE_URL": "https://karokar.example.com"},
        {"KAROKAR_ENVIRONMENT": "test", "KAROKAR_BASE_URL": "http://10.0.0.5:8000"},
    ],
)
def test_the_settings_of_the_test_suite_are_refused_anywhere_else(place, given):
    assert "KAROKAR_TESTING" in refusal({**place, "KAROKAR_TESTING": "true", **given})


DEMO = {"KAROKAR_DEMO": "true", "KAROKAR_ENVIRONMENT": "demo"}


@pytest.mark.parametrize(
    "given",
    [
        {"KAROKAR_ENVIRONMENT": "production"},
        {"KAROKAR_BASE_URL": "https://127.0.0.1:8000"},
        {"KAROKAR_BASE_URL": "https://karokar.example.com"},
        {"KAROKAR_BASE_URL": "http://192.168.1.20:8000"},
        {"KAROKAR_BASE_URL": "http://karokar.internal"},
    ],
)
def test_the_demo_is_refused_in_production_and_where_others_can_reach_it(place, given):
    assert "KAROKAR_DEMO" in refusal({**place, **DEMO, **given})


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:8000", "http://localhost", "http://[::1]:8000", "http://127.9.9.9"]
)
def test_the_demo_runs_on_this_machine(place, address):
    assert load_config({**place, **DEMO, "KAROKAR_BASE_URL": address}).demo


def test_the_demo_runs_on_a_network_where_that_is_asked_for_by_name(place):
    given = {**DEMO, "KAROKAR_BASE_URL": "https://demo.karokar.example", "KAROKAR_DEMO_ON_NETWORK": "true"}
    assert load_config({**place, **given}).demo


@pytest.mark.parametrize(
    ("name", "mode", "wanted"),
    [(".", 0o750, "chmod 700"), (".", 0o705, "chmod 700"), ("karokar.sqlite3", 0o640, "chmod 600")]
    + [(f"karokar.sqlite3{suffix}", 0o604, "chmod 600") for suffix in ("-wal", "-shm", "-journal")],
)
def test_data_that_others_of_this_machine_may_use_is_refused_with_the_way_out(place, name, mode, wanted):
    path = load_config(place).data / name
    path.touch()
    path.chmod(mode)
    line = refusal(place)
    assert f"{wanted} {path}" in line
    path.chmod(0o700 if path.is_dir() else 0o600)
    assert load_config(place)


def test_a_new_database_and_its_log_are_for_this_user_alone(place, tmp_path: Path):
    config = load_config(place)
    program = (
        "import os, pathlib, sys\nos.umask(0)\n"
        "from sqlalchemy import create_engine, text\nimport karokar.kernel.db\n"
        "connection = create_engine(sys.argv[1]).connect()\n"
        "connection.execute(text('create table things (id int)')); connection.commit()\n"
        "print(*[oct(each.stat().st_mode & 0o777) for each in pathlib.Path(sys.argv[2]).glob('*.sqlite3*')])"
    )
    arguments = [sys.executable, "-c", program, config.database_url, str(config.data)]
    done = subprocess.run(arguments, cwd=PROJECT, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {"0o600"}
    assert len(done.stdout.split()) == 3


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"KAROKAR_SMTP_URL": "smtp://mail.example.com"}, "required"),
        ({"KAROKAR_SMTP_URL": "smtp://127.0.0.1:2525"}, "offered"),
        ({"KAROKAR_SMTP_URL": "smtp://127.0.0.1:2525", "KAROKAR_SMTP_TLS": "required"}, "required"),
        ({"KAROKAR_SMTP_URL": "smtp://mail.example.com", "KAROKAR_SMTP_TLS": "offered"}, "offered"),
    ],
)
def test_mail_leaves_this_machine_encrypted_unless_told_otherwise(place, given, expected):
    assert load_config({**place, **given}).smtp_tls == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"KAROKAR_DATABASE_TLS": "verify-full"}, {"sslmode": "verify-full", "sslrootcert": "system"}),
        ({}, {}),
    ],
)
def test_postgresql_is_reached_over_verified_tls_where_that_is_asked_for(place, given, expected):
    url = "postgresql://u:p@db.example.com/karokar"
    assert load_config({**place, "DATABASE_URL": url, **given}).connect_arguments == expected


def test_a_certificate_authority_of_ones_own_is_used(place):
    url = "postgresql://u:p@db.example.com/karokar?sslrootcert=/etc/ca.pem"
    config = load_config({**place, "DATABASE_URL": url, "KAROKAR_DATABASE_TLS": "verify-full"})
    assert config.connect_arguments == {"sslmode": "verify-full"}


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"REDIS_URL": "redis://redis.example.com"}, ["REDIS_URL has no password", "unencrypted"]),
        ({"REDIS_URL": "redis://:pw@redis.example.com"}, ["unencrypted"]),
        ({"REDIS_URL": "rediss://redis.example.com"}, ["REDIS_URL has no password"]),
        ({"REDIS_URL": "rediss://:pw@redis.example.com"}, []),
        ({"REDIS_URL": "redis://localhost"}, []),
        ({"DATABASE_URL": "postgresql://u@db.example.com/k"}, ["certificate is not verified"]),
        ({"DATABASE_URL": "postgresql://u@db.example.com/k?sslmode=require"}, ["certificate is not verified"]),
        ({"DATABASE_URL": "postgresql://u@db.example.com/k?sslmode=verify-full"}, []),
        ({"DATABASE_URL": "postgresql://u@127.0.0.1/k"}, []),
        ({"DATABASE_URL": "postgresql:///k?host=/run/postgresql"}, []),
        ({"KAROKAR_SMTP_URL": "smtp://m.example.com", "KAROKAR_SMTP_TLS": "offered"}, ["KAROKAR_SMTP_TLS=offered"]),
        ({"KAROKAR_BASE_URL": "http://karokar.example.com"}, ["KAROKAR_BASE_URL"]),
        ({"KAROKAR_BASE_URL": "https://karokar.example.com"}, []),
    ],
)
def test_a_server_says_at_its_start_what_travels_unprotected(place, given, named):
    said = safety.list_warnings(load_config({**place, **given}))
    assert len(said) == len(named)
    assert all(part in sentence for part, sentence in zip(named, said, strict=True))
    assert not any("pw" in sentence for sentence in said)


def test_a_redis_socket_that_others_may_open_is_warned_of(place, tmp_path: Path):
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "redis.sock"))
        config = load_config({**place, "REDIS_URL": f"unix://{tmp_path}/redis.sock"})
        (tmp_path / "redis.sock").chmod(0o700)
        assert not safety.list_warnings(config)
        (tmp_path / "redis.sock").chmod(0o777)
        tmp_path.chmod(0o755)
        assert "others can reach it" in safety.list_warnings(config)[0]
