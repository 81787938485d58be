// SPDX-License-Identifier: Apache-2.0
#ifndef GATEHOUSE_CLINUX_SHIM_H
#define GATEHOUSE_CLINUX_SHIM_H

// Names that Glibc's Swift module hides because they stand behind _GNU_SOURCE. Each function here says why it exists.
// _GNU_SOURCE is not defined: with it, arguments of type sockaddr stop type-checking in Swift.

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "crash.h"
#include "files.h"
#include "host.h"
#include "notify.h"
#include "objects.h"

// Behind _GNU_SOURCE; declared by hand so that the macro stays undefined.
extern int accept4(int, struct sockaddr *, socklen_t *, int);
extern int pthread_setname_np(pthread_t, const char *);
extern const char *strerrorname_np(int);
extern const char *strerrordesc_np(int);
extern long syscall(long, ...);

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

// The three calls of every message. glibc's functions of these names are points at which a thread may be cancelled
// (pthreads(7)), and say so before and after with an atomic each; nobody cancels threads here.
static inline ssize_t clinux_receive(int fd, void *buffer, size_t count) {
    return syscall(SYS_recvfrom, (long)fd, buffer, count, 0L, NULL, NULL);
}
// A peer that has closed is an error, not SIGPIPE.
static inline ssize_t clinux_send(int fd, const void *buffer, size_t count) {
    return syscall(SYS_sendto, (long)fd, buffer, count, (long)MSG_NOSIGNAL, NULL, 0L);
}
static inline int clinux_epoll_wait(int epoll, struct epoll_event *events, int count, int milliseconds) {
    return (int)syscall(SYS_epoll_pwait, (long)epoll, events, (long)count, (long)milliseconds, NULL, 8L);
}

// The flags are enumerators of an anonymous type, one of them above INT_MAX; Swift wants plain numbers.
static const unsigned int clinux_EPOLLIN = EPOLLIN;
static const unsigned int clinux_EPOLLOUT = EPOLLOUT;
static const unsigned int clinux_EPOLLRDHUP = EPOLLRDHUP;
static const unsigned int clinux_EPOLLHUP = EPOLLHUP;
static const unsigned int clinux_EPOLLERR = EPOLLERR;
static const unsigned int clinux_EPOLLET = EPOLLET;
static const unsigned int clinux_EPOLLEXCLUSIVE = EPOLLEXCLUSIVE;

// SOCK_STREAM and its flags are enumerators of a type of their own in Glibc's Swift module.
static const int clinux_SOCK_STREAM = SOCK_STREAM;
static inline int clinux_stream_socket(int family) {
    return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}
static inline int clinux_socket_pair(int ends[2]) {
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends);
}

// IPPROTO_TCP is an enumerator there too; this and the next three are a setsockopt or two with its arguments.
static inline void clinux_no_delay(int fd) {
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static inline int clinux_prepare_listening(int fd, int family) {
    int on = 1, off = 0;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) return -1;
    if (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) != 0) return -1;
    return 0;
}

static inline int clinux_share_port(int fd) {
    int on = 1;
    return setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
}

// Accepted sockets inherit it (tcp(7), TCP_NOTSENT_LOWAT): the kernel takes no more for a peer that does not read, instead
// of growing its buffer to tcp_wmem's megabytes, while what is on its way may be as much as the path carries.
static inline int clinux_bound_unsent(int fd, int bytes) {
    return setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof bytes);
}

// What is not sent yet is dropped at close, and the other side sees a reset (socket(7), SO_LINGER).
static inline void clinux_discard_on_close(int fd) {
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

// The error a connection attempt left behind, 0 for none, -1 when the question itself failed.
static inline int clinux_socket_error(int fd) {
    int error = 0;
    socklen_t length = sizeof error;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 ? error : -1;
}

// sendmsg with two pieces: writev has no MSG_NOSIGNAL, and a msghdr of pointers is noise in Swift.
static inline ssize_t clinux_send_two(int fd, const void *first, size_t first_count, const void *second,
                                      size_t second_count) {
    struct iovec pieces[2] = {{(void *)first, first_count}, {(void *)second, second_count}};
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 2};
    return sendmsg(fd, &message, MSG_NOSIGNAL);
}

// getaddrinfo for TCP. AI_ADDRCONFIG: no IPv6 address where there is no IPv6.
static inline int clinux_look_up(const char *host, struct addrinfo **list) {
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    return getaddrinfo(host, NULL, &hints, list);
}

// RLIMIT_NOFILE is an enumerator of a type of its own in Glibc's Swift module. Gives the soft limit from now on.
static inline long long clinux_raise_open_files(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) limit.rlim_cur = before;
    return limit.rlim_cur > INT_MAX ? INT_MAX : (long long)limit.rlim_cur;
}

// Where Swift's runtime leaves the next step of a task that belongs to no actor and prefers no executor: its "global pool",
// unless swift_task_enqueueGlobal_hook is set. The runtime publishes that as a variable holding a function of Swift's calling
// convention (swift/Runtime/Concurrency.h); only C can put a function there. What a loop's thread leaves is given to `take`,
// with the loop; what other threads leave goes to the pool, or, once clinux_forbid_pool() was called, stops the process: there
// it would race with a connection. The variable is referenced weakly: it is found in a static binary too, and where the runtime
// lacks it, the answer is 0.
//
// `key` is the slot of thread-specific data that holds a thread's loop.
typedef void (*clinux_take)(void *loop, void *job);
typedef __attribute__((swiftcall)) void (*clinux_enqueue_global)(void *job);
typedef __attribute__((swiftcall)) void (*clinux_enqueue_global_hook)(void *job, clinux_enqueue_global original);
extern clinux_enqueue_global_hook swift_task_enqueueGlobal_hook __attribute__((weak));

struct clinux_tasks {
    pthread_key_t key;
    clinux_take take;
    int pool_is_forbidden;
};
static inline struct clinux_tasks *clinux_tasks(void) {
    static struct clinux_tasks tasks;
    return &tasks;
}

__attribute__((swiftcall)) static inline void clinux_enqueue(void *job, clinux_enqueue_global original) {
    void *loop = pthread_getspecific(clinux_tasks()->key);
    if (loop) {
        clinux_tasks()->take(loop, job);
        return;
    }
    if (!__atomic_load_n(&clinux_tasks()->pool_is_forbidden, __ATOMIC_RELAXED)) {
        original(job);
        return;
    }
    static const char text[] = "gatehouse: a task went on outside its loop\n";
    if (write(2, text, sizeof text - 1)) {}
    abort();
}

static inline int clinux_take_jobs(pthread_key_t key, clinux_take take) {
    if (!&swift_task_enqueueGlobal_hook) return 0;
    clinux_tasks()->key = key;
    clinux_tasks()->take = take;
    swift_task_enqueueGlobal_hook = clinux_enqueue;
    return 1;
}

static inline void clinux_forbid_pool(void) { __atomic_store_n(&clinux_tasks()->pool_is_forbidden, 1, __ATOMIC_RELAXED); }

// Runs a step of a task, until it waits or ends. The executor is the generic one (two words of zero): with one of its own the
// task would be sent on to the pool at its next step.
extern __attribute__((swiftcall)) void swift_job_run(void *job, void *identity, void *implementation);
static inline void clinux_run_job(void *job) { swift_job_run(job, 0, 0); }

#endif
