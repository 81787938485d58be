// SPDX-License-Identifier: Apache-2.0
#ifndef GATEHOUSE_CLINUX_NOTIFY_H
#define GATEHOUSE_CLINUX_NOTIFY_H

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

// sd_notify(3) without libsystemd: one datagram to a local socket. sockaddr_un is a tuple of 108 elements in Swift.
// A name that begins with "@" is one of the abstract kind (unix(7)). Returns 0, or -1 with errno.
static inline int clinux_notify(const char *name, const char *text, size_t count) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(name);
    if (length == 0 || length >= sizeof address.sun_path) return -1;
    memcpy(address.sun_path, name, length);
    if (name[0] == '@') address.sun_path[0] = 0;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    // Whoever minds services must not be able to hold this one up: what does not fit is lost.
    ssize_t sent = sendto(fd, text, count, MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
    close(fd);
    return sent == (ssize_t)count ? 0 : -1;
}

#endif
