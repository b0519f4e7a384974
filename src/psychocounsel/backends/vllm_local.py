"""Any causal model that vLLM runs, in this process, on a GPU: the fastest way to answer a large corpus at home."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from psychocounsel.backends.asking import completion, messages_of
from psychocounsel.backends.protocols import Completion
from psychocounsel.backends.transformers_local import load_tokenizer
from psychocounsel.endpoints import Sampling
from psychocounsel.errors import BackendError, MissingExtraError
from psychocounsel.models.encoding import encode_prompt
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
        vllm = _vllm(self.spec)
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


class VllmPolicy:
    """A policy in a folder that a round samples: prompts cached by prefix, an adapter served without a merge.

    Tokens are ours, from the one encode function; vLLM only decodes. It gives the GPU back when it is deleted.
    """

    def __init__(self, folder: Path, *, temperature: float, max_prompt: int, max_tokens: int) -> None:
        self.spec = f"vllm/{folder}"
        self.tokenizer = load_tokenizer(folder)
        self.temperature, self.max_prompt, self.max_tokens = temperature, max_prompt, max_tokens
        vllm = _vllm(self.spec)
        config = folder / "adapter" / "adapter_config.json"
        base = json.loads(config.read_text("utf-8"))["base_model_name_or_path"] if config.is_file() else str(folder)
        how = {"enable_lora": True, "max_lora_rank": 256} if config.is_file() else {}
        try:
            self._engine = vllm.LLM(
                model=base,
                tokenizer=str(folder),
                enable_prefix_caching=True,
                max_model_len=max_prompt + max_tokens,
                gpu_memory_utilization=0.85,
                **how,
            )
        except (OSError, ValueError, RuntimeError) as error:
            raise BackendError(f"{self.spec} cannot be loaded: {str(error).splitlines()[0]}") from None
        self._adapter = vllm.lora.request.LoRARequest("policy", 1, str(folder / "adapter")) if how else None

    def candidates(
        self, conversations: Sequence[Conversation], seeds: Sequence[Sequence[int]], max_words: int | None = None
    ) -> list[list[Completion]]:
        """Answer each conversation once for every seed of its group."""
        vllm = _vllm(self.spec)
        prompts, how = [], []
        for conversation, group in zip(conversations, seeds, strict=True):
            ids = encode_prompt(self.tokenizer, conversation, self.max_prompt, max_words)[0]
            for seed in group:
                prompts.append({"prompt_token_ids": ids})
                how.append(
                    vllm.SamplingParams(
                        temperature=self.temperature,
                        max_tokens=self.max_tokens,
                        stop_token_ids=[self.tokenizer.eos_token_id],
                        seed=seed % 2**31,
                    )
                )
        outputs = iter(self._engine.generate(prompts, how, use_tqdm=False, lora_request=self._adapter))
        firsts = [[next(outputs).outputs[0] for _ in group] for group in seeds]
        return [[completion(f.text, f.finish_reason != "length", max_words) for f in group] for group in firsts]


def _vllm(spec: str) -> Any:
    try:
        import vllm  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        raise MissingExtraError(f"{spec} needs a GPU and: pip install 'psychocounsel[vllm]'") from None
    return vllm
