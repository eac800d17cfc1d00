// A launch: the limits of a device, the order of threads and blocks, faults, and what Python reads.
#pragma once

#include <signal.h>

namespace emulator {

// ---------------------------------------------------------------- faults

static void on_fault(int number, siginfo_t* info, void*) {
    if (!current) {  // not a kernel's: let it kill the process as it would have
        signal(number, SIG_DFL);
        raise(number);
        return;
    }
    static char text[128];
    snprintf(text, sizeof text,
             number == SIGFPE ? "arithmetic fault"
                              : "access outside every array, or stack overflow (address %p)",
             info->si_addr);
    fail(text, nowhere);  // leaves the handler by a switch of stacks, which SA_NODEFER allows
}

// Faults of a kernel become messages while this lives.
class Traps {
    static constexpr int signals[3] = {SIGSEGV, SIGBUS, SIGFPE};
    struct sigaction old_action[3];
    stack_t old_stack;

  public:
    Traps() {
        static char alternate[65536];
        stack_t stack{};
        stack.ss_sp = alternate;
        stack.ss_size = sizeof alternate;
        sigaltstack(&stack, &old_stack);
        struct sigaction action{};
        action.sa_sigaction = on_fault;
        action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
        for (int i = 0; i < 3; ++i) sigaction(signals[i], &action, &old_action[i]);
    }
    ~Traps() {
        for (int i = 0; i < 3; ++i) sigaction(signals[i], &old_action[i], nullptr);
        if (old_stack.ss_sp || (old_stack.ss_flags & SS_DISABLE)) sigaltstack(&old_stack, nullptr);
    }
};

// What g++ calls under -fsanitize: the first member of the data is a place. Its own library would end
// the process instead of the launch.
struct Located {
    const char* file;
    unsigned line, column;
};
#define EMULATOR_UNDEFINED(name, what) \
    extern "C" void __ubsan_handle_##name(Located* data, ...) { \
        fail(what, {data->file, int(data->line)});              \
    }
EMULATOR_UNDEFINED(type_mismatch_v1, "misaligned or null access")
EMULATOR_UNDEFINED(out_of_bounds, "array index out of bounds")
EMULATOR_UNDEFINED(shift_out_of_bounds, "shift count out of range")
EMULATOR_UNDEFINED(divrem_overflow, "integer division by zero or overflow")
EMULATOR_UNDEFINED(add_overflow, "signed integer overflow (+)")
EMULATOR_UNDEFINED(sub_overflow, "signed integer overflow (-)")
EMULATOR_UNDEFINED(mul_overflow, "signed integer overflow (*)")
EMULATOR_UNDEFINED(negate_overflow, "signed integer overflow (unary -)")
EMULATOR_UNDEFINED(float_cast_overflow, "float to integer conversion out of range")
#undef EMULATOR_UNDEFINED

// ---------------------------------------------------------------- parameters

enum Kind { other, pointer, signed_integer, unsigned_integer, floating };

template <class T>
constexpr Kind kind() {
    return std::is_pointer<T>::value          ? pointer
           : std::is_floating_point<T>::value ? floating
           : !std::is_integral<T>::value      ? other
           : std::is_signed<T>::value         ? signed_integer
                                              : unsigned_integer;
}

// {kind, size, kind pointed to, size pointed to, pointed to is const}
struct Parameter {
    int kind, size, target_kind, target_size, target_const;
};

template <class T>
constexpr Parameter parameter() {
    using Target = std::remove_pointer_t<T>;
    return {kind<T>(), int(sizeof(T)), kind<std::remove_const_t<Target>>(), int(sizeof(Target)),
            std::is_const<Target>::value};
}

template <class... A>
int describe(void (*)(A...), Parameter* out) {
    const Parameter all[] = {parameter<A>()..., {}};
    memcpy(out, all, sizeof...(A) * sizeof(Parameter));
    return sizeof...(A);
}

template <class... A, size_t... I>
void call(void (*f)(A...), void** arguments, std::index_sequence<I...>) {
    f(*static_cast<std::remove_reference_t<A>*>(arguments[I])...);
}

template <class... A>
void call(void (*f)(A...), void** arguments) {
    call(f, arguments, std::index_sequence_for<A...>{});
}

// ---------------------------------------------------------------- launch

enum Order { forward, reverse, shuffled };

static uint64_t random(uint64_t& state) {  // xorshift
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

static void run_grid(unsigned count, Order order, uint64_t seed) {
    unsigned sequence[max_threads];
    uint64_t state = seed * 2654435761u + 88172645463325252ull;
    const uint64_t blocks = uint64_t(grid_dim.x) * grid_dim.y * grid_dim.z;
    for (uint64_t b = 0; b < blocks && !failed; ++b) {
        const uint64_t i = order == reverse ? blocks - 1 - b : b;
        block_index = {unsigned(i % grid_dim.x), unsigned(i / grid_dim.x % grid_dim.y),
                       unsigned(i / grid_dim.x / grid_dim.y)};
        for (unsigned t = 0; t < count; ++t) sequence[t] = order == reverse ? count - 1 - t : t;
        if (order == shuffled)
            for (unsigned t = count; t > 1; --t)
                std::swap(sequence[t - 1], sequence[random(state) % t]);
        run_block(count, sequence);
    }
}

static int launch(void (*f)(void**), void** arguments, const unsigned* grid, unsigned count,
                  size_t shared, int order, uint64_t seed) {
    failed = false;
    current = nullptr;
    message[0] = 0;
    reached_count = 0;
    kernel = f;
    kernel_arguments = arguments;
    grid_dim = {grid[0], grid[1], grid[2]};
    block_dim = {count};
    block_index = {0, 0, 0};
    thread_index = {0};
    if (count % warp || count < warp || count > max_threads)
        fail("invalid configuration: a block has 32, 64 ... 1024 threads", nowhere);
    else if (!grid[0] || !grid[1] || !grid[2] || grid[0] > 2147483647u || grid[1] > 65535 ||
             grid[2] > 65535)
        fail("invalid configuration: a grid has 1 to 2^31 - 1, 65535, 65535 blocks", nowhere);
    if (failed) return 1;
    arena_bytes = shared;
    arena = emulator_allocate(shared);
    if (!arena) {
        fail("no memory for the shared memory", nowhere);
        return 1;
    }
    {
        Traps traps;
        run_grid(count, Order(order), seed);
    }
    if (emulator_free(arena, shared)) fail("write outside the dynamic shared memory", nowhere);
    return failed;
}

}  // namespace emulator

// Gives the stacks back: each is two mappings, of which a process may have some 65000 in all.
EMULATOR_EXPORT void emulator_release() {
    for (emulator::Thread& thread : emulator::threads) {
        if (thread.fiber.stack) munmap(thread.fiber.stack, emulator::stack_bytes);
        thread.fiber.stack = nullptr;
    }
}

EMULATOR_EXPORT const char* emulator_message() {
    return emulator::message;
}

EMULATOR_EXPORT int emulator_reached(const char** files, int* lines) {
    for (int i = 0; i < emulator::reached_count; ++i) {
        files[i] = emulator::reached[i].file;
        lines[i] = emulator::reached[i].line;
    }
    return emulator::reached_count;
}
