"""The fleet's blueprint."""

from flask import Blueprint

bp = Blueprint("fleet", __name__)
