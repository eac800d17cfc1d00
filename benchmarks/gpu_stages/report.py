"""The short table that a run prints last."""


def lines(result):
    """The lines of the table."""
    env, ceilings = result["env"], result["ceilings"]
    yield f"{env.get('card', 'unknown card')}, {result['date']}, seed {result['seed']}"
    rates = [f"{key} {_number(value)}" for key, value in ceilings.items()]
    yield "ceilings: " + (", ".join(rates) or "not measured")
    yield from _kernels(result["kernels"])
    yield from _checks(result["checks"])
    for name, found in result["sanitizer"].items():
        yield f"sanitizer: {name}: {_sanitized(found)}"
    yield from _timings(result)
    for stage in result["stages"]:
        error = f"  {stage['error'].splitlines()[-1][:160]}" if stage["error"] else ""
        yield f"stage {stage['name']:12s} {stage['seconds']:7.1f} s{error}"
    for note in result["notes"]:
        yield f"note: {note}"[:300]


def _sanitized(found):
    if not isinstance(found, dict):
        return found
    words = {True: "clean", False: "NOT clean", None: f"did not run (exit {found['exit']})"}
    return words[found["ok"]]


def _kernels(kernels):
    failed = [k for k in kernels if k.get("error")]
    spilled = [k for k in kernels if k.get("spill")]
    over = [k for k in kernels if k.get("regs") and k["regs"] > k["budget"]]
    yield (
        f"kernels: {len(kernels) - len(failed)} compiled, {len(failed)} failed, "
        f"{len(spilled)} spill, {len(over)} over their registers"
    )
    for k in (*failed, *spilled, *over):
        yield f"  {k['name']}: regs {k.get('regs')} spill {k.get('spill')} {k.get('error', '')}"[
            :300
        ]


def _checks(checks):
    judged = [c for c in checks if c["ok"] is not None]
    failed = [c for c in judged if not c["ok"]]
    moving = [c for c in judged if c["deterministic"] is False]
    yield (
        f"checks: {len(judged) - len(failed)} of {len(judged)} passed, {len(moving)} moved, "
        f"{len(checks) - len(judged)} skipped"
    )
    for c in failed[:20]:
        yield (
            f"  FAILED {c['op']} {c['dtype']} {c['shape']} seed {c['seed']}:"
            f" err {_number(c['err'])} tol {_number(c['tol'])} {c.get('error', '')}"
        )[:400]


def _timings(result):
    head = "case dtype shape variant ms iqr floor ratio TB/s python".split()
    if result["timings"]:
        yield "{:11s} {:8s} {:>24s} {:8s} {:>8s} {:>8s} {:>8s} {:>6s} {:>6s} {:>8s}".format(*head)
    for t in result["timings"]:
        shape = " x ".join(map(str, t["shape"]))
        rate = t["bytes"] / t["ms"] / 1e9 if t["ms"] else None
        yield (
            f"{t['case']:11s} {t['dtype']:8s} {shape:>24s} {t['variant']:8s} "
            f"{_number(t['ms']):>8s} {_number(t['iqr']):>8s} {_number(t['floor_ms']):>8s} "
            f"{_number(t['ratio']):>6s} {_number(rate):>6s} {_number(t['python_ms']):>8s}"
        )
    for p in result["peers"]:
        ours = [
            t["ms"]
            for t in result["timings"]
            if (t["case"], t["dtype"]) == (p["case"], p["dtype"])
            and t["variant"] in ("in place", "product")
        ]
        ratio = f"{p['ms'] / ours[0]:.2f} x ours" if ours and ours[0] else ""
        yield f"{p['case']:11s} {p['lib']} {p['version']}: {_number(p['ms'])} ms  {ratio}"


def _number(x):
    return f"{x:.3g}" if isinstance(x, int | float) else "-" if x is None else str(x)
