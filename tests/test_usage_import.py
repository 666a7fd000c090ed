"""What a job uses is measured beside it, also while it imports torch for the first time."""

import types

from workflow_scripts.core import usage


def test_memory_is_nothing_while_torch_is_half_imported(monkeypatch):
    for half in (None, types.ModuleType("torch.cuda")):
        monkeypatch.setitem(usage.sys.modules, "torch.cuda", half)
        assert usage.peak_gpu_bytes() == 0


def test_memory_is_summed_over_the_devices(monkeypatch):
    cuda = types.ModuleType("torch.cuda")
    cuda.is_initialized, cuda.device_count = lambda: True, lambda: 2
    cuda.max_memory_allocated = lambda place: 10 + place
    monkeypatch.setitem(usage.sys.modules, "torch.cuda", cuda)
    assert usage.peak_gpu_bytes() == 21
