"""Floors: no kernel is faster than its bytes and its operations at this card's rates."""


def floor_ms(nbytes, flops, dtype, ceilings):
    """The larger of the two floors in milliseconds; None where the copy rate was not measured.

    An addition takes the slot of a multiply-add, hence half the rate that a GEMM of this call
    reached, counted in operations.
    """
    copy = ceilings.get("copy_tbs")
    if not copy:
        return None
    rate = ceilings.get(f"gemm_fp{64 if dtype == 'float64' else 32}_tflops")
    compute = flops / (rate / 2 * 1e12) if rate else 0.0
    return 1e3 * max(nbytes / (copy * 1e12), compute)


def buffers(nbytes, cache, memory):
    """How many buffers to rotate over so that none is in the L2 cache when its turn comes.

    Their sum exceeds three times the cache, within half of the memory and 4096 buffers: beyond that
    a transform is so small that its launch is what takes the time.
    """
    wanted = 1 if nbytes > 3 * cache else 3 * cache // max(nbytes, 1) + 1
    return max(1, min(wanted, memory // 2 // max(nbytes, 1), 4096))
