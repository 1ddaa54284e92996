"""Fits what csrc/kernels/isa/gelu.h computes, and prints its coefficients.

Needs mpmath:  python tools/fit_gelu.py

One form is a rational function: GELU is x * (1 + erf(x / sqrt 2)) / 2, and with s = x * x,
erf(x / sqrt 2) is close to x * P(s) / Q(s) for |x| <= BOUND, and closer to 1 than half a unit in
the last place of the result beyond. The fit minimises the largest error of the GELU itself by
iteratively reweighted least squares on Chebyshev nodes.

The other is made of pieces: GELU is max(x, 0) + |x| * tail(|x|), where tail(a), which is
-erfc(a / sqrt 2) / 2, is a polynomial of its own around every multiple of WIDTH. The one around the
last of them is 0 there, and so is all that lies beyond.
"""

import mpmath as mp

BOUND = 5.6
NUMERATOR, DENOMINATOR = 5, 5  # degrees in s; 4, 4 is off by 2e-6, 6, 4 by 7e-8
NODES, ROUNDS = 300, 60

WIDTH, PIECES = 187 / 512, 16  # 0.36 is off by 1.8e-7 in the end, 0.375 by 1.4e-7 before it
DEGREE = 4  # 5, with a width of 0.4, would be off by 6e-9, for another lookup and multiply-add


def fit() -> tuple[list[mp.mpf], list[mp.mpf]]:
    """Coefficients of P and Q, lowest degree first; Q's first is 1."""
    mp.mp.dps = 40
    nodes = [BOUND * (1 - mp.cos(mp.pi * (i + 0.5) / NODES)) / 2 for i in range(NODES)]
    # The error of the GELU is x / 2 times that of erf, and erf is x * P / Q.
    target = [mp.erf(x / mp.sqrt(2)) / x for x in nodes]
    emphasis = [x * x / 2 for x in nodes]
    lawson = [mp.mpf(1)] * NODES
    scale = [mp.mpf(1)] * NODES  # 1 / Q of the round before
    for _ in range(ROUNDS):
        rows, right = [], []
        for x, f, e, w, q in zip(nodes, target, emphasis, lawson, scale, strict=True):
            factor, s = e * mp.sqrt(w) * q, x * x
            rows.append(
                [factor * s**j for j in range(NUMERATOR + 1)]
                + [-factor * f * s**j for j in range(1, DENOMINATOR + 1)]
            )
            right.append(factor * f)
        solution, _ = mp.qr_solve(mp.matrix(rows), mp.matrix(right))
        p = list(solution[: NUMERATOR + 1])
        q = [mp.mpf(1), *solution[NUMERATOR + 1 :]]
        errors = []
        for i, (x, f, e) in enumerate(zip(nodes, target, emphasis, strict=True)):
            below = mp.polyval(q[::-1], x * x)
            scale[i] = 1 / below
            errors.append(abs(e * (mp.polyval(p[::-1], x * x) / below - f)))
        worst = max(errors)
        lawson = [w * (err / worst + mp.mpf("0.02")) for w, err in zip(lawson, errors, strict=True)]
        total = sum(lawson)
        lawson = [w / total * NODES for w in lawson]
    print(f"largest error of the GELU at the nodes: {mp.nstr(worst, 3)}")
    print(f"error at the bound: {mp.nstr(BOUND * mp.erfc(BOUND / mp.sqrt(2)) / 2, 3)}")
    return p, q


def tail(a: mp.mpf) -> mp.mpf:
    """The share of a normal distribution that lies above `a`, negative."""
    return -mp.erfc(a / mp.sqrt(2)) / 2


def fit_piece(i: int) -> tuple[list[mp.mpf], mp.mpf]:
    """Coefficients of the polynomial around i * WIDTH, highest first, and the GELU's error."""
    width = mp.mpf(WIDTH)
    middle, half = i * width, width / 2
    # The first piece and the last one have one half only.
    low, high = (mp.mpf(0) if i == 0 else -half), (mp.mpf(0) if i == PIECES - 1 else half)
    if i < PIECES - 1:
        piece = mp.chebyfit(lambda d: tail(middle + d), [low, high], DEGREE + 1)
    else:
        end = tail(middle)
        slope = mp.chebyfit(lambda d: (tail(middle + d) - end) / d, [low, -width / 1000], DEGREE)
        piece = [*slope, mp.mpf(0)]
    errors = [
        (middle + d) * abs(mp.polyval(piece, d) - tail(middle + d))
        for d in mp.linspace(low, high, 100)
    ]
    return piece, max(errors)


def fit_pieces() -> list[list[mp.mpf]]:
    """The coefficients of all pieces, power by power of the distance from their middles."""
    pieces, errors = zip(*map(fit_piece, range(PIECES)), strict=True)
    print(f"largest error of the GELU by pieces: {mp.nstr(max(errors), 3)}")
    return [list(powers) for powers in zip(*pieces, strict=True)][::-1]


if __name__ == "__main__":
    for name, coefficients in zip("PQ", fit(), strict=True):
        print(name, ", ".join(mp.nstr(c, 10) for c in coefficients))
    for power, coefficients in enumerate(fit_pieces()):
        print(power, ", ".join(mp.nstr(c, 9) for c in coefficients))
