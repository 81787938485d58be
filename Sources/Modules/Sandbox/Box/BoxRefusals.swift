// SPDX-License-Identifier: Apache-2.0

import CSeccomp
import Glibc

/// System calls that the filter refuses by name, or for their arguments, as the kernel tells the first process of a box
/// (seccomp_unotify(2)). Each gets EPERM: what is gained is its number, since "operation not permitted" alone tells a user nothing.
struct BoxRefusals {
    /// What the kernel tells of, -1 for nobody.
    private(set) var listener: CInt
    /// The first few different ones.
    private(set) var calls: [Int] = []
    private let named: Set<Int>
    /// How many are answered. A program that makes nothing but refused calls would have this process, which is in no control
    /// group, work for it: from then on nobody listens, and the kernel itself answers, with ENOSYS.
    private var left = 256

    /// - Parameter named: the calls that a program is told of. Whatever else comes here is one that nobody knows of.
    init(_ listener: CInt, named: Set<Int>) { (self.listener, self.named) = (listener, named) }

    /// Answers one, after poll(2) said that there is one: the call does not wait then, even where who made it is dead.
    mutating func answer() {
        var id: UInt64 = 0
        let number = Int(unsafe cbox_hear_call(listener, &id))
        let isNamed = named.contains(number)
        if number >= 0 { cbox_refuse_call(listener, id, isNamed ? EPERM : ENOSYS) }
        if isNamed, calls.count < BoxReport.refusedCallsMax, !calls.contains(number) { calls.append(number) }
        left -= 1
        if left == 0 { close() }
    }

    /// Where the kernel has no more to tell: everybody who used the filter is dead.
    mutating func close() {
        if listener >= 0 { Glibc.close(listener) }
        listener = -1
    }
}
