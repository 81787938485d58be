// SPDX-License-Identifier: Apache-2.0
#ifndef GATEHOUSE_CSECCOMP_SPAWN_H
#define GATEHOUSE_CSECCOMP_SPAWN_H

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>

extern int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *, int);

// posix_spawn(3) is configured by calls that must all be undone, and its last part is behind _GNU_SOURCE. The child has
// descriptor 3, its standard ones, no signal blocked and an environment of nothing: between the two processes there is
// only libc, so that it is safe in a process of many threads.
static inline int cbox_spawn(const char *path, const char *word, int descriptor, int *pid) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", 0, 0);
    posix_spawn_file_actions_adddup2(&actions, 2, 1);
    posix_spawn_file_actions_adddup2(&actions, descriptor, 3);
    posix_spawn_file_actions_addclosefrom_np(&actions, 4);
    char *arguments[] = {"gatehouse", (char *)word, NULL};
    char *environment[] = {"PATH=/usr/bin:/bin", "SWIFT_BACKTRACE=enable=no", NULL};
    int result = posix_spawn(pid, path, &actions, &attributes, arguments, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    if (result == 0) return 0;
    errno = result;
    return -1;
}

#endif
