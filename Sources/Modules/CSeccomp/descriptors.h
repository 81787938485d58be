// SPDX-License-Identifier: Apache-2.0
#ifndef GATEHOUSE_CSECCOMP_DESCRIPTORS_H
#define GATEHOUSE_CSECCOMP_DESCRIPTORS_H

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

extern long syscall(long, ...);

#define CBOX_DESCRIPTORS_MAX 8

// MSG_NOSIGNAL and MSG_DONTWAIT, which are enumerators of a header that belongs to whichever module is built first.
#define CBOX_NO_SIGNAL 0x4000
#define CBOX_DONT_WAIT 0x40

// memfd_create(2) is behind _GNU_SOURCE.
static inline int cbox_memory_file(const char *name) { return (int)syscall(SYS_memfd_create, name, 3L /* CLOEXEC|SEALING */); }

// pipe2(2) is behind _GNU_SOURCE. `ends` has room for two numbers.
static inline int cbox_pipe(void *ends) { return (int)syscall(SYS_pipe2, ends, (long)O_CLOEXEC); }

// sockaddr_un is read and written through pointers to another type.
static inline int cbox_connect(int fd, const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address.sun_path, path);
    return connect(fd, (struct sockaddr *)&address, sizeof address);
}

// Whether a descriptor is a socket that listens; the connection that waits there then takes its place.
static inline int cbox_accept_in_place(int fd) {
    int listens = 0;
    socklen_t length = sizeof listens;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length) != 0 || !listens) return 0;
    int connection = accept(fd, NULL, NULL);
    if (connection < 0) return -1;
    int result = dup2(connection, fd);
    close(connection);
    return result < 0 ? -1 : 0;
}

// F_ADD_SEALS is behind _GNU_SOURCE: nobody grows, shrinks or writes it any more.
static inline int cbox_seal(int fd) { return fcntl(fd, 1033, 0x1 | 0x2 | 0x4 | 0x8); }

static inline int cbox_close_range(unsigned int first, unsigned int last) {
    return (int)syscall(SYS_close_range, (long)first, (long)last, 0L);
}
static inline int cbox_close_from(unsigned int first) { return cbox_close_range(first, ~0U); }

// Control messages are made by macros (cmsg(3)). Sends one message with descriptors.
static inline long cbox_send(int socket, const void *bytes, unsigned long count, const int *fds, unsigned int fd_count) {
    struct iovec part = {.iov_base = (void *)bytes, .iov_len = count};
    char control[CMSG_SPACE(sizeof(int) * CBOX_DESCRIPTORS_MAX)];
    memset(control, 0, sizeof control);
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd_count > CBOX_DESCRIPTORS_MAX) return -1;
    if (fd_count > 0) {
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
        memcpy(CMSG_DATA(header), fds, sizeof(int) * fd_count);
    }
    return sendmsg(socket, &message, MSG_NOSIGNAL);
}

// Receives one message; `fds` has room for CBOX_DESCRIPTORS_MAX, and gets as many as came.
static inline long cbox_receive(
    int socket, void *bytes, unsigned long count, int *fds, unsigned int *fd_count, int flags) {
    struct iovec part = {.iov_base = bytes, .iov_len = count};
    char control[CMSG_SPACE(sizeof(int) * CBOX_DESCRIPTORS_MAX)];
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    *fd_count = 0;
    long received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | flags);
    if (received < 0) return received;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        unsigned int found = (unsigned int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        if (found > CBOX_DESCRIPTORS_MAX) found = CBOX_DESCRIPTORS_MAX;
        memcpy(fds, CMSG_DATA(header), sizeof(int) * found);
        *fd_count = found;
    }
    return received;
}

#endif
