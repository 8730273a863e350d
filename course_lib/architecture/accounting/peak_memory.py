"""How many bytes of tensors are alive at once, counted tensor by tensor.

Deterministic: it looks at what PyTorch's operations return, not at the process, so it gives the
same number on every machine and run. It doesn't see scratch space inside one kernel, nor what an
allocator keeps in reserve.
"""

import weakref

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class PeakMemory(TorchDispatchMode):
    """Within the `with` block, `live` is the bytes of tensors made in it that still exist.

    `peak` is the most there ever was. A storage counts once, however many views it has, until the
    last of them is gone; what autograd keeps for the backward pass exists too. Tensors made before
    the block don't count.
    """

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self._alive: dict[int, weakref.ref] = {}  # by id of the storage, which views share

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        for given in tree_leaves((args, kwargs)):  # so that a view of it isn't taken for new
            self._note(given, made=False)
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            self._note(tensor, made=True)
        return result

    def _note(self, value: object, made: bool) -> None:
        if not isinstance(value, Tensor) or id(value.untyped_storage()) in self._alive:
            return
        storage = value.untyped_storage()
        key, size = id(storage), storage.nbytes() if made else 0

        def gone(_: weakref.ref) -> None:
            del self._alive[key]
            self.live -= size

        self._alive[key] = weakref.ref(storage, gone)
        self.live += size
        self.peak = max(self.peak, self.live)
