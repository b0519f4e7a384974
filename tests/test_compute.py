from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode
from transformers import LlamaConfig, LlamaForCausalLM

from psychocounsel import compute
from psychocounsel.compute import GIB, Load, Shape, gpu_named, parameters, shape_of
from psychocounsel.errors import BackendError
from psychocounsel.forecast import forecast
from psychocounsel.hyperparameters import Dpo, Lora, MadeModel, Training
from psychocounsel.recipe import load_recipe, recipe_of

RECIPES = sorted((Path(__file__).parents[1] / "recipes").glob("*.yaml"))
TINY = Shape(vocab=640, hidden=256, layers=3, heads=8, kv_heads=2, head_dim=32, intermediate=896, tied=False)


def llama(shape, attention="sdpa"):
    config = LlamaConfig(
        vocab_size=shape.vocab,
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        intermediate_size=shape.intermediate,
        tie_word_embeddings=shape.tied,
        attn_implementation=attention,
    )
    return LlamaForCausalLM(config)


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("meta-llama/Llama-3.2-1B-Instruct", 1_235_814_400),
        ("meta-llama/Llama-3.2-3B-Instruct", 3_212_749_824),
        ("meta-llama/Llama-3.1-8B-Instruct", 8_030_261_248),
        ("Qwen/Qwen2.5-0.5B-Instruct", 494_032_768),
        ("Qwen/Qwen2.5-1.5B-Instruct", 1_543_714_304),
        ("Qwen/Qwen2.5-3B-Instruct", 3_085_938_688),
        ("Qwen/Qwen2.5-7B-Instruct", 7_615_616_512),
        ("mistralai/Mistral-7B-Instruct-v0.3", 7_248_023_552),
        ("minilm", 22_713_216),
    ],
)
def test_parameters_are_the_published_ones(name, count):
    assert parameters(shape_of(name)) == count


def test_a_folder_is_read_by_its_config_alone(tmp_path):
    model = llama(TINY)
    model.config.save_pretrained(tmp_path)
    assert shape_of(str(tmp_path)) == TINY
    assert parameters(TINY) == sum(p.numel() for p in model.parameters())
    (tmp_path / "config.json").write_text(json.dumps({"hidden_size": 8}))
    with pytest.raises(BackendError, match="num_attention_heads"):
        shape_of(str(tmp_path))


def test_a_made_model_has_the_shape_that_base_gives_it():
    made = MadeModel()
    shape = compute.made_shape(made)
    assert parameters(shape) == sum(p.numel() for p in llama(shape).parameters())


def test_unknown_names_are_told_with_near_ones():
    with pytest.raises(BackendError, match="did you mean h100"):
        gpu_named("h100-sxm5")
    with pytest.raises(BackendError, match=r"did you mean .*Llama-3.1-8B-Instruct"):
        shape_of("meta-llama/Llama-3.1-9B-Instruct")
    assert shape_of("mirror/llama-3.1-8b-instruct") == shape_of("meta-llama/Llama-3.1-8B-Instruct")


def test_no_gpu_is_listed_with_the_sparsity_figure():
    assert gpu_named("H100").rate("bf16") == pytest.approx(989.4e12)
    assert gpu_named("a100").rate("bf16") == pytest.approx(312e12)
    assert gpu_named("t4").rate("bf16") == gpu_named("t4").rate("float32")
    for name in compute._catalogue("gpus.yaml"):
        gpu = gpu_named(name)
        assert gpu.bf16 is None or gpu.float32 <= gpu.bf16 <= 35 * gpu.float32, name
        assert 10 < gpu.gib < 200
        assert 200 < gpu.bandwidth < 10_000


def test_forward_flops_are_those_that_torch_counts():
    tokens = 320
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        llama(TINY, "eager")(input_ids=torch.zeros((1, tokens), dtype=torch.long), use_cache=False)
    # Plain attention computes the whole square and masks half of it, so the square is what is compared.
    counted = compute.forward_flops(TINY, Load(tokens, tokens**2, tokens))
    assert counted == pytest.approx(counter.get_total_flops(), rel=0.02)


def test_training_flops_are_those_that_torch_counts():
    tokens = 320
    model = llama(TINY, "eager")
    with FlopCounterMode(display=False) as counter:
        model(input_ids=torch.zeros((1, tokens), dtype=torch.long), use_cache=False).logits.sum().backward()
    counted = compute.training_flops(TINY, Load(tokens, tokens**2, tokens), Training())
    assert counted == pytest.approx(counter.get_total_flops(), rel=0.02)


def test_a_shared_prompt_is_counted_once_and_seen_by_every_branch():
    load = compute.group(TINY, 3, 2, 2)
    assert (load.tokens, load.wanted) == (7, 4)
    assert load.seen == 6 + 2 * (4 + 5)  # the prompt's triangle; then a branch's tokens see 3 + 1 and 3 + 2 places
    encoder = compute.group(shape_of("minilm"), 3, 2, 2)
    assert (encoder.tokens, encoder.seen, encoder.wanted) == (10, 50, 0)


def test_adapters_and_checkpointing_change_what_is_computed():
    load = compute.group(TINY, 90, 220, 2)
    linear, attention, head = compute._parts(TINY, load)
    adapters = 2 * compute.adapter_parameters(TINY, 16) * load.tokens
    full, lora = Training(), Training(lora=Lora(rank=16))
    assert compute.training_flops(TINY, load, full) == 3 * (linear + attention + head)
    again = full.model_copy(update={"checkpointing": True})
    assert compute.training_flops(TINY, load, again) == 4 * (linear + attention) + 3 * head
    assert compute.training_flops(TINY, load, lora) == 2 * (linear + head) + 3 * (attention + adapters)
    wide = Load(8192, wanted=1 + compute.KEPT // (2 * TINY.vocab))  # too many probabilities to keep
    assert compute.training_flops(TINY, load, full, wide) == 3 * (linear + attention) + 4 * head


def test_the_head_keeps_as_much_as_the_trainer_does():
    from psychocounsel.models import head

    assert head.KEEP_BYTES == compute.KEPT


@pytest.mark.parametrize("bf16", [True, False])
def test_activations_are_those_that_autograd_keeps(bf16):
    tokens, model = 320, llama(TINY)
    weights = {tuple(p.shape) for p in model.parameters()} | {tuple(p.shape)[::-1] for p in model.parameters()}
    kept = {}

    def pack(tensor):
        if tuple(tensor.shape) not in weights:  # neither weights nor autocast's copies of them
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        model.model(input_ids=torch.zeros((1, tokens), dtype=torch.long), use_cache=False)
        measured = sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
    blocks = compute._block_bytes(TINY, bf16) * tokens * TINY.layers
    assert measured == pytest.approx(blocks, rel=0.08)
    assert measured < compute.activation_bytes(TINY, tokens, checkpointing=False, bf16=bf16)


def test_memory_grows_with_the_row_and_shrinks_with_what_saves_it():
    shape = shape_of("meta-llama/Llama-3.1-8B-Instruct")

    def need(tokens=4096, gpus=1, **changed):
        return compute.training_bytes(shape, Training(**changed), Load(tokens, wanted=0.8 * tokens), gpus) / GIB

    rows = [need(tokens) for tokens in (512, 1024, 2048, 4096, 8192, 16384)]
    assert rows == sorted(rows)
    assert need(checkpointing=True) < need() - 20
    assert need(gpus=8) < need(gpus=4) < need(gpus=2) < need()
    assert need(lora=Lora(quantised=True)) < need(lora=Lora()) < need() / 2
    weights = 18 * parameters(shape) / GIB
    assert need() > weights  # 4 + 4 + 8 + 2 bytes each, and then the activations


def test_sampling_is_bound_by_bandwidth_where_few_are_asked_and_by_products_never_below():
    shape, gpu = shape_of("meta-llama/Llama-3.1-8B-Instruct"), gpu_named("h100")
    many = compute.sampling(shape, gpu, 90, 220, 8, 6400, 0.4, 1)
    assert many.at_once == compute.AT_ONCE
    assert many.seconds >= many.flops / (gpu.rate("bf16") * 0.4)
    assert compute.sampling(shape, gpu, 90, 220, 8, 6400, 0.4, 4).seconds == pytest.approx(many.seconds / 4)
    long = compute.sampling(shape, gpu, 30_000, 4000, 2, 100, 0.4, 1)
    assert long.at_once < compute.AT_ONCE
    assert long.memory <= compute.FITS * gpu.gib * GIB


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_every_shipped_recipe_is_planned_and_fits_its_machine(path, tmp_path):
    recipe = load_recipe(path, [f"output={tmp_path}"])
    found = forecast(recipe).as_dict()
    json.dumps(found, allow_nan=False)
    assert found["steps"]
    named = recipe.base.model is not None
    for step in found["steps"]:
        assert step["remark"] in ("", "as is") or not named, step
        assert step["fits"] in (True, None), step
    assert not named or not found["notes"]


def test_what_does_not_fit_is_told_with_settings_that_do(tmp_path):
    path = next(p for p in RECIPES if p.stem == "paper-llama3-8b")
    tight = [f"output={tmp_path}", "machine.gpus=1"]
    notes = forecast(load_recipe(path, tight)).notes
    assert len(notes) == 3
    for key, note in zip(("reward", "align.dpo", "align.iterate"), notes, strict=True):
        assert "does not fit" in note
        assert f"{key}.lora.rank=16" in note
    cure = ["reward.lora.rank=16", "align.dpo.lora.rank=16", "align.iterate.lora.rank=16"]
    assert forecast(load_recipe(path, tight + cure)).notes == []
    hopeless = forecast(load_recipe(path, [*tight, "machine.gpu=t4"])).notes
    assert any("take a GPU with more memory" in note or "take one with more memory" in note for note in hopeless)


def test_an_unknown_model_leaves_the_other_steps_planned(tmp_path):
    recipe = recipe_of([f"output={tmp_path}", "reward.model=somebody/strange", "collect.limit=50"])
    found = forecast(recipe)
    by_step = {taken.step: taken for taken in found.steps}
    assert by_step["reward"].remark == by_step["round: score"].remark == "unknown shape"
    assert by_step["align/dpo"].flops > 0
    assert any("config.json" in note for note in found.notes)


def test_missing_counts_are_asked_for(tmp_path):
    recipe = recipe_of(
        [f"output={tmp_path}", "collect.source=file", f"collect.path={tmp_path / 'no.csv'}", "collect.columns.text=x"]
    )
    found = forecast(recipe)
    assert found.workload.told_by["speeches"] == found.workload.told_by["pairs"] == "unknown"
    assert any("expected.pairs=N" in note for note in found.notes)
    known = recipe.model_copy(update={"expected": recipe.expected.model_copy(update={"speeches": 100, "pairs": 300})})
    assert asdict(forecast(known).workload)["told_by"]["pairs"] == "expected"


def test_the_reference_is_counted_once_whatever_the_epochs(tmp_path):
    def flops(epochs):
        recipe = recipe_of([f"output={tmp_path}", "collect.limit=50", f"align.dpo.epochs={epochs}"])
        return next(taken.flops for taken in forecast(recipe).steps if taken.step == "align/dpo")

    shape = compute.made_shape(MadeModel())
    recipe = recipe_of([f"output={tmp_path}", "collect.limit=50"])
    work = forecast(recipe).workload
    pair = compute.group(shape, work.prompt, work.response, 2)
    once = work.pairs * compute.training_flops(shape, pair, Dpo())
    assert flops(3) - flops(1) == pytest.approx(2 * once)
    assert flops(1) - once == pytest.approx(work.pairs * compute.forward_flops(shape, pair))
