// SPDX-License-Identifier: Apache-2.0

/// The list of the filter: long, dull, and complete.
enum FilterList {
    /// Allowed whatever the arguments are.
    static let allowed = files + memory + processes + signals + time + events + sockets + identity

    private static let files = [
        "read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev", "preadv2", "pwritev2", "open",
        "openat", "openat2", "creat", "close", "close_range", "stat", "fstat", "lstat", "newfstatat", "statx", "access",
        "faccessat", "faccessat2", "lseek", "dup", "dup2", "dup3", "pipe", "pipe2", "getcwd", "chdir", "fchdir",
        "rename", "renameat", "renameat2", "mkdir", "mkdirat", "rmdir", "link", "linkat", "unlink", "unlinkat",
        "symlink", "symlinkat", "readlink", "readlinkat", "chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown",
        "lchown", "fchownat", "umask", "utime", "utimes", "utimensat", "futimesat", "truncate", "ftruncate",
        "fallocate", "fadvise64", "fsync", "fdatasync", "sync_file_range", "sendfile", "copy_file_range", "getdents",
        "getdents64", "statfs", "fstatfs", "getxattr", "lgetxattr", "fgetxattr", "listxattr", "llistxattr",
        "flistxattr",
    ]
    private static let memory = [
        "mmap", "mprotect", "munmap", "mremap", "msync", "mincore", "madvise", "brk", "mlock", "mlock2", "munlock",
        "munlockall", "pkey_alloc", "pkey_free", "pkey_mprotect",
    ]
    private static let processes = [
        "fork", "vfork", "execve", "execveat", "exit", "exit_group", "wait4", "waitid", "getpid", "getppid", "gettid",
        "getpgrp", "getpgid", "setpgid", "getsid", "setsid", "getrlimit", "setrlimit", "getrusage", "sysinfo", "uname",
        "sched_yield", "sched_getaffinity", "sched_getparam", "sched_getscheduler", "sched_get_priority_max",
        "sched_get_priority_min", "sched_rr_get_interval", "getpriority", "set_robust_list", "get_robust_list",
        "set_tid_address", "arch_prctl", "rseq", "membarrier", "restart_syscall", "getcpu", "futex", "pidfd_open",
        "pidfd_send_signal",
    ]
    private static let signals = [
        "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigpending", "rt_sigsuspend", "rt_sigtimedwait",
        "rt_sigqueueinfo", "rt_tgsigqueueinfo", "sigaltstack", "kill", "tgkill", "tkill", "pause", "signalfd",
        "signalfd4",
    ]
    private static let time = [
        "nanosleep", "clock_nanosleep", "clock_gettime", "clock_getres", "gettimeofday", "time", "times", "alarm",
        "getitimer", "setitimer", "timer_create", "timer_settime", "timer_gettime", "timer_getoverrun", "timer_delete",
        "timerfd_create", "timerfd_settime", "timerfd_gettime",
    ]
    private static let events = [
        "select", "pselect6", "poll", "ppoll", "epoll_create", "epoll_create1", "epoll_ctl", "epoll_wait",
        "epoll_pwait", "epoll_pwait2", "eventfd", "eventfd2",
    ]
    private static let sockets = [
        "bind", "connect", "listen", "accept", "accept4", "getsockname", "getpeername", "sendto", "recvfrom", "sendmsg",
        "recvmsg", "sendmmsg", "recvmmsg", "setsockopt", "getsockopt", "shutdown",
    ]
    private static let identity = [
        "getuid", "geteuid", "getgid", "getegid", "getresuid", "getresgid", "getgroups", "capget", "getrandom",
    ]

    /// Refused by name, so that a program says what it may not do. `flock` among them: an exclusive lock works on a read-only
    /// descriptor of a file that all runs share, and so would be a channel from one to another. And inotify(7): it tells of
    /// what others do with a file that all share, and so which programs the host and other runs start, and when. Not among them
    /// are mbind(2) and its kind, which libraries for numbers try and do well without: as unknown as on a kernel without them.
    static let refused = [
        "flock", "inotify_init", "inotify_init1", "inotify_add_watch", "inotify_rm_watch", "ptrace", "process_vm_readv",
        "process_vm_writev", "kcmp", "pidfd_getfd", "process_madvise",
        "process_mrelease", "unshare", "setns", "mount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree",
        "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr", "setuid", "setgid", "setreuid", "setregid",
        "setresuid", "setresgid", "setfsuid", "setfsgid", "setgroups", "capset", "seccomp", "bpf", "perf_event_open",
        "userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register", "keyctl", "add_key", "request_key",
        "init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot", "swapon", "swapoff",
        "acct", "syslog", "quotactl", "quotactl_fd", "settimeofday", "clock_settime", "clock_adjtime", "adjtimex",
        "iopl", "ioperm", "modify_ldt", "vhangup", "sethostname", "setdomainname", "fanotify_init", "fanotify_mark",
        "name_to_handle_at", "open_by_handle_at", "move_pages", "migrate_pages",
        "memfd_secret", "mlockall", "sync", "syncfs", "ioprio_set", "sched_setscheduler", "sched_setattr",
        "sched_setparam", "nfsservctl", "lookup_dcookie", "vmsplice", "splice", "tee", "setxattr", "lsetxattr",
        "fsetxattr", "removexattr", "lremovexattr", "fremovexattr",
    ]

    private static let low: UInt32 = 0xffff_ffff
    /// The bits of a socket's type that are not flags.
    private static let type: UInt32 = 0xf

    static let conditional: [FilterRule] = sockets2 + nodes + options + clones + controls + descriptors

    /// Families that end inside the box (unix, inet, inet6), as streams and datagrams. Not vsock, which no namespace
    /// confines; not netlink, whose parsers are the kernel's longest.
    private static var sockets2: [FilterRule] {
        var rules: [FilterRule] = []
        for kind: UInt32 in [1, 2] {
            rules.append(FilterRule("socket", (0, low, 1), (1, type, kind)))
            rules.append(FilterRule("socketpair", (0, low, 1), (1, type, kind)))
            for family: UInt32 in [2, 10] {
                // TCP or UDP, by name or by default.
                for wanted: UInt32 in [0, kind == 1 ? 6 : 17] {
                    rules.append(FilterRule("socket", (0, low, family), (1, type, kind), (2, low, wanted)))
                }
            }
        }
        return rules
    }

    /// Pipes, sockets and plain files with names; no devices.
    private static var nodes: [FilterRule] {
        [UInt32(0o010000), 0o140000, 0o100000, 0].flatMap { kind in
            [FilterRule("mknod", (1, 0o170000, kind)), FilterRule("mknodat", (2, 0o170000, kind))]
        }
    }

    /// Of prctl(2) what concerns the process alone and takes nothing back.
    private static var options: [FilterRule] {
        // PDEATHSIG, GET_PDEATHSIG, GET_DUMPABLE, SET_DUMPABLE, SET_NAME, GET_NAME, GET_SECCOMP, CAPBSET_READ,
        // SET_TIMERSLACK, GET_TIMERSLACK, SET_CHILD_SUBREAPER, GET_CHILD_SUBREAPER, GET_NO_NEW_PRIVS, SET_THP_DISABLE,
        // GET_THP_DISABLE, SET_VMA.
        let harmless: [UInt32] = [1, 2, 3, 4, 15, 16, 21, 23, 29, 30, 36, 37, 39, 41, 42, 0x5356_4d41]
        return harmless.map { FilterRule("prctl", (0, low, $0)) } + [
            // SET_NO_NEW_PRIVS, on.
            FilterRule("prctl", (0, low, 38), (1, low, 1)),
            // The kind of process there is, asked and not changed.
            FilterRule("personality", (0, low, 0)), FilterRule("personality", (0, low, 0xffff_ffff)),
        ]
    }

    /// Processes and threads, in no new namespace. clone3(2) hides its flags behind a pointer, and is not there.
    private static var clones: [FilterRule] { [FilterRule("clone", (0, 0x7e02_0000, 0))] }

    /// Of fcntl(2) what concerns a descriptor, a pipe, a file in memory or a lock of bytes, which to exclude others must be
    /// open for writing. Not F_NOTIFY, which is inotify under an older name, and no leases.
    private static var descriptors: [FilterRule] {
        // DUPFD, GETFD, SETFD, GETFL, SETFL, GETLK, SETLK, SETLKW, SETOWN, GETOWN, SETSIG, GETSIG, SETOWN_EX, GETOWN_EX,
        // OFD_GETLK, OFD_SETLK, OFD_SETLKW, DUPFD_CLOEXEC, SETPIPE_SZ, GETPIPE_SZ, ADD_SEALS, GET_SEALS.
        let commands: [UInt32] = [
            0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 15, 16, 36, 37, 38, 1030, 1031, 1032, 1033, 1034,
        ]
        return commands.map { FilterRule("fcntl", (1, low, $0)) }
    }

    private static var controls: [FilterRule] {
        // TCGETS, TIOCGPGRP, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX, FIOASYNC; SIOCGIFNAME, CONF, FLAGS, ADDR, INDEX.
        let requests: [UInt32] = [
            0x5401, 0x540f, 0x5413, 0x541b, 0x5421, 0x5450, 0x5451, 0x5452, 0x8910, 0x8912, 0x8913, 0x8915, 0x8933,
        ]
        return requests.map { FilterRule("ioctl", (1, low, $0)) } + [
            // Of another process's limits, priority and processors nothing: the box's first process has the same user.
            FilterRule("prlimit64", (0, low, 0)), FilterRule("setpriority", (0, low, 0), (1, low, 0)),
            FilterRule("sched_setaffinity", (0, low, 0)),
        ]
    }
}
