// Runs one CUDA C++ source on the CPU, for tests: a block's threads are fibers of one system thread.
//
// A fiber runs until it reaches a barrier or a warp operation, so between two of them the accesses of
// two threads never interleave. What a missing barrier allows shows all the same, because blocks are
// run with their threads in several orders, and the results must not depend on the order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <type_traits>
#include <utility>

// What Python calls.
#define EMULATOR_EXPORT extern "C" __attribute__((visibility("default")))

#include "fiber.h"
#include "memory.h"
#include "block.h"
#include "cuda.h"
#include "launch.h"
