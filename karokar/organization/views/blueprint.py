"""Organization's blueprint."""

from flask import Blueprint

bp = Blueprint("organization", __name__)
