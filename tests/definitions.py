"""What products are by definition on which instruction set. No other test depends on a name."""

# Products of float32 are those of `reference.winograd`.
WINOGRAD_ISAS = {"zen4"}


def definition(compute_type, isa):
    """A compute type's name in `reference.ARITHMETIC`: its own, but where the CPU decides."""
    if (compute_type, isa) == ("bfloat16", "zen4"):
        return "bfloat16_pairs"
    return compute_type
