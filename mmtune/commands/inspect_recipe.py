"""``mmtune inspect``: print what the model will see."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mmtune.commands.recipe_argument import overrides_of, take_recipe_keys
from mmtune.errors import RecordError, UserError
from mmtune.wording import counted

if TYPE_CHECKING:
    from rich.text import Text

    from mmtune.data.prepare import RecordEncoder, Sample
    from mmtune.data.source import Source
    from mmtune.templates.segments import Encoded
    from mmtune.train.recipe import Recipe

SUMMARY = "Print what the model will see: rendered text, supervised tokens, image positions, lengths."
EXAMPLE = """
mmtune inspect recipes/quickstart/tune.yaml --n 5
mmtune inspect my-recipe.yaml --n 20 --template vicuna_v1
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``mmtune inspect``."""
    parser.add_argument("recipe", type=Path, metavar="RECIPE", help="YAML file")
    parser.add_argument("--n", type=int, default=5, help="records to print (default 5)")
    parser.add_argument("--start", type=int, default=0, help="place of the first in the mixture (default 0)")
    take_recipe_keys(parser)


def run(args: argparse.Namespace) -> int:
    """Print ``n`` records in the order of training; exit status 2 where one of them is refused."""
    from rich.console import Console

    from mmtune.templates.describe import describe
    from mmtune.train.recipe import load_recipe

    if args.n < 1 or args.start < 0:
        raise UserError(
            "There is nothing to print", "--n, --start", "give --n 1 or more and --start 0 or more"
        )
    recipe = load_recipe(args.recipe, overrides_of(args))
    encoder = encoder_of(recipe)
    screen = Console(highlight=False, markup=False, soft_wrap=True)
    samples: list[Sample] = []
    refused = 0
    for source, index in _draws(recipe, args.start, args.n):
        screen.rule(f"{source.record_id(index)} · row {source.row(index)} of {source.path}", align="left")
        try:
            sample = _encode(encoder, source, index)
        except UserError as error:
            refused += 1
            reason = error.reason if isinstance(error, RecordError) else str(error)
            screen.print(f"refused: {reason}", style="bold red")
            continue
        samples.append(sample)
        text = describe(collapsed(sample), encoder.tokenizer, sample.image_token_counts)
        screen.print(text if screen.is_terminal else bracketed(text))
        screen.print(_counts([sample]), style="dim")
    screen.rule()
    told = f"{counted(args.n, 'record')} with template {recipe.template}: {refused} refused"
    screen.print(f"{told}; {_counts(samples)}" if samples else told, style="bold")
    return 2 if refused else 0


def encoder_of(recipe: Recipe) -> RecordEncoder:
    """The encoder that training would use; the model's weights are not needed for it.

    Raises:
        UserError: if the model cannot be built, or an image may have more tokens than a record.
    """
    from mmtune.data.prepare import RecordEncoder
    from mmtune.data.room import check_room
    from mmtune.models.building import build
    from mmtune.templates import choose_template

    bundle = build(recipe.model, template=recipe.template, meta=True)
    template = choose_template(recipe.template, bundle.tokenizer)
    data = recipe.data
    check_room(bundle.policy, data.max_tokens)
    return RecordEncoder(bundle.tokenizer, template, bundle.policy, data.max_tokens, data.image_position)


def collapsed(sample: Sample) -> Encoded:
    """A sample with one position an image again and the mask at the learned token itself, for showing."""
    from mmtune.batch import IGNORE, IMAGE_TOKEN_ID
    from mmtune.templates.segments import Encoded

    learned = [False, *(int(target) != IGNORE for target in sample.targets[:-1])]
    ids: list[int] = []
    supervised: list[bool] = []
    counts = iter(sample.image_token_counts)
    place = 0
    while place < len(sample):
        ids.append(int(sample.ids[place]))
        supervised.append(learned[place])
        place += next(counts) if ids[-1] == IMAGE_TOKEN_ID else 1
    return Encoded(ids, supervised)


def bracketed(text: Text) -> str:
    """Where no colour can be shown, ⟦ and ⟧ stand around what is supervised."""
    from mmtune.templates.describe import SUPERVISED_STYLE

    out, plain, done = "", text.plain, 0
    for span in text.spans:
        inside = plain[span.start : span.end]
        out += plain[done : span.start] + (f"⟦{inside}⟧" if span.style == SUPERVISED_STYLE else inside)
        done = span.end
    return out + plain[done:]


def _draws(recipe: Recipe, start: int, n: int) -> Iterator[tuple[Source, int]]:
    from mmtune.data.mixture import Mixture
    from mmtune.data.splits import open_splits

    if not recipe.data.train:
        raise UserError(
            "The recipe has no training data", "data.train", "give a source, as --data.train.0.path FILE"
        )
    sources, _ = open_splits(recipe.data)
    weights = [config.weight for config in recipe.data.train]
    mixture = Mixture([len(source) for source in sources], weights, recipe.seed)
    for position in range(start, start + n):
        source, index = mixture.at(position)
        yield sources[source], index


def _encode(encoder: RecordEncoder, source: Source, index: int) -> Sample:
    """Encode a record and open its images, as training will."""
    from mmtune.images.loading import load_image

    sample = encoder.encode(source.record(index), source.image_root)
    for image in sample.images:
        load_image(source.image_root, image)
    return sample


def _counts(samples: list[Sample]) -> str:
    tokens = sum(len(sample) for sample in samples)
    visual = sum(sum(sample.image_token_counts) for sample in samples)
    supervised = sum(sample.supervised for sample in samples)
    told = f"{tokens} tokens, {visual} of them visual, {supervised} supervised ({supervised / tokens:.0%})"
    return told if len(samples) == 1 else f"{told}, the longest record {max(len(s) for s in samples)}"
