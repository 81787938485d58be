// SPDX-License-Identifier: Apache-2.0
/// The largest sizes of this target, kept together.
package enum EventLoopLimits {
    /// Events taken from the kernel a turn.
    package static let eventsPerTurn = 256
    /// Jobs and posted closures run a turn, so that tasks that wake each other cannot starve the sockets.
    package static let jobsPerTurn = 512
    /// Tasks that begin something new, a turn: a request is taken in when those before it have come as far as they can.
    package static let beginningsPerTurn = 16
    /// Connections one listener accepts a turn. Each brings a handshake of up to a millisecond: those already served wait
    /// behind so many of them at most.
    package static let acceptsPerTurn = 16
    /// Bytes (small operations count as `operationBytesMin`) one socket moves a turn before it lets the others go on.
    package static let socketBytesPerTurn = 1 << 20
    /// What the smallest read or write counts against `socketBytesPerTurn`.
    package static let operationBytesMin = 4_096
    /// The loop's buffer through which arrays are read; also the most one such read gives.
    package static let scratchBytes = 64 << 10
    /// Bytes that a loop's sockets read a turn before their readers ask.
    package static let earlyBytesPerTurn = 256 << 10
    /// The most that one of them does: what it may keep in memory when its reader does not take it.
    package static let earlyReadBytesMax = 8 << 10
    /// Bytes the kernel holds for an accepted connection beyond what is on its way; a write ends there until the peer
    /// reads.
    package static let unsentBytesMax = 128 << 10
    /// Bytes a socket holds at most until the end of the turn.
    package static let heldBytesMax = 48 << 10
    /// Sockets that hold something before a turn sends in between.
    package static let holdersMax = 16
    /// The largest array, in bytes, that a loop keeps for the next socket that holds something.
    package static let spareRoomBytesMax = 20 << 10
    /// Arrays that a loop keeps for what its sockets hold.
    package static let spareRooms = 128
    /// How long a listener rests when the process or the system has no descriptor left.
    package static let acceptRest = Duration.milliseconds(100)
    /// Turns a loop that was told to stop grants its tasks to end.
    package static let turnsAfterStop = 1_000
    /// Addresses one resolved name may give.
    package static let addressesPerName = 16
    /// Bytes of a path a local socket can be bound to (unix(7), without the final zero).
    package static let unixPathBytes = 107
}
