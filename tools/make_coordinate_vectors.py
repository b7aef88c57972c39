#!/usr/bin/env python3
"""Writes tests/data/coordinates.tsv: doubles (bit pattern in hex) and their text as Python's repr() gives it.

    tools/make_coordinate_vectors.py > tests/data/coordinates.tsv

Deterministic. The test reads the file and compares Coordinate's text, its parser and its key order with it.
"""
import math
import random
import struct
import sys

COUNT = 10_000


def from_bits(bits):
    return struct.unpack(">d", struct.pack(">Q", bits))[0]


def bits_of(value):
    return struct.unpack(">Q", struct.pack(">d", value))[0]


def chosen():
    """Values at which formatting and ordering change."""
    yield from (0.0, 1.0, -1.0, 0.1, 0.2, 0.3, 1 / 3, 2 / 3, math.pi, math.e, 123456789.123456789)
    for exponent in range(-324, 309):
        value = float(f"1e{exponent}")
        yield from (value, -value, math.nextafter(value, math.inf), math.nextafter(value, -math.inf))
    for exponent in range(-1074, 1024, 3):
        yield from (math.ldexp(1.0, exponent), -math.ldexp(1.5, max(exponent, -1073)))
    for n in range(64):
        yield from (float(2**n), float(2**n) - 1, -float(2**n) + 1)
    for n in range(-40, 41):
        yield n + 0.5
        yield n / 8
    limits = (5e-324, 2.2250738585072009e-308, 2.2250738585072014e-308, 1.7976931348623157e308, 9007199254740993.0,
              9999999999999998.0, 1e16, 9999999999999999.0, 0.0001, 0.00009999999999999999, 1e22, 1e23, 5e-324 * 3)
    for value in limits:
        yield from (value, -value)


def main():
    source = random.Random(20260501)
    values = {bits_of(value + 0.0): value + 0.0 for value in chosen() if math.isfinite(value)}
    while len(values) < COUNT:
        kind = source.randrange(5)
        if kind == 0:
            value = from_bits(source.getrandbits(64))  # any exponent
        elif kind == 1:
            value = from_bits(source.getrandbits(52) | source.getrandbits(1) << 63)  # subnormal
        elif kind == 2:
            value = round(source.uniform(-1000, 1000), source.randrange(6))
        elif kind == 3:
            value = float(source.randrange(-(10**17), 10**17))
        else:
            value = source.randrange(-(10**6), 10**6) / 2.0
        value += 0.0
        if math.isfinite(value):
            values[bits_of(value)] = value
    order = list(values)[:COUNT]
    source.shuffle(order)
    for bits in order:
        sys.stdout.write(f"{bits:016x}\t{values[bits]!r}\n")


main()
