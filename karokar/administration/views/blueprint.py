"""The one blueprint of the desk; each area's pages hang on it from a module of their own."""

from flask import Blueprint

bp = Blueprint("administration", __name__)
