from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from sartor.tables import Operator
from sartor.tables.errors import ExpansionError, FormatError
from sartor.tables.formats.finding import tried
from sartor.tables.formats.lookup_keys import (
    KEY_FORMATS,
    NSGANET_V2,
    ONCE_FOR_ALL,
    PROXYLESS_NAS,
    KeyFormat,
    squeeze_channels,
)

from .strategies import kernels, operators, strides

OFA_BLOCK = (
    "expanded_conv-input:28x28x48-output:14x14x96-expand:192-kernel:5-stride:2-idskip:0-se:1-hs:1"
)
FORMS = pytest.mark.parametrize("form", KEY_FORMATS, ids=lambda form: form.name)


@st.composite
def keys(draw: st.DrawFn, form: KeyFormat) -> str:
    """A key as its family would write it, put together by hand."""
    size, channels = draw(st.integers(1, 300)), draw(st.sampled_from([8, 16, 24, 40, 80, 112, 320]))
    names = sorted({form.block, *form.layers})
    name = draw(st.sampled_from(names))
    if name == form.block:
        stride, out = draw(strides), draw(st.sampled_from([16, 24, 40, 80, 112, 160]))
        after = (size - 1) // stride + 1
        ratio = draw(st.integers(1, 6))
        skip = draw(st.integers(0, int(stride == 1 and out == channels)))
        flags = "".join(f"-{flag}:{draw(st.integers(0, 1))}" for flag in form.flags)
        return (
            f"{name}-input:{size}x{size}x{channels}-output:{after}x{after}x{out}"
            f"-expand:{ratio if form.by_ratio else ratio * channels}-kernel:{draw(kernels)}"
            f"-stride:{stride}-idskip:{skip}{flags}"
        )
    out = draw(st.integers(1, 2000))
    if name in {"Logits", "classifier"}:
        size = size if form is PROXYLESS_NAS else 1
        before = {"classifier": f"{channels}"}.get(name, f"{size}x{size}x{channels}")
        return f"{name}-input:{before}-output:{out}"
    if name == "AvgPool2D":
        return f"{name}-input:{size}x{size}x{channels}-output:1x1x{channels}"
    if name in {"Conv_2", "feature_mix_layer"}:
        return f"{name}-input:1x1x{channels}-output:1x1x{out}"
    if name in {"Conv", "first_conv"}:
        after = (size - 1) // 2 + 1
        return f"{name}-input:{size}x{size}x{channels}-output:{after}x{after}x{out}"
    size = max(size, 2)
    return f"{name}-input:{size}x{size}x{channels}-output:{size}x{size}x{out}"


@FORMS
@given(data=st.data())
def test_keys_round_trip(form: KeyFormat, data: st.DataObject) -> None:
    key = data.draw(keys(form))
    operator = form.parse(key)
    assert form.write(operator) == key
    assert form.parse(form.write(operator)) == operator


@FORMS
@given(text=st.text())
def test_any_other_text_is_refused(form: KeyFormat, text: str) -> None:
    with pytest.raises(FormatError):
        form.parse(text)


@FORMS
@given(operator=operators())
def test_what_has_no_key_says_so_and_all_else_reads_back(
    form: KeyFormat, operator: Operator
) -> None:
    key = tried(form.write, operator)
    if isinstance(key, str):
        assert form.parse(key) == operator
    else:
        assert f"{form.name} has no key for {operator}" in str(key)


def test_keys_mean_what_their_papers_say() -> None:
    assert str(ONCE_FOR_ALL.parse(OFA_BLOCK)) == (
        "mbconv/48x28x28/expand=192,kernel=5,out=96,se=48,skip=0,stride=2/hswish/float32"
    )
    ratio = "expanded_conv-input:14x14x80-output:14x14x80-expand:6-kernel:7-stride:1-idskip:1"
    assert str(PROXYLESS_NAS.parse(ratio)) == (
        "mbconv/80x14x14/expand=480,kernel=7,out=80,se=0,skip=1,stride=1/relu6/float32"
    )
    by_stage = "MBConv-input:26x26x32-output:13x13x48-expand:3-kernel:7-stride:2-idskip:0-se:1"
    assert str(NSGANET_V2.parse(by_stage)) == (
        "mbconv/32x26x26/expand=96,kernel=7,out=48,se=24,skip=0,stride=2/relu/float32"
    )
    assert str(PROXYLESS_NAS.parse("Logits-input:7x7x1280-output:1000")) == (
        "pooled_dense/1280x7x7/out=1000/none/float32"
    )
    assert str(NSGANET_V2.parse("classifier-input:1280-output:1000")) == (
        "dense/1280x1x1/out=1000/none/float32"
    )


def test_squeeze_channels_are_a_quarter_and_divisible() -> None:
    assert [squeeze_channels(middle) for middle in (64, 72, 120, 960)] == [16, 24, 32, 240]


@pytest.mark.parametrize(
    ("form", "key", "complaint"),
    [
        (ONCE_FOR_ALL, "Conv_9-input:2x2x3-output:2x2x3", "is no key of once-for-all, which has"),
        (ONCE_FOR_ALL, "Conv-input:224x224x3", "is no key"),
        (ONCE_FOR_ALL, "Conv-input:224x224x3-output:112x112", "is not -output:"),
        (ONCE_FOR_ALL, "Conv-input:224x224x3-output:224x224x24", "not the 112x112x24 that comes"),
        (ONCE_FOR_ALL, "Logits-input:7x7x8-output:10", "reads a single pixel, not 7x7x8"),
        (ONCE_FOR_ALL, "Conv-input:3-output:1x1x24", "not how once-for-all writes the input"),
        (ONCE_FOR_ALL, OFA_BLOCK.replace("stride:2", "stride:1"), "not the 28x28x96 that comes of"),
        (ONCE_FOR_ALL, OFA_BLOCK.replace("kernel:5", "kernel:4"), "odd kernels"),
        (ONCE_FOR_ALL, OFA_BLOCK.replace("idskip:0", "idskip:1"), "where the output fits"),
        (ONCE_FOR_ALL, OFA_BLOCK.replace("-hs:1", ""), "a block of once-for-all ends in se:, hs:"),
        (ONCE_FOR_ALL, OFA_BLOCK.replace("28x28", "028x28"), "is no key"),
        (ONCE_FOR_ALL, OFA_BLOCK.replace("28x28", "2" * 5000 + "x28"), "is no key"),
        (PROXYLESS_NAS, OFA_BLOCK.replace("192", "4"), "a block of proxylessnas ends in no flags"),
        (
            NSGANET_V2,
            "MBConv-input:9x9x8-output:9x9x56-expand:3-kernel:3-stride:1-idskip:0-se:0",
            "no stage of nsganetv2 has 56 channels",
        ),
    ],
)
def test_a_key_that_makes_no_sense_says_why(form: KeyFormat, key: str, complaint: str) -> None:
    with pytest.raises(FormatError, match=complaint):
        form.parse(key)


def test_a_ratio_is_not_taken_for_channels_nor_channels_for_a_ratio() -> None:
    """ProxylessNAS puts the ratio into ``expand:``, Once-for-All the channels."""
    with pytest.raises(ExpansionError, match="expand:6 is below the 48 channels that go in"):
        ONCE_FOR_ALL.parse(OFA_BLOCK.replace("expand:192", "expand:6"))
    channels = "expanded_conv-input:14x14x80-output:14x14x80-expand:480-kernel:7-stride:1-idskip:1"
    with pytest.raises(ExpansionError, match="expand:480 can only be channels"):
        PROXYLESS_NAS.parse(channels)
