"""The one blueprint that all modules of these pages fill."""

from flask import Blueprint

bp = Blueprint("assignment", __name__)
