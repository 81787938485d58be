// SPDX-License-Identifier: Apache-2.0

import CLinux

/// Objects that live as long as the process, and whose references need not be counted.
///
/// Each copy of a reference is an atomic addition, some 8 ns, and a request copies those to its loop and to the stages that it
/// passes a hundred times. The runtime counts nothing of objects it calls immortal, such as the storage of an empty array:
/// their count is a value that retaining and releasing leave as it is (CLinux/objects.h). This gives an object
/// that value.
package enum Immortal {
    /// Makes an object immortal: it is never deinitialised. For what is made once a process; not while other threads change the
    /// object's *weak* references.
    ///
    /// - Returns: false where the object is counted as before: its count is kept elsewhere, as with weak references, or the
    ///   runtime does not count as this was written for.
    @discardableResult
    package static func keep(_ object: AnyObject) -> Bool {
        guard let immortal else { return false }
        // The caller holds the object during the call.
        return unsafe clinux_make_immortal(Unmanaged.passUnretained(object).toOpaque(), immortal) != 0
    }

    /// An object from the heap: in one function with its end the compiler would lay it on the stack, uncounted.
    private final class Counted {
        @inline(never)
        static func made() -> Counted { Counted() }
    }

    /// What the count of an immortal object is; nil where the runtime does not count as this was written for.
    private static let immortal: UInt64? = {
        let count = clinux_immortal_count()
        let object = Counted.made()
        let isCounted = unsafe clinux_is_counted(Unmanaged.passUnretained(object).toOpaque()) != 0
        withExtendedLifetime(object) {}
        return isCounted && count != 0 ? count : nil
    }()
}
