// Guarded buffers. The data starts at a page; before and after it lie poisoned bytes, which a stray
// write changes and a stray read takes for NaN, and then 64 MiB of closed address space, where any
// access is a fault.
#pragma once

#include <sys/mman.h>

namespace emulator {

constexpr size_t guard_bytes = 64 << 20;
constexpr char poison = static_cast<char>(0xFF);

inline size_t open_bytes(size_t bytes) { return (bytes + 2 * page - 1) / page * page; }

}  // namespace emulator

EMULATOR_EXPORT char* emulator_allocate(size_t bytes) {
    using namespace emulator;
    const size_t open = open_bytes(bytes);
    void* p = mmap(nullptr, open + 2 * guard_bytes, PROT_NONE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) return nullptr;
    char* data = static_cast<char*>(p) + guard_bytes;
    if (mprotect(data - page, open + page, PROT_READ | PROT_WRITE)) return nullptr;
    memset(data - page, poison, open + page);
    return data;
}

// 1 when the poison round the data was overwritten.
EMULATOR_EXPORT int emulator_free(char* data, size_t bytes) {
    using namespace emulator;
    const size_t open = open_bytes(bytes);
    bool spoiled = false;
    for (char* q = data - page; q < data; ++q) spoiled |= *q != poison;
    for (char* q = data + bytes; q < data + open; ++q) spoiled |= *q != poison;
    munmap(data - guard_bytes, open + 2 * guard_bytes);
    return spoiled;
}
