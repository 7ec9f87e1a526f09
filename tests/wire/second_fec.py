# SPDX-License-Identifier: ISC
"""The erasure code of docs/wire.md, section FEC, by plain matrix over GF(2^8).

Part of the second reader: written from the page alone, to be right and short rather than
fast. A block is decoded by Gauss elimination of the rows that arrived.
"""

POLYNOMIAL = 0x11D
POINTS = 256
ROWS_MAX = 128


def _tables():
    exp, log, x = [0] * 510, [0] * 256, 1
    for i in range(255):
        exp[i] = exp[i + 255] = x
        log[x] = i
        x <<= 1
        if x & 0x100:
            x ^= POLYNOMIAL
    return exp, log


_EXP, _LOG = _tables()


def mul(a, b):
    return _EXP[_LOG[a] + _LOG[b]] if a and b else 0


def div(a, b):
    if not b:
        raise ZeroDivisionError("division by zero in GF(2^8)")
    return _EXP[_LOG[a] + 255 - _LOG[b]] if a else 0


# MUL[a] multiplies a whole symbol: symbol.translate(MUL[a])
MUL = [bytes(mul(a, b) for b in range(256)) for a in range(256)]


def _basis():
    basis = [1]
    while len(basis) < 8:
        roots = [x for x in range(256) if mul(x, x) ^ x == basis[-1]]
        basis.append(next(x for x in roots if not x & 1))
    return basis


BASIS = _basis()


def _points():
    points = []
    for i in range(POINTS):
        w = 0
        for j, b in enumerate(BASIS):
            if i >> j & 1:
                w ^= b
        points.append(w)
    return points


W = _points()


def coefficient(M, row, esi):
    """G(row, esi) of the generator with M rows."""
    return div(W[(M + esi) // M], W[(M + esi) ^ row])


def _add(one, two):
    return (int.from_bytes(one, "big") ^ int.from_bytes(two, "big")).to_bytes(len(one), "big")


def check_geometry(M, k, m):
    if M < 1 or M > ROWS_MAX or M & (M - 1) or not 1 <= k <= POINTS - M or not 0 <= m <= M:
        raise ValueError(f"no such code: M {M}, k {k}, m {m}")


def row(M, index, sources):
    """Repair row INDEX of {ESI: full symbol}; an ESI that is not there counts as zeros."""
    size = len(next(iter(sources.values())))
    total = bytes(size)
    for esi, symbol in sources.items():
        if len(symbol) != size:
            raise ValueError("symbols of one block have one size")
        total = _add(total, symbol.translate(MUL[coefficient(M, index, esi)]))
    return total


def encode(M, sources, m):
    """The rows 0..m-1 of a block; SOURCES is a list of full symbols, ESI 0 first."""
    check_geometry(M, len(sources), m)
    by_esi = dict(enumerate(sources))
    return [row(M, j, by_esi) for j in range(m)]


def decode(M, k, sources, rows):
    """What is missing of a block, as {ESI: symbol}; None if too little has arrived. SOURCES
    {ESI: full symbol} and ROWS {row: symbol} have arrived."""
    check_geometry(M, k, 0)
    missing = [esi for esi in range(k) if esi not in sources]
    if not missing:
        return {}
    if len(rows) < len(missing):
        return None
    equations = []
    for j in sorted(rows)[:len(missing)]:
        known = rows[j]
        if sources:
            known = _add(known, row(M, j, sources))
        equations.append(([coefficient(M, j, esi) for esi in missing], known))
    return dict(zip(missing, _solve(equations)))


def _solve(equations):
    """Gauss elimination of [(coefficients, symbol)], as many as there are unknowns."""
    count = len(equations)
    for i in range(count):
        pivot = next(j for j in range(i, count) if equations[j][0][i])
        equations[i], equations[pivot] = equations[pivot], equations[i]
        line, symbol = equations[i]
        scale = div(1, line[i])
        line, symbol = [mul(scale, x) for x in line], symbol.translate(MUL[scale])
        equations[i] = line, symbol
        for j in range(count):
            factor = equations[j][0][i]
            if j != i and factor:
                other, value = equations[j]
                equations[j] = ([x ^ mul(factor, y) for x, y in zip(other, line)],
                                _add(value, symbol.translate(MUL[factor])))
    return [symbol for _, symbol in equations]
