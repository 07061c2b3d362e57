"""What the bytes of a computation depend on beside its inputs: libraries, processor and threads."""

import hashlib
import json
import os
import platform
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Final

import torch
from threadpoolctl import ThreadpoolController, threadpool_info

from licet.model.errors import Refused

LIBRARIES: Final = ("numpy", "scipy", "scikit-learn", "torch", "safetensors", "tokenizers")
VARIABLES: Final = ("ATEN_CPU_CAPABILITY", "MKL_CBWR", "ONEDNN_MAX_CPU_ISA", "OPENBLAS_CORETYPE", "PYTHONHASHSEED")
"""Settings that choose between ways to compute the same thing, with different last bits."""


BRING_POOLS: Final = frozenset({"numpy", "torch", "scipy.linalg", "sklearn"})
"""Modules that load libraries with threads of their own."""


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread while this lasts: sums split over threads end in other bits."""
    before = torch.get_num_threads()
    with _pools(frozenset(BRING_POOLS & sys.modules.keys())).limit(limits=1):
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(before)


@cache
def _pools(_loaded: frozenset[str]) -> ThreadpoolController:
    # Looking for libraries takes milliseconds, so it is done again only when one may have been loaded since.
    return ThreadpoolController()


def environment() -> dict[str, str]:
    """Describe this machine, as far as bytes depend on it."""
    found = {name: version(name) for name in LIBRARIES}
    found |= {f"${name}": os.environ[name] for name in VARIABLES if name in os.environ}
    return found | {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "torch_capability": torch.backends.cpu.get_cpu_capability(),
        "accelerator": _accelerator(),
        "blas": _blas(),
        "threads": "1",
    }


def _accelerator() -> str:
    if not torch.cuda.is_available():
        return "none"
    return f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}"


def _blas() -> str:
    # NumPy's own: others are loaded or not, as it happens, and are named by their packages' versions.
    pools = [each for each in threadpool_info() if each["user_api"] == "blas" and "numpy" in each["filepath"]]
    return ", ".join(f"{each['internal_api']} {each['version']} {each.get('architecture', '')}" for each in pools)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    said = dict(line.split(":", 1) for line in lines if ":" in line)
    told = {name.strip(): text.strip() for name, text in said.items()}
    flags = hashlib.sha256(told.get("flags", told.get("Features", "")).encode()).hexdigest()[:16]
    return f"{told.get('model name', platform.machine())} (flags {flags})"


def environment_digest(described: Mapping[str, str]) -> str:
    """Give the SHA-256 of a description."""
    return hashlib.sha256(json.dumps(dict(described), sort_keys=True).encode()).hexdigest()


def differences(recorded: Mapping[str, str], here: Mapping[str, str]) -> list[str]:
    """Say in what two descriptions differ, one line each."""
    names = sorted({*recorded, *here})
    return [
        f"{name}: {recorded.get(name, 'unset')} then, {here.get(name, 'unset')} here"
        for name in names
        if recorded.get(name) != here.get(name)
    ]


def check_environment(recorded: Mapping[str, str], here: Mapping[str, str]) -> None:
    """Refuse to replay on a machine whose bytes may differ.

    Raises:
        Refused: the machine or its libraries differ; the message says in what.
    """
    found = differences(recorded, here)
    if found:
        raise Refused(f"bytes cannot be compared on this machine ({'; '.join(found)})", "replay where it was trained")
