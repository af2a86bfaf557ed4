"""The one blueprint that all modules of these pages fill."""

from flask import Blueprint

bp = Blueprint("booking", __name__)
