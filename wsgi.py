"""What web servers and `flask` load: `gunicorn wsgi:app`, `flask --help`."""

import sys

from karokar.app import create_app
from karokar.config import ConfigError

try:
    app = create_app()
except ConfigError as error:
    sys.exit(f"KaroKar did not start: {error}")
