// SPDX-License-Identifier: Apache-2.0
#ifndef GATEHOUSE_CLINUX_SHIM_H
#define GATEHOUSE_CLINUX_SHIM_H

// Names that Glibc's Swift module hides because they stand behind _GNU_SOURCE. Each function here says why it exists.
// _GNU_SOURCE is not defined: with it, arguments of type sockaddr stop type-checking in Swift.

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "files.h"

// Behind _GNU_SOURCE; declared by hand so that the macro stays undefined.
extern int accept4(int, struct sockaddr *, socklen_t *, int);
extern int pthread_setname_np(pthread_t, const char *);
extern const char *strerrorname_np(int);
extern const char *strerrordesc_np(int);

// accept4 stands behind _GNU_SOURCE: one call gives a non-blocking, close-on-exec socket.
static inline int clinux_accept(int fd, struct sockaddr *address, socklen_t *length) {
    return accept4(fd, address, length, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

// pthread_setname_np stands behind _GNU_SOURCE. The name is cut to the kernel's 15 bytes, which otherwise is ERANGE.
static inline void clinux_name_this_thread(const char *name) {
    char cut[16];
    strncpy(cut, name, sizeof cut - 1);
    cut[sizeof cut - 1] = 0;
    pthread_setname_np(pthread_self(), cut);
}

// strerrorname_np and strerrordesc_np stand behind _GNU_SOURCE. They return static text (or NULL) and take no locale.
static inline const char *clinux_errno_name(int number) { return strerrorname_np(number); }
static inline const char *clinux_errno_text(int number) { return strerrordesc_np(number); }

// struct ucred stands behind _GNU_SOURCE; this is its layout (unix(7), SO_PEERCRED).
struct clinux_credentials {
    int pid;
    unsigned int uid;
    unsigned int gid;
};

static inline int clinux_peer_credentials(int fd, struct clinux_credentials *credentials) {
    socklen_t length = sizeof *credentials;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, credentials, &length);
}

// struct epoll_event is packed and holds a union, which Swift reads only through pointers. The 64 bits of user data are
// an opaque number here.
static inline int clinux_epoll_ctl(int epoll, int operation, int fd, unsigned int events, unsigned long long data) {
    struct epoll_event event = {.events = events, .data.u64 = data};
    return epoll_ctl(epoll, operation, fd, &event);
}
static inline unsigned int clinux_epoll_events(const struct epoll_event *event) { return event->events; }
static inline unsigned long long clinux_epoll_data(const struct epoll_event *event) { return event->data.u64; }

// The flags are enumerators of an anonymous type, one of them above INT_MAX; Swift wants plain numbers.
static const unsigned int clinux_EPOLLIN = EPOLLIN;
static const unsigned int clinux_EPOLLOUT = EPOLLOUT;
static const unsigned int clinux_EPOLLRDHUP = EPOLLRDHUP;
static const unsigned int clinux_EPOLLHUP = EPOLLHUP;
static const unsigned int clinux_EPOLLERR = EPOLLERR;
static const unsigned int clinux_EPOLLET = EPOLLET;
static const unsigned int clinux_EPOLLEXCLUSIVE = EPOLLEXCLUSIVE;

// The runtime publishes swift_task_enqueueGlobal_hook as a variable holding a function of Swift's calling convention;
// only C can put a function there. Tests and development set it so that a job which strays to the global pool (where
// no loop runs) stops the process at once instead of racing with a connection. Returns 0 where the runtime lacks it.
// dlsym does not see a static binary's symbols, so the variable is referenced weakly.
#if defined(__clang__)
extern void *swift_task_enqueueGlobal_hook __attribute__((weak));

__attribute__((swiftcall)) static inline void clinux_stray_job(void *job, void *original) {
    (void)job;
    (void)original;
    static const char text[] = "gatehouse: a task strayed from its loop to the global pool\n";
    if (write(2, text, sizeof text - 1)) {}
    abort();
}

static inline int clinux_abort_on_stray_jobs(int on) {
    if (!&swift_task_enqueueGlobal_hook) return 0;
    swift_task_enqueueGlobal_hook = on ? (void *)clinux_stray_job : NULL;
    return 1;
}
#endif

#endif
