"""Our reader of GGUF against the `gguf` package, on files that the package wrote."""

import gguf
import numpy as np
import pytest
import torch

from course_lib.architecture.families.gguf import read_gguf

TYPES = ("F32", "F16", "BF16", "Q4_0", "Q4_1", "Q8_0")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """One file with a tensor of each type and metadata of each kind."""
    path = tmp_path_factory.mktemp("gguf") / "small.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("small")
    writer.add_block_count(3)
    writer.add_rope_freq_base(10_000.0)
    writer.add_add_bos_token(False)
    writer.add_token_list(["a", "Ġb", "ż"])
    writer.add_token_types([1, 1, 3])
    generator = np.random.default_rng(0)
    for name in TYPES:
        weights = generator.normal(0.1, 0.5, (5, 96)).astype(np.float32)
        kind = gguf.GGMLQuantizationType[name]
        writer.add_tensor(f"{name}.weight", gguf.quantize(weights, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_tensors(parity, written):
    ours, theirs = read_gguf(written), gguf.GGUFReader(written)
    assert [tensor.name for tensor in theirs.tensors] == list(ours.tensors)
    for tensor in theirs.tensors:
        wanted = torch.from_numpy(gguf.dequantize(tensor.data, tensor.tensor_type).copy())
        found = ours.tensor(tensor.name)
        assert found.shape == wanted.shape == (5, 96)
        assert wanted.std() > 0.3
        parity(
            stem="architecture",
            ours=f"architecture.families.gguf.read_gguf({tensor.name.removesuffix('.weight')})",
            reference="gguf.dequantize",
            error=(found - wanted).abs().max().item(),
            tolerance=0,
            note="weights in float32",
        )


def test_metadata(written):
    ours, theirs = read_gguf(written), gguf.GGUFReader(written)
    known = {n: f.contents() for n, f in theirs.fields.items() if not n.startswith("GGUF.")}
    assert ours.metadata == known
    assert (ours.version, ours.data_start) == (3, theirs.data_offset)
