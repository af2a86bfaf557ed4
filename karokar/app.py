"""Puts the application together: the only module that loads contexts."""

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from flask import Flask
from flask_migrate import Migrate
from werkzeug.middleware.proxy_fix import ProxyFix

from karokar import events
from karokar.config import PROJECT, Config, load_config
from karokar.contexts import CONTEXTS
from karokar.kernel import log, ports
from karokar.kernel.db import db
from karokar.web.requests import guard
from karokar.web.responses.cookies import cookie_name

ROLES_OF_FILES = ("permissions", "models", "queries", "actions", "handlers", "views", "runs", "api", "cli")
PRODUCERS = (
    "identity", "organization", "verification", "fleet", "booking", "assignment", "availability", "notification",
    "audit", "administration", "delivery",
)  # fmt: skip


def create_app(config: Config | None = None) -> Flask:
    """Return the application for these settings (by default those of the environment).

    Raises ConfigError for a setting that is wrong. Opens no connection.
    """
    config = config or load_config()
    log.configure(config.log_format)
    app = Flask(__name__, template_folder=str(PROJECT / "templates"), static_folder=str(PROJECT / "static"))
    if config.proxies:
        count = config.proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=count, x_proto=count, x_host=count)  # type: ignore[method-assign]
    app.config.update(
        KAROKAR=config,
        SECRET_KEY=config.secret_key,
        SECRET_KEY_FALLBACKS=list(config.secret_key_fallbacks),
        SQLALCHEMY_DATABASE_URI=config.database_url,
        SQLALCHEMY_ENGINE_OPTIONS=_engine_options(config),
        MAX_CONTENT_LENGTH=(config.max_upload_mb + 1) * 1024 * 1024,
        SESSION_COOKIE_NAME=cookie_name("session", is_secure=config.secure_cookies),
        SESSION_COOKIE_PATH="/",
        SESSION_COOKIE_SECURE=config.secure_cookies,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        TESTING=config.testing,
    )
    db.init_app(app)
    Migrate(app, db, directory=str(PROJECT / "migrations"))
    for producer in PRODUCERS:
        import_module(f"{events.__name__}.{producer}")
    _init_part(app, "outbox")
    _init_part(app, "runs")
    _load_contexts(app)
    # The kernel asks who is acting and what they may do; identity knows.
    guard.init_app(app, import_module("karokar.identity.resolver").resolve_actor)
    _init_part(app, "web")
    _connect(app)
    app.cli.add_command(import_module("karokar.demo.cli").cli)
    return app


def _engine_options(config: Config) -> dict[str, object]:
    if config.database_url.startswith("sqlite"):
        return {"connect_args": {"check_same_thread": False}}
    return {"pool_size": 5, "max_overflow": 10, "connect_args": config.connect_arguments}


def _init_part(app: Flask, name: str) -> None:
    """Let a part that is not a context set itself up: `karokar.<name>.setup.init_app`."""
    import_module(f"karokar.{name}.setup").init_app(app)


def _load_contexts(app: Flask) -> None:
    """Import each context's files and register what they offer: pages, API, commands."""
    # Pages that put contexts together add their routes to a context's blueprint before it is registered.
    import_module("karokar.pages.areas")
    for context in CONTEXTS:
        for role in ROLES_OF_FILES:
            if find_spec(f"karokar.{context}.{role}") is None:
                continue
            module = import_module(f"karokar.{context}.{role}")
            _register(app, context, role, module)


def _connect(app: Flask) -> None:
    """Hand what contexts offer to shared pages over to them."""
    offered = {name: import_module(f"karokar.{name}.console") for name in (*CONTEXTS, "runs", "pages")}
    consoles = [module.CONSOLE for module in offered.values()]
    ports.connect(
        app,
        consoles,
        sign_in=offered["identity"].SIGN_IN,
        inbox=offered["notification"].INBOX,
        documents=offered["verification"].DOCUMENTS,
    )


def _register(app: Flask, context: str, role: str, module: ModuleType) -> None:
    if role == "views":
        app.register_blueprint(module.bp, url_prefix=getattr(module, "URL_PREFIX", f"/{context}"))
    elif role == "api":
        app.register_blueprint(module.bp, url_prefix="/v1")
    elif role == "cli":
        app.cli.add_command(module.cli)
