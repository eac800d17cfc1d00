"""Gate 2: every kernel through the library's own launches, and no barrier that could be left out.

A launch runs the kernel under four orders of threads and blocks, with poisoned shared memory and
guarded arrays. Then each barrier is removed from the source in turn, and every instance that
reaches it must fail one of its cases.
"""

from collections import defaultdict

import numpy as np
import pytest
from gpu import emulated as stand_in
from gpu import emulator
from gpu.kernel_cases import all_cases

from structmat._backend import gpu

CASES = all_cases()
INSTANCES = gpu.instances()
SOURCES = {(i.package, i.source): gpu.source_of(i) for i in INSTANCES}
BARRIERS = [(source, place) for source, text in SOURCES.items() for place in stand_in.mutants(text)]


def run(case):
    """(the error or None, the barriers that its instance reached) of one case."""
    instance, function = case
    reached = defaultdict(set)
    with pytest.MonkeyPatch.context() as patch:
        cp = stand_in.install(patch, reached)
        patch.setenv("STRUCTMAT_GPU_CHECK", "1")
        try:
            function(cp, np.random.default_rng(20240229))
        except Exception as error:
            return error, reached.get(instance.name)
    return None, reached.get(instance.name)


@pytest.fixture(scope="module")
def results(compiler):
    """What each case gave, in the order of CASES."""
    stand_in.compile_all([(gpu.source_of(instance), instance.name) for instance, _ in CASES])
    return [run(case) for case in CASES]


@pytest.fixture(scope="module")
def reaching(results):
    """(source, place) -> instance -> its cases that reach this barrier."""
    found = defaultdict(lambda: defaultdict(list))
    for case, (_, reached) in zip(CASES, results):
        for place in reached or ():
            instance = case[0]
            found[(instance.package, instance.source), place][instance].append(case)
    return found


@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda i: CASES[i][0].name)
def test_kernel_in_every_order_of_threads(results, number):
    error, reached = results[number]
    if error is not None:
        raise error
    assert reached is not None, f"the case does not launch {CASES[number][0].name}"


def test_every_instance_has_a_case():
    missing = set(INSTANCES) - {instance for instance, _ in CASES}
    assert INSTANCES
    assert not missing, sorted(instance.name for instance in missing)


@pytest.mark.parametrize("source", SOURCES)
def test_a_source_keeps_to_the_language_of_kernels(source):
    own = gpu._read(*source)
    assert [line for line in own.split("\n") if "#include" in line] == ['#include "port.cuh"']
    assert "__shared__" not in own
    assert "STRUCTMAT_EMULATOR" not in own  # what the emulator runs is what the GPU runs


@pytest.mark.parametrize(
    ("source", "place"), BARRIERS, ids=[f"{file}:{line}" for _, (file, line) in BARRIERS]
)
def test_no_barrier_can_be_left_out(reaching, source, place, monkeypatch):
    instances = reaching[source, place]
    assert instances, f"no case reaches the barrier at {place}"
    mutant = stand_in.mutants(SOURCES[source])[place]
    stand_in.compile_all([(mutant, instance.name) for instance in instances])
    monkeypatch.setattr(gpu, "source_of", lambda instance: mutant)
    for instance, cases in instances.items():
        errors = [run(case)[0] for case in cases]
        assert any(isinstance(error, AssertionError | emulator.KernelError) for error in errors), (
            f"{instance.name} does not need its barrier at {place}: {errors}"
        )
