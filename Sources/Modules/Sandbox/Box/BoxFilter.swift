// SPDX-License-Identifier: Apache-2.0

import CSeccomp
import Glibc
import Platform

/// The system calls of a program in a box, as programs for the kernel (seccomp(2)). Made once, when the keeper begins:
/// building takes libseccomp some milliseconds, loading the bytes some microseconds.
///
/// An allow-list: what it does not name is ENOSYS, as on a kernel that does not have it, so that libraries fall back; what
/// is known to be dangerous is EPERM. Another architecture's calls kill the process: their numbers mean something else.
struct BoxFilter {
    /// The same list in two ways.
    struct Program {
        /// What is refused by name, or for its arguments, is first told to a listener, the box's first process, which keeps its
        /// number for the answer's note (seccomp_unotify(2)).
        let told: [UInt8]
        /// For a kernel, or a container with a listener of its own, that allows none.
        let untold: [UInt8]
        /// The numbers of those calls.
        let named: Set<Int>

        fileprivate init(memoryFiles: Bool) throws(BoxFailure) {
            let names = FilterList.refused + FilterList.conditional.map(\.name)
            named = Set(names.compactMap(FilterRules.number).map(Int.init))
            told = try BoxFilter.build(memoryFiles: memoryFiles, telling: named)
            untold = try BoxFilter.build(memoryFiles: memoryFiles, telling: nil)
        }
    }

    let whole: Program
    /// Without files in memory (memfd_create(2)), where nothing bounds them.
    let withoutMemoryFiles: Program

    init() throws(BoxFailure) {
        whole = try Program(memoryFiles: true)
        withoutMemoryFiles = try Program(memoryFiles: false)
    }

    /// SCMP_ACT_NOTIFY, a macro that Swift does not see.
    private static let SCMP_ACT_NOTIFY_: UInt32 = 0x7fc0_0000

    /// Numbers that calls have (asm/unistd.h, of every architecture), which are not told of where they are not named: a call
    /// that is told of waits for two processes to take turns, and libraries make some of these at every start.
    private static let quiet = [0..<336, 424..<470]

    /// - Parameter named: the calls of which a listener is told where they are not allowed; nil where there is none.
    private static func build(memoryFiles: Bool, telling named: Set<Int>?) throws(BoxFailure) -> [UInt8] {
        let unknown = cseccomp_errno_action(UInt16(ENOSYS))
        let other = named == nil ? unknown : SCMP_ACT_NOTIFY_
        guard let context = unsafe seccomp_init(other) else { throw BoxFailure(.filter, .outOfMemory) }
        defer { unsafe seccomp_release(context) }
        var rules = unsafe FilterRules(context)
        rules.must(unsafe seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS_))
        // A tree of numbers in the place of a list: the kernel asks a new filter about every call there is, which takes a quarter
        // of the time so.
        rules.must(unsafe seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2))
        for name in FilterList.allowed { rules.allow(name) }
        if memoryFiles { rules.allow("memfd_create") }
        for rule in FilterList.conditional { rules.allow(rule) }
        if let named {
            let names = FilterList.allowed + (memoryFiles ? ["memfd_create"] : [])
            let allowed = Set(names.compactMap(FilterRules.number).map(Int.init))
            for number in Self.quiet.joined() where !named.contains(number) && !allowed.contains(number) {
                rules.add(unknown, CInt(number), [])
            }
        } else {
            for name in FilterList.refused { rules.add(cseccomp_errno_action(UInt16(EPERM)), name, []) }
        }
        guard rules.failure == 0 else { throw BoxFailure(.filter, Errno(-rules.failure)) }
        return try unsafe export(context)
    }

    /// SCMP_ACT_KILL_PROCESS, a macro that Swift does not see.
    private static let SCMP_ACT_KILL_PROCESS_: UInt32 = 0x8000_0000

    private static func export(_ context: scmp_filter_ctx) throws(BoxFailure) -> [UInt8] {
        let file = FileDescriptor(owning: try BoxStep.filter.take { unsafe cbox_memory_file("filter") })
        let number = file.rawValue
        let result = unsafe seccomp_export_bpf(context, number)
        guard result == 0 else { throw BoxFailure(.filter, Errno(-result)) }
        let count = lseek(number, 0, SEEK_END)
        // A program of the kernel's has at most 4096 instructions of eight bytes.
        guard count > 0, count <= 4096 * 8 else { throw BoxFailure(.filter, .fileTooLarge) }
        var bytes = [UInt8](repeating: 0, count: count)
        // SAFETY: the array is as long as said.
        guard unsafe pread(number, &bytes, count, 0) == count else { throw BoxFailure(.filter) }
        return bytes
    }
}

/// One call, allowed where each of its arguments is as said. Several rules of one call are alternatives.
struct FilterRule {
    let name: String
    /// Argument, mask, value: of the low 32 bits, which are all that the kernel looks at.
    let conditions: [(UInt32, UInt32, UInt32)]

    init(_ name: String, _ conditions: (UInt32, UInt32, UInt32)...) {
        self.name = name
        self.conditions = conditions
    }
}

/// Adds rules, and remembers the first that could not be added.
@safe private struct FilterRules {
    private let context: scmp_filter_ctx
    private(set) var failure: CInt = 0

    init(_ context: scmp_filter_ctx) { unsafe self.context = unsafe context }

    mutating func must(_ result: CInt) { if failure == 0, result < 0 { failure = result } }

    mutating func allow(_ name: String) { add(SCMP_ACT_ALLOW_, name, []) }

    mutating func allow(_ rule: FilterRule) {
        add(SCMP_ACT_ALLOW_, rule.name, rule.conditions.map { cseccomp_equals($0.0, $0.1, $0.2) })
    }

    mutating func add(_ action: UInt32, _ name: String, _ conditions: [scmp_arg_cmp]) {
        if let number = Self.number(name) { add(action, number, conditions) }
    }

    mutating func add(_ action: UInt32, _ number: CInt, _ conditions: [scmp_arg_cmp]) {
        must(unsafe seccomp_rule_add_array(context, action, number, UInt32(conditions.count), conditions))
    }

    /// Nil for a name that this libseccomp, or this architecture, does not have: the call stays unknown, and so refused.
    static func number(_ name: String) -> CInt? {
        let number = unsafe seccomp_syscall_resolve_name(name)
        return number >= 0 ? number : nil
    }

    /// SCMP_ACT_ALLOW, a macro that Swift does not see.
    private let SCMP_ACT_ALLOW_: UInt32 = 0x7fff_0000
}
