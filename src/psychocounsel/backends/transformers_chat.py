"""Any causal model that `transformers` loads, in this process: on a GPU where there is one, otherwise on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psychocounsel.backends.asking import completion, messages_of
from psychocounsel.backends.protocols import Completion
from psychocounsel.endpoints import Sampling
from psychocounsel.errors import BackendError
from psychocounsel.models import runtime
from psychocounsel.models.encoding import plain
from psychocounsel.records import Conversation

ROWS = 32
"""Conversations answered at once."""


class TransformersChat:
    """A model and its tokenizer, from a folder or the hub, loaded when it is first asked."""

    simulated = False

    def __init__(self, name: str, sampling: Sampling, rows: int = ROWS) -> None:
        self.spec = f"transformers/{name}"
        self.name = name
        self.sampling = sampling
        self.rows = rows
        self._loaded: tuple[Any, Any] | None = None

    def load(self) -> tuple[Any, Any]:
        """Return tokenizer and model. Raises BackendError where they cannot be loaded, or have no chat template."""
        if self._loaded is None:
            runtime.prepare()
            import torch
            from transformers import AutoModelForCausalLM, AutoTokenizer

            gpu = torch.cuda.is_available()
            try:
                tokenizer: Any = AutoTokenizer.from_pretrained(self.name, padding_side="left")
                if tokenizer.chat_template is None:
                    raise BackendError(f"{self.spec} has no chat template: it is no chat model. Name its chat version.")
                model: Any = AutoModelForCausalLM.from_pretrained(
                    self.name, dtype=torch.bfloat16 if gpu else torch.float32, device_map="cuda" if gpu else "cpu"
                )
            except (OSError, ValueError) as error:
                raise BackendError(f"{self.spec} cannot be loaded: {str(error).splitlines()[0]}") from None
            if tokenizer.pad_token_id is None:
                tokenizer.pad_token_id = tokenizer.eos_token_id
            self._loaded = tokenizer, model.eval()
        return self._loaded

    def generate(
        self, conversations: Sequence[Conversation], seeds: Sequence[int], max_words: int | None = None
    ) -> list[Completion]:
        """Answer each conversation; a row's random numbers come from its seed alone, whatever is answered beside it."""
        tokenizer, model = self.load()
        prompts = [self._prompt(tokenizer, conversation, max_words) for conversation in conversations]
        room = int(getattr(model.config, "max_position_embeddings", 0) or 1 << 20)
        # Long ones together, so that little is padding.
        order = sorted(range(len(prompts)), key=lambda k: len(prompts[k]))
        out: dict[int, Completion] = {}
        for start in range(0, len(order), self.rows):
            part = order[start : start + self.rows]
            fitting = [k for k in part if len(prompts[k]) + 16 <= room]
            out |= {k: Completion("", "the context is too long for the model") for k in part if k not in fitting}
            if fitting:
                rows = self._answer(tokenizer, model, [prompts[k] for k in fitting], [seeds[k] for k in fitting], room)
                out |= {k: completion(text, done, max_words) for k, (text, done) in zip(fitting, rows, strict=True)}
        return [out[k] for k in range(len(prompts))]

    def _prompt(self, tokenizer: Any, conversation: Conversation, max_words: int | None) -> list[int]:
        messages = messages_of(conversation, self.sampling.system, max_words)
        messages = [message | {"content": plain(tokenizer, message["content"])} for message in messages]
        try:
            text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        except Exception as error:  # a template is a program of the model's author, and may raise anything
            if not self.sampling.system:
                raise BackendError(f"{self.spec}: its chat template refuses the conversation: {error}") from None
            # Some models know no system turn: what it says then stands before the first turn.
            head, first, *rest = messages
            joined = [{"role": first["role"], "content": f"{head['content']}\n\n{first['content']}"}, *rest]
            text = tokenizer.apply_chat_template(joined, tokenize=False, add_generation_prompt=True)
        ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def _answer(
        self, tokenizer: Any, model: Any, prompts: list[list[int]], seeds: list[int], room: int
    ) -> list[tuple[str, bool]]:
        """Return text of each answer, and whether it ended by itself."""
        import torch
        from transformers import LogitsProcessorList, TemperatureLogitsWarper, TopPLogitsWarper

        sampling = self.sampling
        inputs = tokenizer.pad({"input_ids": prompts}, return_tensors="pt").to(model.device)
        width = inputs["input_ids"].shape[1]
        warpers: list[Any] = []
        if sampling.temperature:
            warpers.append(TemperatureLogitsWarper(float(sampling.temperature)))
            if sampling.top_p:
                warpers.append(TopPLogitsWarper(sampling.top_p))
            warpers.append(SeededNoise(seeds))
        with torch.inference_mode():
            made = model.generate(
                **inputs,
                # With the noise on the logits, the likeliest token is a sample (the Gumbel trick).
                do_sample=False,
                temperature=None,
                top_p=None,
                top_k=None,
                max_new_tokens=min(sampling.max_tokens or 512, room - width),
                logits_processor=LogitsProcessorList(warpers),
                stop_strings=sampling.stop or None,
                tokenizer=tokenizer if sampling.stop else None,
                pad_token_id=tokenizer.pad_token_id,
            )[:, width:]
        ends = model.generation_config.eos_token_id
        ends = set(ends if isinstance(ends, list) else [ends, tokenizer.eos_token_id])
        rows = []
        for ids in made.tolist():
            finished = any(token in ends for token in ids)
            text = tokenizer.decode(ids, skip_special_tokens=True)
            for stop in sampling.stop:
                if stop in text:
                    text, finished = text[: text.index(stop)], True
            rows.append((text, finished))
        return rows


class SeededNoise:
    """Adds to each row's logits noise that depends on the row's seed and step, and not on the rows beside it."""

    def __init__(self, seeds: Sequence[int]) -> None:
        import numpy as np

        self.rows = [np.random.default_rng(seed) for seed in seeds]

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        import numpy as np
        import torch

        noise = np.stack([row.gumbel(size=scores.shape[-1]).astype(np.float32) for row in self.rows])
        return scores.float() + torch.from_numpy(noise).to(scores.device)
