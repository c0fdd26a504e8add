"""The families of supernets that files may name.

A family is a class of specs (``supernet.Family``); nothing here needs torch. To add one, write its
class in a module of its own and enter it in ``FAMILIES`` under the name that its specs give.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ...tables.errors import UnknownNameError
from ...tables.operator import Shape
from .mobilenet_v3 import MobileNetV3
from .proxylessnas import ProxylessNAS
from .resnet50 import ResNet50
from .supernet import Family

FAMILIES: Mapping[str, Family] = {
    MobileNetV3.family: MobileNetV3,
    ProxylessNAS.family: ProxylessNAS,
    ResNet50.family: ResNet50,
}

_SPELLINGS = (
    (".bn.bn.", ".bn."),
    (".bn.", ".bn.bn."),
    (".conv.conv.weight", ".conv.weight"),
    (".conv.weight", ".conv.conv.weight"),
    (".linear.linear.", ".linear."),
    (".linear.", ".linear.linear."),
)
"""Published files write some names once, others doubled; each pair leads from one to the other."""


def find_family(name: str) -> Family:
    """Return a family by its name; UnknownNameError when there is none."""
    if name not in FAMILIES:
        raise UnknownNameError("family of supernets", name, sorted(FAMILIES))
    return FAMILIES[name]


def likeliest_family(published: Collection[str]) -> Family:
    """Return the family whose tensors' names are most like those of a file, in any spelling."""

    def strange(family: Family) -> int:
        known = family.published().state_shapes()
        return len(known.keys() ^ {our_name(name, known) for name in published})

    return min(FAMILIES.values(), key=strange)


def our_name(published: str, known: Collection[str] | Mapping[str, Shape]) -> str:
    """Return the name, of those known, that a file's name means; itself where it means none."""
    name = published.removeprefix("module.").replace(".mobile_inverted_conv.", ".conv.")
    spellings = (name, *(name.replace(*pair) for pair in _SPELLINGS))
    return next((spelling for spelling in spellings if spelling in known), name)
