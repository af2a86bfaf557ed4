"""What is refused at the start because it would be unsafe, and what is only warned of."""

import ipaddress
import stat
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from karokar.kernel.setting_values import ConfigError
from karokar.kernel.settings import Config

PRODUCTION = "production"
TEST = "test"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def refuse_unsafe(config: Config) -> None:
    """Raise ConfigError for a combination of settings, or for rights of files, with which nobody should run."""
    is_reachable = config.base_url.startswith("https://") or not is_on_this_machine(config.base_url)
    if config.testing and (config.environment.lower() != TEST or is_reachable):
        raise ConfigError(
            "KAROKAR_TESTING turns protection off and is for the test suite alone: unset it "
            "(tests also set KAROKAR_ENVIRONMENT=test and an address of this machine)."
        )
    if config.demo and config.environment.lower() == PRODUCTION:
        raise ConfigError(
            "KAROKAR_DEMO has accounts whose password everybody knows: it does not run with "
            "KAROKAR_ENVIRONMENT=production. Unset KAROKAR_DEMO, or name the environment demo."
        )
    if config.demo and is_reachable and not config.demo_on_network:
        raise ConfigError(
            f"KAROKAR_DEMO has accounts whose password everybody knows, and others can reach {config.base_url}: "
            "unset KAROKAR_DEMO, or set KAROKAR_DEMO_ON_NETWORK=true if that is what you want."
        )
    if bool(config.audit_webhook) != bool(config.audit_webhook_secret):
        raise ConfigError(
            "KAROKAR_AUDIT_WEBHOOK and KAROKAR_AUDIT_WEBHOOK_SECRET belong together: set both, or neither."
        )
    if config.audit_mail and config.smtp_url is None:
        raise ConfigError("KAROKAR_AUDIT_MAIL needs a mail server: set KAROKAR_SMTP_URL.")
    refuse_readable(config.data)
    if config.is_sqlite:
        database = Path(config.database_url.removeprefix("sqlite:///"))
        for suffix in ("", "-wal", "-shm", "-journal"):
            refuse_readable(database.with_name(database.name + suffix))


def refuse_demo_listening(config: Config, hosts: tuple[str, ...]) -> None:
    """Raise ConfigError where the demo would listen on one of these addresses and others could reach it."""
    for host in hosts:
        if config.demo and not config.demo_on_network and not is_loopback(host):
            raise ConfigError(
                f"The demo has accounts whose password everybody knows: it does not listen on {host}. Listen on "
                "127.0.0.1, start without the demo, or set KAROKAR_DEMO_ON_NETWORK=true (bin/up --demo-on-network)."
            )


def refuse_readable(path: Path) -> None:
    """Raise ConfigError where other users of this machine have any right to a file or directory that is there."""
    try:
        found = path.stat()
    except OSError:
        return
    if found.st_mode & _OTHERS:
        wanted = "700" if stat.S_ISDIR(found.st_mode) else "600"
        raise ConfigError(
            f"{path} can be used by other users of this machine (mode {stat.S_IMODE(found.st_mode):o}) and holds "
            f"secrets and personal data: run `chmod {wanted} {path}`, then start again."
        )


def list_warnings(config: Config) -> list[str]:
    """Return what a server should say at its start: sentences that hold no secret."""
    found = []
    if config.redis_url and not _is_guarded_redis(config.redis_url):
        found.append(
            "REDIS_URL has no password, and others can reach it: they can wake workers and reset the "
            "limits on sign-in. Set a password, or use a private unix socket."
        )
    if config.redis_url and urlsplit(config.redis_url).scheme == "redis" and not is_on_this_machine(config.redis_url):
        found.append("REDIS_URL leads to another machine unencrypted: use rediss://.")
    if not config.is_sqlite and not _is_verified_postgresql(config):
        found.append(
            "DATABASE_URL leads to another machine whose certificate is not verified: "
            "set KAROKAR_DATABASE_TLS=verify-full."
        )
    if config.smtp_url and config.smtp_tls == "offered" and not is_on_this_machine(config.smtp_url):
        found.append("KAROKAR_SMTP_TLS=offered sends mail unencrypted where the server offers nothing better.")
    if not config.base_url.startswith("https://") and not is_on_this_machine(config.base_url):
        found.append("KAROKAR_BASE_URL begins with http://: passwords and cookies travel unencrypted.")
    if config.demo:
        found.append("The demo is on: everybody knows the password of its accounts.")
    return found


def is_on_this_machine(url: str | None) -> bool:
    """Whether an address leads to this machine and nowhere else."""
    return url is not None and is_loopback(urlsplit(url).hostname or "")


def is_loopback(host: str) -> bool:
    """Whether only programs of this machine reach a host's address; no host is a unix socket."""
    if host in {"", "localhost"} or host.startswith(("/", "unix:")):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.endswith(".localhost")


def _is_guarded_redis(url: str) -> bool:
    parts = urlsplit(url)
    if parts.password or parse_qs(parts.query).get("password"):
        return True
    return _is_private_socket(Path(parts.path)) if parts.scheme == "unix" else is_on_this_machine(url)


def _is_private_socket(path: Path) -> bool:
    """Whether others cannot connect to a socket, or cannot reach its directory."""
    try:
        return not path.stat().st_mode & stat.S_IWOTH or not path.parent.stat().st_mode & stat.S_IXOTH
    except OSError:
        return True


def _is_verified_postgresql(config: Config) -> bool:
    parts = urlsplit(config.database_url)
    mode = parse_qs(parts.query).get("sslmode", [""])[0]
    host = parse_qs(parts.query).get("host", [parts.hostname or ""])[0]
    return config.database_tls == "verify-full" or mode == "verify-full" or is_loopback(host)
