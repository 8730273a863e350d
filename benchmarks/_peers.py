"""The peers of the speed benchmarks, at a shape: from the registry, or from `pretraining.peers`."""

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.pretraining.speed.peers import NanochatShaped, NanoGPTShaped, Shape

SHAPES = {
    "tiny": Shape("tiny", 32, 1, 2, 16, 64, 4),
    "S": Shape("S", 128, 4, 4, 128, 512, 32),
    "M": Shape("M", 256, 6, 8, 256, 4096, 16),
}


class FromLibrary(nn.Module):
    """A library's model, whose logits we take the loss of (and not the library, which shifts)."""

    def __init__(self, model: nn.Module, logits: Callable[[nn.Module, Tensor], Tensor]) -> None:
        super().__init__()
        self.model, self.logits = model, logits

    def forward(self, tokens: Tensor, targets: Tensor) -> Tensor:
        logits = self.logits(self.model, tokens).float()
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def hf_llama(shape: Shape) -> nn.Module:
    """`transformers.LlamaForCausalLM`, its head tied."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=shape.vocab,
        hidden_size=shape.d_model,
        num_hidden_layers=shape.n_layers,
        num_attention_heads=shape.n_heads,
        intermediate_size=shape.d_gated,
        max_position_embeddings=shape.seq,
        tie_word_embeddings=True,
    )
    return FromLibrary(
        LlamaForCausalLM(config),
        lambda model, tokens: model(input_ids=tokens, use_cache=False).logits,
    )


def hf_gpt2(shape: Shape) -> nn.Module:
    """`transformers.GPT2LMHeadModel` without dropout."""
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=shape.vocab,
        n_embd=shape.d_model,
        n_layer=shape.n_layers,
        n_head=shape.n_heads,
        n_positions=shape.seq,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
    )
    return FromLibrary(
        GPT2LMHeadModel(config),
        lambda model, tokens: model(input_ids=tokens, use_cache=False).logits,
    )


def litgpt(shape: Shape) -> nn.Module:
    """`litgpt.GPT` in the shape of Llama. Raises ImportError where it isn't installed."""
    from litgpt.model import GPT, Config

    config = Config(
        name="benchmark",
        block_size=shape.seq,
        padded_vocab_size=shape.vocab,
        vocab_size=shape.vocab,
        n_layer=shape.n_layers,
        n_head=shape.n_heads,
        n_embd=shape.d_model,
        rotary_percentage=1.0,
        parallel_residual=False,
        bias=False,
        norm_class_name="RMSNorm",
        mlp_class_name="LLaMAMLP",
        intermediate_size=shape.d_gated,
    )
    return FromLibrary(GPT(config), lambda model, tokens: model(tokens))


PEERS: dict[str, Callable[[Shape], nn.Module]] = {
    "nanoGPT-shaped": NanoGPTShaped,
    "nanochat-shaped": NanochatShaped,
    "transformers Llama": hf_llama,
    "transformers GPT-2": hf_gpt2,
    "litgpt": litgpt,
}
