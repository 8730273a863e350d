"""Each setting of a family's config is followed, or refused by name: none is passed over."""

import pytest
import torch
from transformers import PreTrainedConfig

from course_lib.architecture.families.interop import CLASSES, from_transformers
from course_lib.architecture.families.interop_configs import our_config
from tests.parity.test_architecture_families import THEIRS, noisy

ABOUT_THE_CALL = {"output_attentions", "output_hidden_states", "return_dict", "use_cache"}
ROPES = (
    {"rope_theta": 50.0},
    {"partial_rotary_factor": 0.5},
    {"factor": 4.0},
    {"rope_type": "linear", "factor": 4.0},
    {"rope_type": "dynamic", "factor": 4.0},
    {"rope_type": "yarn", "factor": 4.0},
)


def others(value: object) -> list:
    """Values that the setting might have instead."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int | float):
        return [value * 2]
    if isinstance(value, dict) and "rope_theta" in value:
        return [value | change for change in ROPES]
    if isinstance(value, list) and value and isinstance(value[0], str):
        return [["sliding_attention"] * len(value)]
    return {str: ["gelu"], type(None): [2, 0.5, True]}.get(type(value), [])


def changed(config: PreTrainedConfig, name: str, value: object) -> PreTrainedConfig:
    fields = config.to_dict() | {name: value}
    return type(config)(**{k: v for k, v in fields.items() if k != "model_type"})


@pytest.mark.parametrize("name", THEIRS)
@torch.no_grad()
def test_every_setting_is_followed_or_refused(name):
    tokens = torch.randint(97, (1, 20), generator=torch.Generator().manual_seed(1))
    followed, refused, passed_over = 0, 0, []
    for setting, value in THEIRS[name].to_dict().items():
        if setting in ABOUT_THE_CALL:
            continue
        for other in others(value):
            try:
                config = changed(THEIRS[name], setting, other)
                our_config(config)
            except Exception:  # by us, or by transformers itself
                refused += 1
                continue
            torch.manual_seed(0)
            try:
                theirs = noisy(CLASSES[name.split(",")[0]](config)).eval()
                wanted = theirs(tokens, use_cache=False).logits
            except Exception:
                continue  # no such model in transformers
            try:
                ours = from_transformers(theirs)
            except ValueError:
                refused += 1
                continue
            followed += 1
            if (ours(tokens) - wanted).abs().max() > 1e-4:
                passed_over.append((setting, other))
    assert not passed_over
    assert followed > 9 and refused > 1
