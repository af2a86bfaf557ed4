"""The blueprint of availability."""

from flask import Blueprint

bp = Blueprint("availability", __name__)
