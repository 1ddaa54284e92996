"""Which definition of `reference.ARITHMETIC` a compute type has on an instruction set."""


def definition(compute_type, isa):
    """The compute type itself, but where it depends on what the CPU multiplies."""
    if (compute_type, isa) == ("bfloat16", "zen4"):
        return "bfloat16_pairs"
    return compute_type
