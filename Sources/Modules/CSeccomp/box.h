// SPDX-License-Identifier: Apache-2.0
#ifndef GATEHOUSE_CSECCOMP_BOX_H
#define GATEHOUSE_CSECCOMP_BOX_H

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

extern long syscall(long, ...);
extern int prctl(int, ...);

// Headers of Debian 12 (Linux 6.1) end at Landlock's ABI 2. Rights that came later, by their numbers in the kernel's
// interface (landlock(7)).
#define CBOX_LANDLOCK_TRUNCATE (1ULL << 14)
#define CBOX_LANDLOCK_IOCTL_DEV (1ULL << 15)
#define CBOX_LANDLOCK_REFER (1ULL << 13)
#define CBOX_LANDLOCK_SCOPE_ABSTRACT_SOCKET (1ULL << 0)
#define CBOX_LANDLOCK_SCOPE_SIGNAL (1ULL << 1)

// Flags of clone(2) and unshare(2) behind _GNU_SOURCE, as one number each.
#define CBOX_NAMESPACES (0x10000000 | 0x20000000 | 0x00020000 | 0x40000000 | 0x08000000 | 0x04000000)
#define CBOX_NEW_USER 0x10000000
#define CBOX_NEW_PID 0x20000000
#define CBOX_NEW_MOUNT 0x00020000
#define CBOX_NEW_NET 0x40000000
#define CBOX_NEW_IPC 0x08000000
#define CBOX_NEW_UTS 0x04000000
#define CBOX_NEW_CGROUP 0x02000000
#define CBOX_NEW_TIME 0x00000080

// clone(2) as fork(2) with namespaces. The caller has one thread: the child goes on with a whole Swift runtime.
static inline int cbox_clone(unsigned long flags) {
    return (int)syscall(SYS_clone, flags | SIGCHLD, 0L, NULL, NULL, 0L);
}

// The same without namespaces, into a control group of the second version, which is its folder's descriptor: clone3(2) with
// CLONE_INTO_CGROUP, since Linux 5.7. The numbers are those of struct clone_args up to `cgroup`.
static inline int cbox_clone_into(int group) {
    uint64_t arguments[11] = {0};
    arguments[0] = 0x200000000ULL;
    arguments[4] = SIGCHLD;
    arguments[10] = (uint64_t)group;
    return (int)syscall(SYS_clone3, arguments, sizeof arguments);
}
static inline int cbox_unshare(unsigned long flags) { return (int)syscall(SYS_unshare, flags); }
static inline int cbox_pivot_root(const char *new_root, const char *put_old) {
    return (int)syscall(SYS_pivot_root, new_root, put_old);
}

// mount(2) and umount2(2): <sys/mount.h> and <linux/mount.h> cannot be included together.
static inline int cbox_mount(
    const char *source, const char *target, const char *type, unsigned long flags, const char *data) {
    return (int)syscall(SYS_mount, source, target, type, flags, data);
}
static inline int cbox_unmount(const char *target) { return (int)syscall(SYS_umount2, target, 2L /* MNT_DETACH */); }
#define CBOX_BIND 4096UL
#define CBOX_RECURSIVE 16384UL
#define CBOX_PRIVATE (1UL << 18)
#define CBOX_NOSUID 2UL
#define CBOX_NODEV 4UL
#define CBOX_NOEXEC 8UL
#define CBOX_READ_ONLY 1UL
#define CBOX_REMOUNT 32UL

// mount_setattr(2) is not wrapped by glibc 2.36 under every feature set.
static inline int cbox_restrict_mount(const char *path, int recursive, uint64_t attributes) {
    struct mount_attr attr = {.attr_set = attributes};
    return (int)syscall(SYS_mount_setattr, -100L, path, recursive ? 0x8000L : 0L, &attr, sizeof attr);
}
#define CBOX_ATTR_READ_ONLY 0x1ULL
#define CBOX_ATTR_NOSUID 0x2ULL
#define CBOX_ATTR_NODEV 0x4ULL
#define CBOX_ATTR_NOEXEC 0x8ULL

// prctl(2) is variadic.
static inline int cbox_prctl(int option, unsigned long a, unsigned long b) { return prctl(option, a, b, 0UL, 0UL); }

// capset(2) has no wrapper in libc: no capability in any of the three sets.
static inline int cbox_drop_capabilities(void) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    struct __user_cap_data_struct none[2];
    memset(none, 0, sizeof none);
    return (int)syscall(SYS_capset, &header, none);
}

// The calls themselves, without what glibc does to the threads of a process that has many.
static inline int cbox_set_ids(unsigned int uid, unsigned int gid) {
    if (syscall(SYS_setresgid, (long)gid, (long)gid, (long)gid) != 0) return -1;
    return (int)syscall(SYS_setresuid, (long)uid, (long)uid, (long)uid);
}
static inline int cbox_drop_groups(void) { return (int)syscall(SYS_setgroups, 0L, NULL); }

// setrlimit's first argument is an enum under _GNU_SOURCE and an int without. Process 0 is the caller.
static inline int cbox_limit(int process, int resource, unsigned long long most) {
    unsigned long long limit[2] = {most, most};
    return (int)syscall(SYS_prlimit64, (long)process, (long)resource, limit, NULL);
}

// Landlock has no wrappers (landlock(7)).
static inline int cbox_landlock_abi(void) { return (int)syscall(SYS_landlock_create_ruleset, NULL, 0L, 1L); }
static inline int cbox_landlock_ruleset(uint64_t rights, uint64_t scoped, int abi) {
    uint64_t attributes[3] = {rights, 0, scoped};
    unsigned long size = abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
    return (int)syscall(SYS_landlock_create_ruleset, attributes, size, 0L);
}
static inline int cbox_landlock_allow(int ruleset, int directory, uint64_t rights) {
    struct landlock_path_beneath_attr rule = {.allowed_access = rights, .parent_fd = directory};
    return (int)syscall(SYS_landlock_add_rule, (long)ruleset, (long)LANDLOCK_RULE_PATH_BENEATH, &rule, 0L);
}
static inline int cbox_landlock_restrict(int ruleset) {
    return (int)syscall(SYS_landlock_restrict_self, (long)ruleset, 0L);
}

// seccomp(2) has no wrapper. `program` is what seccomp_export_bpf wrote: whole instructions. Answers the listener's descriptor
// where one is wanted.
static inline int cbox_load_filter(const void *program, unsigned long bytes, int listens) {
    struct sock_fprog filter = {
        .len = (unsigned short)(bytes / sizeof(struct sock_filter)), .filter = (struct sock_filter *)program};
    long flags = listens ? (long)SECCOMP_FILTER_FLAG_NEW_LISTENER : 0L;
    return (int)syscall(SYS_seccomp, (long)SECCOMP_SET_MODE_FILTER, flags, &filter);
}

// The next call that a filter told its listener of (seccomp_unotify(2)). The kernel's structures may be longer than this header's.
// Answers the call's number, -1 where whoever made it is dead.
static inline int cbox_hear_call(int listener, uint64_t *id) {
    union { struct seccomp_notif call; char room[512]; } asked;
    memset(&asked, 0, sizeof asked);
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &asked) != 0) return -1;
    *id = asked.call.id;
    return asked.call.data.nr;
}

// Refuses it, with an error. It is never let through.
static inline void cbox_refuse_call(int listener, uint64_t id, int error) {
    union { struct seccomp_notif_resp reply; char room[512]; } told;
    memset(&told, 0, sizeof told);
    told.reply.id = id;
    told.reply.error = -error;
    ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &told);
}

// struct ifreq is a union of macros. Brings `lo` up in the namespace of the caller.
static inline int cbox_loopback_up(void) {
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    struct ifreq request;
    memset(&request, 0, sizeof request);
    strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    int result = ioctl(fd, SIOCSIFFLAGS, &request);
    close(fd);
    return result;
}

static inline int cbox_hostname(const char *name) { return (int)syscall(SYS_sethostname, name, strlen(name)); }

// execve(2) wants arrays of pointers. `words` and `settings` are zero-terminated strings one after the other. Returns only
// where it fails.
static inline int cbox_exec(
    const char *path, const char *words, unsigned long word_count, const char *settings, unsigned long setting_count) {
    const char **arguments = calloc(word_count + setting_count + 2, sizeof *arguments);
    if (!arguments) return -1;
    const char **environment = arguments + word_count + 1;
    for (unsigned long i = 0; i < word_count; i++, words += strlen(words) + 1) arguments[i] = words;
    for (unsigned long i = 0; i < setting_count; i++, settings += strlen(settings) + 1) environment[i] = settings;
    return (int)syscall(SYS_execve, path, arguments, environment);
}

// wait4(2) with the macros of <sys/wait.h>. Answers the pid, 0 where nobody has ended, -1 where there is nobody.
static inline int cbox_reap(int *exit_code, int *signal_number) {
    int status = 0;
    int pid = (int)syscall(SYS_wait4, -1L, &status, (long)WNOHANG, NULL);
    if (pid <= 0) return pid;
    *exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    *signal_number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    return pid;
}

// Processor time of every child that was waited for, and theirs, in nanoseconds.
static inline uint64_t cbox_children_time(void) {
    struct rusage usage;
    if (getrusage(RUSAGE_CHILDREN, &usage) != 0) return 0;
    return ((uint64_t)usage.ru_utime.tv_sec + (uint64_t)usage.ru_stime.tv_sec) * 1000000000ULL +
           ((uint64_t)usage.ru_utime.tv_usec + (uint64_t)usage.ru_stime.tv_usec) * 1000ULL;
}

// A call by its number, for what the self-test tries.
static inline long cbox_call(long number, unsigned long a, unsigned long b, unsigned long c, unsigned long d) {
    return syscall(number, a, b, c, d, 0L, 0L);
}

// `dirent64` is behind a feature macro: the raw records of a directory (getdents64(2)).
static inline long cbox_entries(int directory, void *buffer, unsigned long bytes) {
    return syscall(SYS_getdents64, (long)directory, buffer, bytes);
}
static inline unsigned long cbox_entry_bytes(const void *record) {
    return *(const unsigned short *)((const char *)record + 16);
}
static inline const char *cbox_entry_name(const void *record) { return (const char *)record + 19; }

// openat2(2) is not wrapped: never out of the directory, through no link of any kind.
static inline int cbox_open_beneath(int directory, const char *path, int flags, unsigned int mode) {
    struct open_how how = {
        .flags = (uint64_t)(flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), .mode = mode,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV};
    return (int)syscall(SYS_openat2, (long)directory, path, &how, sizeof how);
}

// pidfd_open(2) and pidfd_send_signal(2) came with glibc 2.36 and are behind _GNU_SOURCE.
static inline int cbox_pidfd(int pid) { return (int)syscall(SYS_pidfd_open, (long)pid, 0L); }
static inline int cbox_pidfd_kill(int pidfd) {
    return (int)syscall(SYS_pidfd_send_signal, (long)pidfd, (long)SIGKILL, NULL, 0L);
}

#endif
