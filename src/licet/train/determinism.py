"""One thread, no choice of algorithm by speed, all generators seeded: before every slice."""

import random
import sys

import numpy as np


def pin(seed: int) -> None:
    """Seed every generator that a learner might use, and hold the libraries it loaded to one thread."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 # libraries below still draw from the old generator
    if "torch" in sys.modules:
        pin_torch(seed)


def pin_torch(seed: int) -> None:
    """Seed torch and have it compute the same way every time."""
    import torch  # noqa: PLC0415 # learners without torch do not wait for it

    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(mode=True)
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.set_num_threads(1)
