"""Tiny random-weight models of real classes, saved to folders just as the published ones are.

Each builder writes one folder (config, safetensors, tokenizer or processor), returns its path and never touches
the caller's random state. The same seed gives the same weights. Nothing is imported before a builder is called.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)

_CORPUS = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, "
    "detailed, and polite answers to the user's questions. USER: ASSISTANT: system user assistant",
    "You are a helpful assistant. Answer the questions. Describe the image in a short sentence.",
    "Is there a red circle in the image? Yes. No. How many blue squares are there? one two three four five",
    "What colour is the triangle? The green triangle is to the left of the yellow star, above the cup.",
    "0 1 2 3 4 5 6 7 8 9 The number written on the photo is 7. The word reads STOP.",
)
"""Text from which the tokenizers learn their merges."""


def byte_level_tokenizer(folder: Path, special: tuple[str, ...], vocabulary: int = 512, **roles: str) -> Any:
    """Train and save a byte-level BPE tokenizer that can spell any text.

    Args:
        folder: where its files go.
        special: special tokens; they take the first ids, in this order.
        vocabulary: largest number of ids, at least 256 + ``len(special)``.
        roles: ``bos_token``, ``eos_token``, ``pad_token``, ... of ``PreTrainedTokenizerFast``.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    core.train_from_iterator(
        _CORPUS,
        trainers.BpeTrainer(
            vocab_size=vocabulary,
            special_tokens=[AddedToken(token, special=True, normalized=False) for token in special],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    bos = roles.get("bos_token")
    if bos is not None:
        core.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", pair=f"{bos} $A {bos} $B", special_tokens=[(bos, core.token_to_id(bos))]
        )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, **roles)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(folder)
    return tokenizer


def llama_style_tokenizer(folder: Path) -> Any:
    """Tokenizer with <unk>, <s> (put in front of every text) and </s>, and no padding token, like Llama's."""
    return byte_level_tokenizer(
        folder, ("<unk>", "<s>", "</s>"), unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    )


def qwen_style_tokenizer(folder: Path) -> Any:
    """Tokenizer with ChatML control tokens and no token at the beginning, like Qwen's."""
    tokenizer = byte_level_tokenizer(
        folder,
        ("<|endoftext|>", "<|im_start|>", "<|im_end|>"),
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
    )
    tokenizer.chat_template = (
        "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    tokenizer.save_pretrained(folder)
    return tokenizer


def tiny_llama(folder: Path, *, seed: int = 0, tokenizer: Path | None = None, **config: Any) -> Path:
    """``LlamaForCausalLM`` with two layers; ``tokenizer`` is a folder to copy one from instead of making it."""
    from transformers import LlamaConfig, LlamaForCausalLM

    return _language(folder, LlamaForCausalLM, LlamaConfig, llama_style_tokenizer, seed, tokenizer, config)


def tiny_qwen2(folder: Path, *, seed: int = 0, tokenizer: Path | None = None, **config: Any) -> Path:
    """``Qwen2ForCausalLM`` with two layers and tied embeddings, as the small ones of that family have."""
    from transformers import Qwen2Config, Qwen2ForCausalLM

    config.setdefault("tie_word_embeddings", True)
    return _language(folder, Qwen2ForCausalLM, Qwen2Config, qwen_style_tokenizer, seed, tokenizer, config)


def tiny_qwen3(folder: Path, *, seed: int = 0, tokenizer: Path | None = None, **config: Any) -> Path:
    """``Qwen3ForCausalLM`` with two layers; its head width is not ``hidden_size / heads``."""
    from transformers import Qwen3Config, Qwen3ForCausalLM

    config.setdefault("head_dim", 24)
    return _language(folder, Qwen3ForCausalLM, Qwen3Config, qwen_style_tokenizer, seed, tokenizer, config)


LANGUAGE_MODELS: dict[str, Callable[..., Path]] = {
    "llama": tiny_llama,
    "qwen2": tiny_qwen2,
    "qwen3": tiny_qwen3,
}


def _language(
    folder: Path,
    model_class: Any,
    config_class: Any,
    make_tokenizer: Callable[[Path], Any],
    seed: int,
    tokenizer_folder: Path | None,
    overrides: dict[str, Any],
) -> Path:
    import torch
    from transformers import AutoTokenizer

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if tokenizer_folder is None:
        tokenizer = make_tokenizer(folder)
    else:
        for file in Path(tokenizer_folder).iterdir():
            shutil.copy(file, folder / file.name)
        tokenizer = AutoTokenizer.from_pretrained(folder)
    settings = {
        "vocab_size": len(tokenizer),
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 1024,
        # Wide weights: with the usual 0.02 every context gives the same next token and tests compare nothing.
        "initializer_range": 0.2,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        **overrides,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model_class(config_class(**settings)).float().save_pretrained(folder)
    return folder


def tiny_clip(folder: Path, *, seed: int = 0, image_size: int = 32, patch: int = 8, **config: Any) -> Path:
    """``CLIPVisionModel`` (three layers) with its processor settings: 16 patches and a class token."""
    from transformers import CLIPVisionConfig, CLIPVisionModel

    settings = _vision_settings(image_size, patch) | config
    _save(folder, CLIPVisionModel, CLIPVisionConfig(**settings), seed)
    _write_processor(folder, "CLIPImageProcessor", image_size, crop=True)
    return Path(folder)


def tiny_full_clip(folder: Path, *, seed: int = 0, image_size: int = 32, patch: int = 8) -> Path:
    """``CLIPModel`` with both towers, as openai/clip-vit-* folders are."""
    from transformers import CLIPConfig, CLIPModel

    text = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "vocab_size": 64,
        "max_position_embeddings": 16,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
    }
    config = CLIPConfig(
        text_config=text, vision_config=_vision_settings(image_size, patch), projection_dim=16
    )
    _save(folder, CLIPModel, config, seed)
    _write_processor(folder, "CLIPImageProcessor", image_size, crop=True)
    return Path(folder)


def tiny_siglip(folder: Path, *, seed: int = 0, image_size: int = 32, patch: int = 8, **config: Any) -> Path:
    """``SiglipVisionModel`` (three layers) with its processor settings: 16 patches and no class token."""
    from transformers import SiglipVisionConfig, SiglipVisionModel

    settings = _vision_settings(image_size, patch) | config
    _save(folder, SiglipVisionModel, SiglipVisionConfig(**settings), seed)
    _write_processor(folder, "SiglipImageProcessor", image_size, crop=False)
    return Path(folder)


VISION_MODELS: dict[str, Callable[..., Path]] = {"clip": tiny_clip, "siglip": tiny_siglip}


def tiny_siglip2(folder: Path, *, seed: int = 0, side: int = 4, patch: int = 8) -> Path:
    """``Siglip2VisionModel`` (naflex, three layers) whose positions are made for ``side`` x ``side`` patches."""
    from transformers import Siglip2VisionConfig, Siglip2VisionModel

    settings = _vision_settings(0, patch) | {"num_patches": side * side}
    del settings["image_size"]
    _save(folder, Siglip2VisionModel, Siglip2VisionConfig(**settings), seed)
    processor = {
        "image_processor_type": "Siglip2ImageProcessor",
        "resample": 2,
        "patch_size": patch,
        "max_num_patches": side * side,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    }
    (Path(folder) / "preprocessor_config.json").write_text(json.dumps(processor, indent=2))
    return Path(folder)


def tiny_dinov2(
    folder: Path, *, seed: int = 0, image_size: int = 48, crop: int = 32, patch: int = 8, registers: int = 0
) -> Path:
    """``Dinov2Model`` (three layers) with views smaller than its positions are made for, as the real ones."""
    import transformers

    kind = "Dinov2WithRegisters" if registers else "Dinov2"
    settings = _vision_settings(image_size, patch) | {"mlp_ratio": 2}
    del settings["intermediate_size"]
    if registers:
        settings["num_register_tokens"] = registers
    config = getattr(transformers, f"{kind}Config")(**settings)
    _save(folder, getattr(transformers, f"{kind}Model"), config, seed)
    _write_processor(folder, "BitImageProcessor", crop, crop=True)
    file = Path(folder) / "preprocessor_config.json"
    content = json.loads(file.read_text()) | {"size": {"shortest_edge": crop + 4}}
    content |= {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
    file.write_text(json.dumps(content, indent=2))
    return Path(folder)


def tiny_timm_open_clip(
    folder: Path, timm_name: str, *, seed: int = 0, image_size: int = 32, **vision: Any
) -> Path:
    """An open_clip model whose vision part is timm's: its config.json and the weights of the vision part.

    The vision part has its real size, so choose a small one.
    """
    import torch
    from open_clip.model import _build_vision_tower
    from safetensors.torch import save_file

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    settings = {"timm_model_name": timm_name, "image_size": image_size, **vision}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        visual = _build_vision_tower(16, settings)
        if hasattr(visual.trunk, "set_input_size"):
            visual.trunk.set_input_size(image_size)
    state = {f"visual.{name}": value.contiguous() for name, value in visual.state_dict().items()}
    save_file(state, folder / "open_clip_model.safetensors")
    preprocess = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "squash"}
    model_cfg = {"embed_dim": 16, "vision_cfg": settings, "text_cfg": {}}
    (folder / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": model_cfg, "preprocess_cfg": preprocess}, indent=2)
    )
    return folder


def tiny_open_clip(folder: Path, *, seed: int = 0, image_size: int = 32, patch: int = 8) -> Path:
    """An open_clip image-text model as ``push_to_hf_hub`` writes it: open_clip_config.json and safetensors."""
    import torch
    from open_clip.model import CLIP
    from safetensors.torch import save_file

    model_cfg = {
        "embed_dim": 16,
        "vision_cfg": {
            "image_size": image_size,
            "layers": 3,
            "width": 32,
            "head_width": 16,
            "patch_size": patch,
        },
        "text_cfg": {"context_length": 16, "vocab_size": 64, "width": 32, "heads": 2, "layers": 1},
    }
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        state = CLIP(**model_cfg).state_dict()
    save_file(
        {name: value.contiguous() for name, value in state.items()}, folder / "open_clip_model.safetensors"
    )
    preprocess = {"mean": CLIP_MEAN, "std": CLIP_STD, "interpolation": "bicubic", "resize_mode": "shortest"}
    (folder / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": model_cfg, "preprocess_cfg": preprocess}, indent=2)
    )
    return folder


def _vision_settings(image_size: int, patch: int) -> dict[str, Any]:
    return {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "image_size": image_size,
        "patch_size": patch,
    }


def _save(folder: Path, model_class: Any, config: Any, seed: int) -> None:
    import torch

    Path(folder).mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = model_class(config).float()
        # transformers keeps CLIP's and SigLIP's spread tiny at this width; features must differ between images.
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.ndim > 1:
                    parameter.normal_(0.0, 0.2)
        model.save_pretrained(folder)


def _write_processor(folder: Path, processor: str, image_size: int, *, crop: bool) -> None:
    side = {"height": image_size, "width": image_size}
    settings: dict[str, Any] = {
        "image_processor_type": processor,
        "do_resize": True,
        "size": {"shortest_edge": image_size} if crop else side,
        "resample": 3,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": CLIP_MEAN if crop else [0.5, 0.5, 0.5],
        "image_std": CLIP_STD if crop else [0.5, 0.5, 0.5],
    }
    if crop:
        settings |= {"do_center_crop": True, "crop_size": side, "do_convert_rgb": True}
    (Path(folder) / "preprocessor_config.json").write_text(json.dumps(settings, indent=2))
