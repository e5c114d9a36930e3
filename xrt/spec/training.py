"""The section `training`: how every trial is fine-tuned. Each of its fields may be searched, as those of the space.

One that holds a choice or a range is a parameter of every trial, under its own name, like `learning_rate`. A constant
is none.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from xrt.spec.sections import Section
from xrt.spec.values import Choice, Kind, Reader, Scalar, Value, ends

FLAG = Reader(Kind("flag"))
PRECISIONS = ("bfloat16", "float32")


def setting(default: Any, description: str) -> Any:
    """A field, its default written as a study file would have it."""
    return Field(default=default, description=description)


class Training(Section):
    """Fine-tuning of every trial. Each field may be a choice or a range, as in `space`; then it is searched."""

    model_config = ConfigDict(validate_default=True)

    epochs: Annotated[Value, Reader(Kind("number", above=True))] = setting(
        3.0, "Passes over the training data, in full or in part."
    )
    batch_size: Annotated[Value, Reader(Kind("whole", 1))] = setting(32, "Sentence pairs per optimizer step.")
    max_tokens: Annotated[Value, Reader(Kind("whole", 8))] = setting(128, "Longer pairs are truncated.")
    warmup: Annotated[Value, Reader(Kind("number", below=1))] = setting(
        0.1, "Share of the steps with a rising learning rate."
    )
    weight_decay: Annotated[Value, Reader(Kind("number"))] = setting(
        0.0,
        "AdamW's. Above 0, each step updates the whole table of word embeddings, not only the pieces in use.",
    )
    clip: Annotated[Value, Reader(Kind("number", above=True))] = setting(
        1.0, "Largest L2 norm of the gradient."
    )
    freeze_word_embeddings: Annotated[Value, FLAG] = setting(False, "Train all but the word embeddings.")
    dropout: Annotated[Value, Reader(Kind("number", below=1, null=True))] = setting(
        None, "Overrides every dropout of the encoder; null: as it was pretrained."
    )
    micro_batch: Annotated[Value, Reader(Kind("whole", 1, null=True))] = setting(
        None, "Pairs that pass through the encoder at once; null: the batch."
    )
    gradient_checkpointing: Annotated[Value, FLAG] = setting(
        False, "Less memory for more time: states inside a layer are computed twice."
    )
    compile: Annotated[Value, FLAG] = setting(
        False,
        "Record a step once per batch width and replay it (CUDA graphs): faster for small steps. It has no effect "
        "without a GPU, for `free`, or with gradient_checkpointing.",
    )
    deterministic: Annotated[Value, FLAG] = setting(
        False,
        "Use deterministic GPU kernels: on cards of one kind, a resumed training then equals an uninterrupted one "
        "to the bit, in 1.1 to 1.4 times the time. On a CPU it always does.",
    )
    precision: Annotated[Value, Reader(Kind("word", words=("auto", *PRECISIONS)))] = setting(
        "auto",
        "The precision of matrix products; weights are always float32. auto: bfloat16 on a GPU that has it, else TF32 "
        "or float32. On a CPU with AMX, bfloat16 takes about half the time.",
    )
    keep: Annotated[Value, Reader(Kind("keep"))] = setting(
        "last",
        "The weights that a training ends with: the last; the best by a dev metric, measured every STEPS steps and "
        "at the end; or the mean of COUNT weights, STEPS steps apart, the last of them at the end.",
    )

    def searched(self) -> Iterator[tuple[str, Value]]:
        """The fields that have more than one value, in their order."""
        return ((name, value) for name, value in self if value.varies)

    def at(self, sample: Mapping[str, Scalar]) -> dict[str, Any]:
        """Every field at one point of what is searched."""
        return {name: sample[name] if value.varies else value.plain() for name, value in self}

    @property
    def pairs_at_once(self) -> int:
        """The most sentence pairs that pass through the encoder at once."""
        micro = self.micro_batch
        whole = isinstance(micro, Choice) and None in micro.options
        return int(ends(self.batch_size if whole else micro)[1])
