// SPDX-License-Identifier: Apache-2.0
#ifndef GATEHOUSE_CLINUX_SHIM_H
#define GATEHOUSE_CLINUX_SHIM_H

// Names that Glibc's Swift module hides because they stand behind _GNU_SOURCE. Each function here says why it exists.
// _GNU_SOURCE is not defined: with it, arguments of type sockaddr stop type-checking in Swift.

#include <sys/epoll.h>
#include <sys/eventfd.h>

#endif
