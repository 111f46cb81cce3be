"""What a result was made with: versions and hardware."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path

_PACKAGES = ("torch", "transformers", "open_clip_torch", "deepspeed", "safetensors", "pillow", "numpy")


def versions() -> dict[str, str]:
    """Versions of mmtune, Python and the packages that a result can depend on."""
    import mmtune

    found = {"mmtune": mmtune.__version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def hardware() -> dict[str, str]:
    """Processor, cores that may be used, memory, accelerators, operating system."""
    import torch

    found = {"system": f"{platform.system()} {platform.machine()}", "processor": _processor()}
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    found["cores"] = str(cores)
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        gigabytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
        found["memory"] = f"{gigabytes:.0f} GiB"
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        found["accelerators"] = ", ".join(names)
    return found


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
