// SPDX-License-Identifier: Apache-2.0
#ifndef GATEHOUSE_CLINUX_CRASH_H
#define GATEHOUSE_CLINUX_CRASH_H

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

// What runs in a handler of a fatal signal may not allocate, lock or call Swift: hence C. It only tells another thread
// that the process is about to end, waits a moment for its word, and lets the signal do what it does without a handler.
// write(2), poll(2), sigaction(2) and raise(3) are safe there (signal-safety(7)).
static int clinux_crash_call = -1;
static int clinux_crash_answer = -1;
static int clinux_crash_milliseconds = 0;
static pthread_t clinux_crash_listener = 0;
static int clinux_crash_entered = 0;
static const int clinux_crash_signals[] = {SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGFPE, SIGABRT, SIGSYS};

static inline void clinux_on_crash(int number) {
    // A second thread that crashes meanwhile waits for the first one to end the process.
    if (__atomic_exchange_n(&clinux_crash_entered, 1, __ATOMIC_SEQ_CST)) {
        for (;;) pause();
    }
    unsigned long long one = 1;
    if (!pthread_equal(pthread_self(), clinux_crash_listener) && write(clinux_crash_call, &one, sizeof one) == sizeof one) {
        struct pollfd answer = {.fd = clinux_crash_answer, .events = POLLIN};
        if (poll(&answer, 1, clinux_crash_milliseconds)) {}
    }
    struct sigaction plain = {.sa_handler = SIG_DFL};
    sigaction(number, &plain, NULL);
    // It is blocked until this handler returns, and then ends the process.
    raise(number);
}

// Installs the handler; `call` and `answer` are eventfds. It takes the place of the Swift runtime's, which would print
// registers and memory. A thread has another stack for it only if somebody gave it one: where its own has overflowed,
// there is no handler, and the process ends at once.
static inline void clinux_catch_crashes(int call, int answer, int milliseconds) {
    clinux_crash_call = call;
    clinux_crash_answer = answer;
    clinux_crash_milliseconds = milliseconds;
    struct sigaction action = {.sa_handler = clinux_on_crash, .sa_flags = SA_ONSTACK};
    for (unsigned index = 0; index < sizeof clinux_crash_signals / sizeof *clinux_crash_signals; index++) {
        sigaction(clinux_crash_signals[index], &action, NULL);
    }
}

// Says that the calling thread is the one that listens: it cannot wait for itself.
static inline void clinux_hear_crashes(void) { clinux_crash_listener = pthread_self(); }

static inline void clinux_release_crashes(void) {
    struct sigaction plain = {.sa_handler = SIG_DFL};
    for (unsigned index = 0; index < sizeof clinux_crash_signals / sizeof *clinux_crash_signals; index++) {
        sigaction(clinux_crash_signals[index], &plain, NULL);
    }
}

// Takes the signals of a thread's own faults out of a set: blocked, they would end the process without the handler.
static inline void clinux_leave_crashes(sigset_t *set) {
    for (unsigned index = 0; index < sizeof clinux_crash_signals / sizeof *clinux_crash_signals; index++) {
        sigdelset(set, clinux_crash_signals[index]);
    }
}

// prctl is variadic, which Swift does not call. 0 where it worked.
static inline int clinux_forbid_dumps(void) { return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); }

#endif
