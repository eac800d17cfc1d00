"""The stages of `benchmarks/gpu_run.py`, one file each; CuPy is imported inside functions only.

A stage is a module with ``plan()``, the lines that `--dry-run` prints, and ``run(context)``, a
generator of pairs ``(section, record)`` of the result (`record.py` has the sections).
"""
