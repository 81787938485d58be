// SPDX-License-Identifier: Apache-2.0

/// What gateway and keeper say to each other, in messages of one length. What may be asked when:
///
///     gateway → keeper   hello   first, once
///                        run     after the keeper's ready; with five descriptors: the order, the program's input, output
///                                and errors, and the box's control socket
///                        claim   after a run whose order waits: its number, and the time that it has from now on
///                        spare   after the keeper's ready, once: how many boxes are to wait for runs with which limits
///     keeper → gateway   ready   the answer to hello: how each limit is enforced
///                        failed  in the place of ready: a step and its errno
///                        refused a run that could not be begun: its number and the errno
///
/// A message that may not be asked then ends the keeper, and with it every box.
struct KeeperMessage: Equatable, Sendable {
    enum Kind: UInt64 { case hello = 1, run, ready, failed, refused, claim, spare }

    var kind: Kind
    /// Of the run.
    var number: UInt64 = 0
    /// For `run` and `spare`: memory, processes, hundredths of a processor. For `ready`: see `Enforcement`. For `failed`: step, errno.
    var a = 0
    var b = 0
    var c = 0
    /// For `run` and `claim`: wall time in milliseconds, after which, and some time more, the keeper itself kills the box. For
    /// `spare`: how many.
    var d = 0

    static let byteCount = 48

    var encoded: [UInt8] {
        var writer = WordWriter()
        writer.append(kind.rawValue)
        writer.append(number)
        for word in [a, b, c, d] { writer.append(word) }
        return writer.bytes
    }

    init(_ kind: Kind, number: UInt64 = 0, a: Int = 0, b: Int = 0, c: Int = 0, d: Int = 0) {
        (self.kind, self.number, self.a, self.b, self.c, self.d) = (kind, number, a, b, c, d)
    }

    init(decoding bytes: [UInt8]) throws(WordReader.Malformed) {
        guard bytes.count == Self.byteCount else { throw WordReader.Malformed() }
        var reader = WordReader(bytes)
        guard let kind = Kind(rawValue: try reader.word()) else { throw WordReader.Malformed() }
        self.kind = kind
        number = try reader.word()
        (a, b, c, d) = (try reader.number(), try reader.number(), try reader.number(), try reader.number())
    }
}

/// How a limit is held.
enum Enforcement: Int, Sendable {
    /// By resource limits and by looking: a program can be over it for a moment, or hide some of what it uses.
    case partial = 0
    case groups1 = 1
    case groups2 = 2

    /// As the answer says it.
    var name: String {
        switch self {
        case .partial: "partial"
        case .groups1: "cgroup1"
        case .groups2: "cgroup2"
        }
    }
}

struct Enforcements: Equatable, Sendable {
    var memory = Enforcement.partial
    var processes = Enforcement.partial
    var cpu = Enforcement.partial

    var isWhole: Bool { memory != .partial && processes != .partial && cpu != .partial }
}
