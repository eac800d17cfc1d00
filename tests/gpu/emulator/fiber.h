// A fiber: a stack and a place to go on from. On x86-64 the switch is written by hand (85 ns with all
// bookkeeping); elsewhere, or with EMULATOR_PORTABLE, it is the C library's (430 ns).
#pragma once

#include <sys/mman.h>

#if defined(__x86_64__) && !defined(EMULATOR_PORTABLE)
#define EMULATOR_BY_HAND 1
#else
#define EMULATOR_BY_HAND 0
#include <ucontext.h>
#endif

namespace emulator {

constexpr size_t stack_bytes = 128 << 10;
constexpr size_t page = 4096;

struct Fiber {
    char* stack = nullptr;
#if EMULATOR_BY_HAND
    void* top = nullptr;
#else
    ucontext_t context;
#endif
};

#if EMULATOR_BY_HAND

// Saves what the calling convention says a function keeps, and the rounding modes, on the old stack.
extern "C" void emulator_swap(void** from, void* to);
__asm__(
    ".text\n.p2align 4\n.type emulator_swap,@function\nemulator_swap:\n"
    "pushq %rbp; pushq %rbx; pushq %r12; pushq %r13; pushq %r14; pushq %r15\n"
    "subq $8,%rsp; stmxcsr (%rsp); fnstcw 4(%rsp)\n"
    "movq %rsp,(%rdi); movq %rsi,%rsp\n"
    "ldmxcsr (%rsp); fldcw 4(%rsp); addq $8,%rsp\n"
    "popq %r15; popq %r14; popq %r13; popq %r12; popq %rbx; popq %rbp; ret\n"
    ".size emulator_swap,.-emulator_swap\n");

inline void swap(Fiber& from, Fiber& to) { emulator_swap(&from.top, to.top); }

inline void set_entry(Fiber& fiber, void (*entry)()) {
    void** sp = reinterpret_cast<void**>(fiber.stack + stack_bytes - 64);
    *--sp = nullptr;  // the entry's return address, never used; keeps the stack aligned to 16 bytes
    *--sp = reinterpret_cast<void*>(entry);
    for (int i = 0; i < 6; ++i) *--sp = nullptr;
    --sp;
    uint32_t mxcsr;
    uint16_t control;
    __asm__("stmxcsr %0" : "=m"(mxcsr));
    __asm__("fnstcw %0" : "=m"(control));
    reinterpret_cast<uint32_t*>(sp)[0] = mxcsr;
    reinterpret_cast<uint32_t*>(sp)[1] = control;
    fiber.top = sp;
}

#else

inline void swap(Fiber& from, Fiber& to) { swapcontext(&from.context, &to.context); }

inline void set_entry(Fiber& fiber, void (*entry)()) {
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack;
    fiber.context.uc_stack.ss_size = stack_bytes;
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, entry, 0);
}

#endif

// False when there is no memory for the stack. Its lowest page is closed, so an overflow is a fault.
inline bool start(Fiber& fiber, void (*entry)()) {
    if (!fiber.stack) {
        void* p = mmap(nullptr, stack_bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p == MAP_FAILED) return false;
        fiber.stack = static_cast<char*>(p);
        mprotect(fiber.stack, page, PROT_NONE);
    }
    set_entry(fiber, entry);
    return true;
}

}  // namespace emulator
