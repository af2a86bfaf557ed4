"""What people type arrives in one Unicode form, whichever form their keyboard composes."""

from collections.abc import Iterable
from itertools import chain
from typing import Any

from flask import Flask, Request
from werkzeug.datastructures import ImmutableMultiDict, MultiDict
from werkzeug.utils import cached_property

from karokar.kernel.text.normalization import normal


def _normal(pairs: Iterable[tuple[str, str]]) -> ImmutableMultiDict[str, str]:
    return ImmutableMultiDict([(normal(name), normal(value)) for name, value in pairs])


class NormalRequest(Request):
    """A request whose address, form and file names are in NFC."""

    @cached_property
    def args(self) -> MultiDict[str, str]:
        """The address's parameters."""
        return _normal(super().args.items(multi=True))

    def _load_form_data(self) -> None:
        if "form" in self.__dict__:
            return
        super()._load_form_data()
        parts: dict[str, Any] = self.__dict__
        parts["form"] = _normal(parts["form"].items(multi=True))
        for file in chain.from_iterable(parts["files"].listvalues()):
            file.filename = normal(file.filename or "")


def install(app: Flask) -> None:
    """Let every request be one of these."""
    app.request_class = NormalRequest
