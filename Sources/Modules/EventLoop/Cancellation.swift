// SPDX-License-Identifier: Apache-2.0

/// A way to say "give up" to whatever works for one request, on one loop.
///
/// For the few hooks of one request: taking one back is a search. Not the cancellation of Swift tasks: firing runs the
/// hooks at once, on the loop, so that an upstream connection is aborted within the turn in which its client went away.
package final class Cancellation: @unchecked Sendable {
    /// Why it fired.
    package enum Cause: Sendable {
        /// The other side of the request went away.
        case peerGone
        /// The time for the whole is over.
        case timedOut
        /// The server stops.
        case stopping
        /// Somebody on this side no longer wants the result.
        case unwanted
    }

    /// Names a hook, to take it back.
    package struct Token: Sendable {
        fileprivate let number: Int
    }

    private let loop: EventLoop
    /// The only hook, as mostly; with a second one both are in `hooks`.
    private var single: (number: Int, body: () -> Void)?
    private var hooks: [(number: Int, body: () -> Void)] = []
    private var lastNumber = 0
    /// The first cause; nil until it fires.
    package private(set) var cause: Cause?

    /// Makes one for use on `loop` only.
    package init(on loop: EventLoop) {
        self.loop = loop
    }

    /// True once it has fired.
    package var isFired: Bool { cause != nil }

    /// Runs the hooks, in the order in which they came. Only the first call does anything.
    package func fire(_ cause: Cause = .unwanted) {
        loop.checkThread()
        guard self.cause == nil else { return }
        self.cause = cause
        if let hook = single.take() { return hook.body() }
        // A hook may remove others that have not run yet, so they are taken one by one, from the cheap end.
        hooks.reverse()
        while let hook = hooks.popLast() { hook.body() }
    }

    /// Runs `hook` when it fires; at once when it has fired already.
    @discardableResult
    package func onFire(_ hook: consuming @escaping () -> Void) -> Token {
        loop.checkThread()
        lastNumber += 1
        let token = Token(number: lastNumber)
        if isFired {
            hook()
        } else if single == nil, hooks.isEmpty {
            single = (lastNumber, hook)
        } else {
            if let first = single.take() { hooks.append(first) }
            hooks.append((lastNumber, hook))
        }
        return token
    }

    /// Takes a hook back. Nothing happens when it has run.
    package func remove(_ token: Token) {
        loop.checkThread()
        if single?.number == token.number { single = nil }
        guard let index = hooks.lastIndex(where: { $0.number == token.number }) else { return }
        hooks.remove(at: index)
    }
}
