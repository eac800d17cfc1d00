// One block: its threads, its barrier, the rendezvous of each warp, and the loop that runs them.
#pragma once

namespace emulator {

constexpr unsigned max_threads = 1024;
constexpr unsigned warp = 32;

// Where in the source a barrier or a fault is.
struct Place {
    const char* file;
    int line;
    bool operator==(const Place& other) const {
        return line == other.line && !strcmp(file, other.file);
    }
};
#define EMULATOR_HERE (emulator::Place{__FILE__, __LINE__})
constexpr Place nowhere{"", 0};

enum class State { ready, at_barrier, in_warp, done };

struct Thread {
    Fiber fiber;
    State state;
    unsigned index;
    unsigned long rendezvous;  // which one of its warp it waits for
    Place place;
};

// All 32 lanes bring a value and leave with all values. Two generations of values are kept: a lane may
// reach the next rendezvous before the last one has read the values of this one.
struct Warp {
    unsigned arrived;
    unsigned long generation;
    Place place;
    uint64_t value[2][warp];
};

struct Index {
    unsigned x, y, z;
};
struct ThreadIndex {
    unsigned x;  // blocks have one dimension: y and z do not compile
};

static Thread threads[max_threads];
static Warp warps[max_threads / warp];
static Thread* current;
static Fiber scheduler;

static ThreadIndex thread_index, block_dim;
static Index block_index, grid_dim;

static void (*kernel)(void**);
static void** kernel_arguments;

static char* arena;  // dynamic shared memory, guarded
static size_t arena_bytes;

static unsigned barrier_arrived;
static Place barrier_place;
static int barrier_sum;
static bool barrier_all, barrier_any;

static Place reached[256];  // the barriers that this launch reached
static int reached_count;

static char message[512];
static bool failed;

static __attribute__((noinline)) void yield() {
    swap(current->fiber, scheduler);
    __asm__ volatile("" ::: "memory");
}

static __attribute__((noinline)) void resume(Thread& thread) {
    current = &thread;
    thread_index = {thread.index};
    __asm__ volatile("" ::: "memory");
    swap(scheduler, thread.fiber);
    current = nullptr;
}

// Report, and abandon the whole launch.
[[gnu::cold]] static void fail(const char* what, Place place) {
    if (!failed) {
        char where[256] = "";
        if (place.line) snprintf(where, sizeof where, "%s:%d, ", place.file, place.line);
        snprintf(message, sizeof message, "%s (%sblock (%u, %u, %u), thread %u)", what, where,
                 block_index.x, block_index.y, block_index.z, thread_index.x);
    }
    failed = true;
    if (current) {
        current->state = State::done;
        yield();
        __builtin_unreachable();
    }
}

template <class T>
T* shared_memory() {
    return reinterpret_cast<T*>(arena);
}

static void reach(Place place) {
    for (int i = 0; i < reached_count; ++i)
        if (reached[i] == place) return;
    if (reached_count < 256) reached[reached_count++] = place;
}

static void barrier(Place place, bool vote = false) {
    if (barrier_arrived && !(barrier_place == place))
        return fail("threads of one block wait at different barriers", place);
    if (!barrier_arrived) barrier_sum = 0, barrier_all = true, barrier_any = false;
    reach(place);
    barrier_place = place;
    barrier_sum += vote;
    barrier_all &= vote;
    barrier_any |= vote;
    ++barrier_arrived;
    current->state = State::at_barrier;
    current->place = place;
    yield();
}

// Leaves the values of all lanes; the pointer is good until this lane's next warp operation.
static const uint64_t* exchange(unsigned mask, uint64_t value, Place place) {
    if (mask != 0xffffffffu) fail("a warp operation with another mask than the full warp", place);
    Warp& w = warps[current->index / warp];
    if (w.arrived && !(w.place == place))
        fail("lanes of one warp wait at different warp operations", place);
    reach(place);
    w.place = place;
    const unsigned long generation = w.generation;
    uint64_t* values = w.value[generation & 1];
    const unsigned lane = current->index % warp;
    values[lane] = value;
    w.arrived |= 1u << lane;
    if (w.arrived == 0xffffffffu) {
        w.arrived = 0;
        ++w.generation;
    } else {
        current->state = State::in_warp;
        current->place = place;
        current->rendezvous = generation;
        yield();
    }
    return values;
}

static void run_thread() {
    kernel(kernel_arguments);
    current->state = State::done;
    yield();
    __builtin_unreachable();
}

// No thread could go on: say who waits for what.
static void deadlock(unsigned count) {
    for (unsigned t = 0; t < count; ++t)
        if (threads[t].state == State::in_warp) {
            thread_index = {t};
            return fail("deadlock: some lanes never reach this warp operation", threads[t].place);
        }
    char text[96];
    snprintf(text, sizeof text, "barrier divergence: %u of %u threads never reach it",
             count - barrier_arrived, count);
    fail(text, barrier_place);
}

static void run_block(unsigned count, const unsigned* order) {
    unsigned live = count;
    barrier_arrived = 0;
    memset(warps, 0, sizeof warps);
    memset(arena, poison, arena_bytes);
    for (unsigned t = 0; t < count; ++t) {
        threads[t].index = t;
        threads[t].state = State::ready;
        if (!start(threads[t].fiber, run_thread)) return fail("no memory for stacks", nowhere);
    }
    while (live) {
        bool progress = false;
        for (unsigned i = 0; i < count; ++i) {
            Thread& thread = threads[order[i]];
            if (thread.state == State::in_warp &&
                warps[thread.index / warp].generation != thread.rendezvous)
                thread.state = State::ready;
            if (thread.state != State::ready) continue;
            progress = true;
            resume(thread);
            if (failed) return;
            live -= thread.state == State::done;
        }
        if (barrier_arrived == count) {
            barrier_arrived = 0;
            for (unsigned t = 0; t < count; ++t) threads[t].state = State::ready;
        } else if (!progress) {
            return deadlock(count);
        }
    }
}

}  // namespace emulator
