"""Copy weights between our decoder and the families of `transformers`, both ways.

The two compute the same function; names and layouts differ (`interop_weights`), and the names of
sizes (`interop_configs`). Both directions copy, so that training one leaves the other alone.
"""

from transformers import (
    DeepseekV3ForCausalLM,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralForCausalLM,
    MixtralForCausalLM,
    PreTrainedModel,
    Qwen3ForCausalLM,
)

from course_lib.architecture.decoder import Decoder, ModelConfig, require_plain
from course_lib.architecture.families.interop_configs import our_config, their_config
from course_lib.architecture.families.interop_weights import our_weights, their_weights
from course_lib.architecture.families.presets import family_of

CLASSES: dict[str, type[PreTrainedModel]] = {
    "gpt2": GPT2LMHeadModel,
    "llama": LlamaForCausalLM,
    "mistral": MistralForCausalLM,
    "mixtral": MixtralForCausalLM,
    "qwen3": Qwen3ForCausalLM,
    "deepseek": DeepseekV3ForCausalLM,
}


def to_transformers(model: Decoder, *, eos_id: int | None = None) -> PreTrainedModel:
    """The family's own class with a copy of our weights, in eval mode, on the same device.

    `eos_id` ends and pads its `generate`. Raises ValueError where no family has these choices, and
    for a model with adapters or integer matrices.
    """
    require_plain(model)
    theirs = CLASSES[family_of(model.config)](their_config(model.config, eos_id))
    theirs.load_state_dict(their_weights(model), strict=not model.config.tied)
    weight = model.embed.weight
    return theirs.to(device=weight.device, dtype=weight.dtype).eval()


def from_transformers(theirs: PreTrainedModel) -> Decoder:
    """Our decoder with a copy of their weights, in eval mode, on the same device."""
    config = our_config(theirs.config)
    model = Decoder(config)
    model.load_state_dict(our_weights(theirs.state_dict(), config))
    weight = theirs.get_input_embeddings().weight
    return model.to(device=weight.device, dtype=weight.dtype).eval()


def llama_config(config: ModelConfig, eos_id: int | None = None) -> LlamaConfig:
    """Our sizes in the names of `LlamaConfig`. Raises ValueError for another family's choices."""
    family = family_of(config)
    if family != "llama":
        raise ValueError(f"the config is a {family}, expected a llama: use to_transformers")
    return their_config(config, eos_id)


def to_llama(model: Decoder, *, eos_id: int | None = None) -> LlamaForCausalLM:
    """`to_transformers` for a model that must be a Llama, which the course's own models are."""
    llama_config(model.config)
    return to_transformers(model, eos_id=eos_id)


def from_llama(llama: LlamaForCausalLM) -> Decoder:
    """`from_transformers` for a Llama."""
    return from_transformers(llama)
