"""The reader of GGUF on files written here byte by byte, and on files that are not whole."""

import struct

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.architecture.families.gguf import read_gguf, unpack_nibbles


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def entry(name: str, kind: int, value: bytes) -> bytes:
    return text(name) + struct.pack("<I", kind) + value


def info(name: str, shape: tuple[int, ...], kind: int, start: int = 0) -> bytes:
    axes = struct.pack(f"<I{len(shape)}Q", len(shape), *shape[::-1])
    return text(name) + axes + struct.pack("<IQ", kind, start)


def whole(
    entries: tuple[bytes, ...] = (),
    infos: tuple[bytes, ...] = (),
    data: bytes = b"",
    *,
    version: int = 3,
    alignment: int = 32,
) -> bytes:
    head = b"GGUF" + struct.pack("<IQQ", version, len(infos), len(entries))
    head += b"".join(entries) + b"".join(infos)
    return head + b"\0" * (-len(head) % alignment) + data


def read(folder, content: bytes):
    path = folder / "model.gguf"
    path.write_bytes(content)
    return read_gguf(path)


NIBBLES = bytes(i | (15 - i) << 4 for i in range(16))  # weights 0 to 15 count up, 16 to 31 down
UP_AND_DOWN = torch.tensor([*range(16), *range(15, -1, -1)], dtype=torch.float32)


def test_one_block_of_each_type(tmp_path):
    """d = 0.5, m = -2: by hand, w = 0.5 q - 2, 0.5 (q - 8) and 0.5 q."""
    half = struct.pack("<e", 0.5)
    blocks = {
        2: (half + NIBBLES, 0.5 * (UP_AND_DOWN - 8)),
        3: (half + struct.pack("<e", -2.0) + NIBBLES, 0.5 * UP_AND_DOWN - 2),
        8: (half + struct.pack("<32b", *range(-16, 16)), 0.5 * torch.arange(-16.0, 16)),
        0: (struct.pack("<32f", *range(32)), torch.arange(32.0)),
        1: (struct.pack("<32e", *range(32)), torch.arange(32.0)),
        30: (b"\x80\x3f" * 32, torch.ones(32)),
    }
    for kind, (data, wanted) in blocks.items():
        found = read(tmp_path, whole(infos=(info("w", (1, 32), kind),), data=data))
        assert torch.equal(found.tensor("w"), wanted[None])
        assert found.tensor("w").dtype == torch.float32


def test_low_halves_come_first():
    assert unpack_nibbles(torch.full((1, 16), 0x21, dtype=torch.uint8)).tolist() == [
        [1] * 16 + [2] * 16
    ]


def test_metadata_of_every_type(tmp_path):
    entries = (
        entry("u8", 0, b"\xff"),
        entry("i8", 1, b"\xff"),
        entry("u16", 2, struct.pack("<H", 60_000)),
        entry("i16", 3, struct.pack("<h", -5)),
        entry("u32", 4, struct.pack("<I", 1 << 31)),
        entry("i32", 5, struct.pack("<i", -(1 << 31))),
        entry("f32", 6, struct.pack("<f", 0.25)),
        entry("yes", 7, b"\1"),
        entry("word", 8, text("żółw")),
        entry("names", 9, struct.pack("<IQ", 8, 2) + text("a") + text("")),
        entry("counts", 9, struct.pack("<IQ3i", 5, 3, 1, -2, 3)),
        entry("u64", 10, struct.pack("<Q", 1 << 63)),
        entry("i64", 11, struct.pack("<q", -7)),
        entry("f64", 12, struct.pack("<d", 0.1)),
    )
    found = read(tmp_path, whole(entries))
    assert found.metadata == {
        "u8": 255,
        "i8": -1,
        "u16": 60_000,
        "i16": -5,
        "u32": 1 << 31,
        "i32": -(1 << 31),
        "f32": 0.25,
        "yes": True,
        "word": "żółw",
        "names": ["a", ""],
        "counts": [1, -2, 3],
        "u64": 1 << 63,
        "i64": -7,
        "f64": 0.1,
    }
    assert found.metadata["yes"] is True


def test_the_file_says_how_its_data_is_aligned(tmp_path):
    entries = (entry("general.alignment", 4, struct.pack("<I", 64)),)
    infos = (info("a", (1,), 0), info("b", (1,), 0, 64))
    data = struct.pack("<f60xf", 1.0, 2.0)
    found = read(tmp_path, whole(entries, infos, data, alignment=64))
    assert (found.tensor("a").item(), found.tensor("b").item()) == (1.0, 2.0)
    assert found.data_start % 64 == 0


def block(kind: int = 3, shape: tuple[int, ...] = (1, 32), start: int = 0) -> tuple[bytes, ...]:
    return (info("w", shape, kind, start),)


BAD = {
    "empty": (b"", "begins with b'', expected b'GGUF'"),
    "safetensors": (b"\x10\0\0\0\0\0\0\0{", "no GGUF file"),
    "magic alone": (b"GGUF", "the version needs 4 bytes at 4, the file has 4: cut short"),
    "version 1": (whole(version=1), "version 1, expected 2 or 3"),
    "big-endian": (b"GGUF" + struct.pack(">I", 3) + bytes(16), r"\(a big-endian file\?\)"),
    "too many tensors": (
        b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 0),
        "1,152,921,504,606,846,976 tensors .* no room",
    ),
    "too long a string": (
        whole((text("a") + struct.pack("<IQ", 8, 1 << 62),)),
        "a needs 4,611,686,018,427,387,904 bytes .* cut short",
    ),
    "unknown value": (whole((entry("a", 13, b"\0" * 8),)), "'a' has type 13, expected one of 0"),
    "array of arrays": (
        whole((entry("a", 9, struct.pack("<IQ", 9, 0)),)),
        "array of type 9, expected numbers or strings",
    ),
    "no UTF-8": (whole((entry("a", 8, struct.pack("<Q", 1) + b"\xff"),)), "a is no UTF-8"),
    "twice": (whole((entry("a", 0, b"\1"), entry("a", 0, b"\1"))), "metadata 'a' twice"),
    "tensor twice": (whole((), block(0) + block(0), bytes(128)), "tensor 'w' twice"),
    "alignment 0": (
        whole((entry("general.alignment", 4, bytes(4)),)),
        "general.alignment is 0, expected a multiple of 8",
    ),
    "Q6_K": (
        whole((), block(14), bytes(256)),
        r"'w' has type Q6_K \(14\), expected one of F32, F16, Q4_0, Q4_1, Q8_0, BF16",
    ),
    "type 999": (whole((), block(999), bytes(256)), "'w' has type 999, expected one of F32"),
    "half a block": (
        whole((), block(3, (2, 16)), bytes(256)),
        r"shape \(2, 16\), expected a last axis in blocks of 32, as Q4_1",
    ),
    "five axes": (whole((), block(0, (1,) * 5), bytes(256)), "5 axes, expected 4 or fewer"),
    "no numbers": (whole((), block(0, (0, 32)), bytes(256)), r"shape \(0, 32\), expected"),
    "data cut short": (whole((), block(3), bytes(19)), "'w' ends at byte .* cut short"),
    "between": (whole((), block(3, start=8), bytes(64)), "at 8, expected a multiple of 32"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_by_name(tmp_path, name):
    content, message = BAD[name]
    with pytest.raises(ValueError, match=message) as caught:
        read(tmp_path, content)
    assert "model.gguf" in str(caught.value)


WHOLE = whole(
    (
        entry("word", 8, text("abc")),
        entry("names", 9, struct.pack("<IQ", 8, 2) + text("a") + text("b")),
    ),
    block(),
    bytes(20),
)


def test_each_shorter_file_is_refused(tmp_path):
    for length in range(len(WHOLE)):
        with pytest.raises(ValueError, match="model.gguf"):
            read(tmp_path, WHOLE[:length])
    assert read(tmp_path, WHOLE).tensor("w").shape == (1, 32)


@settings(max_examples=200, deadline=None)
@given(place=st.integers(0, len(WHOLE) - 1), byte=st.integers(0, 255))
def test_a_changed_byte_is_read_or_refused(tmp_path_factory, place, byte):
    """Nothing but a ValueError, whatever a damaged file says."""
    content = bytearray(WHOLE)
    content[place] = byte
    try:
        found = read(tmp_path_factory.getbasetemp(), bytes(content))
        for name in found.tensors:
            found.tensor(name)
    except ValueError as error:
        assert "model.gguf" in str(error)


def test_a_tensor_that_is_not_there(tmp_path):
    with pytest.raises(ValueError, match="no tensor 'v' among its 1"):
        read(tmp_path, WHOLE).tensor("v")
