"""The dense feed-forward blocks: what a token computes by itself."""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor, nn

from course_lib.architecture.ops import gelu_tanh, relu_squared, swiglu

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"gelu": gelu_tanh, "relu2": relu_squared}


class SwiGLU(nn.Module):
    """W_down (SiLU(W_gate x) * W_up x)."""

    def __init__(self, d_model: int, d_ff: int, bias: bool = False) -> None:
        super().__init__()
        self.gate = nn.Linear(d_model, d_ff, bias=bias)
        self.up = nn.Linear(d_model, d_ff, bias=bias)
        self.down = nn.Linear(d_ff, d_model, bias=bias)

    def forward(self, x: Float[Tensor, "*lead d_model"]) -> Float[Tensor, "*lead d_model"]:
        return self.down(swiglu(self.gate(x), self.up(x)))


class MLP(nn.Module):
    """W_down f(W_up x), with `activation` f "gelu" or "relu2"."""

    def __init__(self, d_model: int, d_ff: int, activation: str, bias: bool = False) -> None:
        super().__init__()
        self.activation = activation
        self.up = nn.Linear(d_model, d_ff, bias=bias)
        self.down = nn.Linear(d_ff, d_model, bias=bias)

    def forward(self, x: Float[Tensor, "*lead d_model"]) -> Float[Tensor, "*lead d_model"]:
        return self.down(ACTIVATIONS[self.activation](self.up(x)))
