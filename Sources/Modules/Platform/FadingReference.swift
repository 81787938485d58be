// SPDX-License-Identifier: Apache-2.0

import CLinux

/// A reference that does not keep its object, and says when that has gone.
///
/// As `weak`, for which the runtime makes a table beside the object: 32 bytes more, and every reference to the object that
/// comes or goes is counted there, by way of the slow path. This is an unowned reference as the runtime has it, counted within
/// the object, without the trap. The object's memory stays, empty, until the last of these is gone too: for those that the
/// object itself takes back at its end.
@safe package struct FadingReference<Object: AnyObject>: ~Copyable {
    private var object: UnsafeMutableRawPointer?

    /// A reference to nothing.
    package init() {}

    /// A reference to an object that its caller holds.
    package init(_ object: Object) { point(to: object) }

    deinit { if let object = unsafe object { unsafe clinux_release_memory(object) } }

    /// Refers to another object from now on, which its caller holds.
    package mutating func point(to new: Object) {
        fade()
        let pointer = unsafe Unmanaged.passUnretained(new).toOpaque()
        unsafe clinux_retain_memory(pointer)
        unsafe object = pointer
    }

    /// Refers to nothing from now on.
    package mutating func fade() {
        if let object = unsafe object { unsafe clinux_release_memory(object) }
        unsafe object = nil
    }

    /// The object; nil once its end has begun, on whatever thread.
    package var value: Object? {
        @inline(__always) get {
            // SAFETY: the memory is held; of an object that has begun to end the runtime gives nothing.
            guard let object = unsafe object, let held = unsafe clinux_try_retain(object) else { return nil }
            // Retained just now, and of the type that was given.
            return unsafe Unmanaged<Object>.fromOpaque(held).takeRetainedValue()
        }
    }
}
