"""Any causal model that vLLM runs, in this process, on a GPU: the fastest way to answer a large corpus at home."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psychocounsel.backends.asking import completion, messages_of
from psychocounsel.backends.protocols import Completion
from psychocounsel.endpoints import Sampling
from psychocounsel.errors import BackendError, MissingExtraError
from psychocounsel.records import Conversation


class VllmChat:
    """A model from a folder or the hub, loaded when it is first asked."""

    simulated = False

    def __init__(self, name: str, sampling: Sampling) -> None:
        self.spec = f"vllm/{name}"
        self.name = name
        self.sampling = sampling
        self._engine: Any = None

    def generate(
        self, conversations: Sequence[Conversation], seeds: Sequence[int], max_words: int | None = None
    ) -> list[Completion]:
        """Answer each conversation, all of them handed to vLLM at once. Raises MissingExtraError without vLLM."""
        try:
            import vllm  # type: ignore[import-not-found,unused-ignore]
        except ImportError:
            raise MissingExtraError(f"{self.spec} needs a GPU and: pip install 'psychocounsel[vllm]'") from None
        if self._engine is None:
            try:
                self._engine = vllm.LLM(model=self.name)
            except (OSError, ValueError, RuntimeError) as error:
                raise BackendError(f"{self.spec} cannot be loaded: {str(error).splitlines()[0]}") from None
        sampling = self.sampling
        chats = [messages_of(conversation, sampling.system, max_words) for conversation in conversations]
        how = [
            vllm.SamplingParams(
                temperature=1.0 if sampling.temperature is None else sampling.temperature,
                top_p=sampling.top_p or 1.0,
                max_tokens=sampling.max_tokens,
                stop=sampling.stop or None,
                seed=seed % 2**31,
            )
            for seed in seeds
        ]
        outputs = self._engine.chat(chats, how, use_tqdm=False)
        firsts = [output.outputs[0] for output in outputs]
        return [completion(first.text, first.finish_reason != "length", max_words) for first in firsts]
