"""What a step of training computes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchbench.encoding.backbone import Backbone


@contextmanager
def counted(encoder: Backbone, pretext: nn.Module, report: Callable[[int, int], None]) -> Iterator[None]:
    """Report, at the end, how many floating-point operations the block took and how many samples its encoders read: the
    given one, and any of the pretext's own, such as a moving average."""
    passes = 0

    def count(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        nonlocal passes
        passes += len(inputs[0])

    encoders = [encoder, *(m for m in pretext.modules() if isinstance(m, Backbone))]
    hooks = [each.register_forward_pre_hook(count) for each in encoders]
    grouped = getattr(encoder, "encode_tasks", None)
    if grouped is not None:

        def counting(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
            nonlocal passes
            passes += x.shape[0] * x.shape[1]
            return grouped(x, *args, **kwargs)

        encoder.__dict__["encode_tasks"] = counting
    flops = FlopCounterMode(display=False)
    try:
        with flops:
            yield
    finally:
        for hook in hooks:
            hook.remove()
        encoder.__dict__.pop("encode_tasks", None)
    report(flops.get_total_flops(), passes)
