// SPDX-License-Identifier: Apache-2.0
import CLinux

/// How the other side ended.
package enum PeerClosure: Sendable {
    /// It will send no more (FIN). It may still read.
    case finished
    /// The connection is broken: reset, or closed both ways.
    case broken
}

/// What a socket may try, learned from edge-triggered events and from the calls that came up short.
///
/// An edge is told once. So a direction counts as ready until a call said otherwise, and is not ready from then on until
/// the next edge.
struct Readiness {
    /// Reading may give something. True at first: data may be older than the registration.
    var mayRead = true
    /// Writing may take something.
    var mayWrite = true
    /// Set once the other side has ended, or the connection is broken.
    private(set) var closure: PeerClosure?

    /// Takes in an event. Returns true when it says for the first time that the other side has ended.
    mutating func receive(_ events: UInt32) -> Bool {
        let isBroken = events & (clinux_EPOLLERR | clinux_EPOLLHUP) != 0
        let isFinished = events & clinux_EPOLLRDHUP != 0
        // A broken socket answers every call at once, with its error.
        if events & clinux_EPOLLIN != 0 || isFinished || isBroken { mayRead = true }
        if events & clinux_EPOLLOUT != 0 || isBroken { mayWrite = true }
        guard isBroken || isFinished, closure == nil else {
            if isBroken { closure = .broken }
            return false
        }
        closure = isBroken ? .broken : .finished
        return true
    }

    /// A read gave `count` of the `room` bytes asked for. Less means that the kernel's buffer is empty (epoll(7)), which
    /// saves the call that would say so; but after the end, the last edge has been told, and only reading shows it.
    mutating func didRead(_ count: Int, room: Int) {
        if count < room && closure == nil { mayRead = false }
    }

    /// A write took `count` of the `offered` bytes. Less means that the kernel's buffer is full.
    mutating func didWrite(_ count: Int, offered: Int) {
        if count < offered { mayWrite = false }
    }
}
