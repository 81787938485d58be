// SPDX-License-Identifier: Apache-2.0

import CSeccomp
import EventLoop
import Glibc
import Platform

/// Which of a program's outputs.
enum OutputKind: Int, Sendable { case output = 1, errors = 2 }

/// What came of a run.
enum RunOutcome: Sendable {
    case ended(RunResult)
    /// The keeper could not begin it.
    case refused(Errno)
    /// The keeper died, or the box did without a word.
    case lost
}

/// A run that ended, with what it left.
struct RunResult: Sendable {
    var report: BoxReport
    var output: [UInt8]
    var errors: [UInt8]
    var isOutputCut: Bool
    var areErrorsCut: Bool
    var files: [BoxOrder.File]
}

/// The gateway's side of one run: reads what the program writes, up to its limit, and what the box says of it. On the
/// sandbox's loop only.
final class BoxRun: @unchecked Sendable {
    let number: UInt64
    private(set) var order: BoxOrder
    private let loop: EventLoop
    private var finished: (RunOutcome) -> Void
    private var heard: ((OutputKind, ArraySlice<UInt8>) -> Void)?
    private var output: OutputReader?
    private var errors: OutputReader?
    private var control: WatchedDescriptor?
    private var controlNumber: CInt = -1
    /// The standard input of an interpreter that waits: it says there when it is ready, and gets its program there.
    private var door: WatchedDescriptor?
    private var doorNumber: CInt = -1
    private var frames: BoxFrames
    private var backstop: Timer?
    private var isFinished = false
    private var isTold = false

    /// How much longer than its time a run may take until nobody waits any more: files are given back then.
    static let grace = Duration.seconds(6)

    init(
        number: UInt64, order: BoxOrder, on loop: EventLoop, heard: ((OutputKind, ArraySlice<UInt8>) -> Void)?,
        finished: @escaping (RunOutcome) -> Void
    ) {
        self.number = number
        self.order = order
        self.loop = loop
        self.heard = heard
        self.finished = finished
        frames = BoxFrames(order.limits)
    }

    /// Makes the descriptors, and hands the box's ends to the keeper.
    ///
    /// - Parameter send: gives a message to the keeper; false where there is none.
    func begin(input: [UInt8], cpuHundredths: Int, send: (KeeperMessage, [CInt]) -> Bool) throws(Errno) {
        let inputFile = input.isEmpty ? try Self.nothing() : try MemoryFile.sealed("stdin", input)
        try hand(inputFile.rawValue, cpuHundredths, time: order.limits.wallMilliseconds, send: send)
        backstop = loop.schedule(after: .milliseconds(order.limits.wallMilliseconds) + Self.grace) { [weak self] in
            self?.finish(.lost)
        }
    }

    private func hand(
        _ input: CInt, _ cpuHundredths: Int, time: Int, send: (KeeperMessage, [CInt]) -> Bool
    ) throws(Errno) {
        let orderFile = try MemoryFile.sealed("order", order.encoded)
        let outputs = try DescriptorPair.pipe()
        let complaints = try DescriptorPair.pipe()
        let controls = try DescriptorPair.sockets(DescriptorPair.stream)
        let limits = order.limits
        let message = KeeperMessage(
            .run, number: number, a: limits.memoryBytes, b: limits.processes, c: cpuHundredths, d: time)
        let far = [
            orderFile.rawValue, input, outputs.far.rawValue, complaints.far.rawValue,
            controls.far.rawValue,
        ]
        guard send(message, far) else { throw .brokenPipe }
        controlNumber = controls.near.rawValue
        output = try OutputReader(outputs.near, on: loop, max: limits.outputBytes) { [weak self] bytes in
            self?.take(.output, bytes)
        }
        errors = try OutputReader(complaints.near, on: loop, max: limits.outputBytes) { [weak self] bytes in
            self?.take(.errors, bytes)
        }
        control = try WatchedDescriptor(controls.near, on: loop) { [weak self] file in self?.listen(file) }
    }

    // MARK: Interpreters that wait

    /// How long one may wait until another takes its place, and what the keeper allows it.
    static let idleTime = Duration.seconds(1800)
    private static let idleMillisecondsMax = 3_600_000

    /// Makes a box whose program waits for its own.
    ///
    /// - Parameter ready: told once what the interpreter says when it is ready.
    func beginWaiting(
        cpuHundredths: Int, ready: @escaping (String) -> Void, send: (KeeperMessage, [CInt]) -> Bool
    ) throws(Errno) {
        let doors = try DescriptorPair.sockets(DescriptorPair.messages)
        try hand(doors.far.rawValue, cpuHundredths, time: Self.idleMillisecondsMax, send: send)
        doorNumber = doors.near.rawValue
        var ready: ((String) -> Void)? = ready
        door = try WatchedDescriptor(doors.near, on: loop) { [weak self] file in
            guard let self else { return }
            var bytes = [UInt8](repeating: 0, count: 1024)
            // SAFETY: the array is as long as said.
            let count = unsafe recv(file.rawValue, &bytes, bytes.count, CBOX_DONT_WAIT)
            if count < 0, errno == EAGAIN || errno == EINTR { return }
            // The interpreter is gone, or says more than it may.
            guard count > 0, let tell = ready else { return finish(.lost) }
            ready = nil
            tell(String(decoding: bytes[..<count], as: UTF8.self))
        }
        backstop = loop.schedule(after: Self.idleTime) { [weak self] in self?.finish(.lost) }
    }

    /// Gives the interpreter its program. Where this throws, nothing of it has run and the box is of no use any more.
    func claim(
        _ order: BoxOrder, input: [UInt8], heard: ((OutputKind, ArraySlice<UInt8>) -> Void)?,
        send: (KeeperMessage, [CInt]) -> Bool, finished: @escaping (RunOutcome) -> Void
    ) throws(Errno) {
        guard !isFinished, doorNumber >= 0 else { throw .brokenPipe }
        let orderFile = try MemoryFile.sealed("order", order.encoded)
        let inputFile = input.isEmpty ? try Self.nothing() : try MemoryFile.sealed("stdin", input)
        self.order = order
        output?.most = order.limits.outputBytes
        errors?.most = order.limits.outputBytes
        guard send(KeeperMessage(.claim, number: number, d: order.limits.wallMilliseconds), []) else {
            throw .brokenPipe
        }
        var word = BoxFrame.claim
        let files = [orderFile.rawValue, inputFile.rawValue]
        // First whoever minds the box, so that no program runs whose time nobody counts.
        // SAFETY: one byte, and as many descriptors as said.
        guard unsafe cbox_send(controlNumber, &word, 1, files, 1) == 1,
            unsafe cbox_send(doorNumber, &word, 1, files, 2) == 1
        else { throw .brokenPipe }
        closeDoor()
        self.heard = heard
        self.finished = finished
        backstop?.cancel()
        backstop = loop.schedule(after: .milliseconds(order.limits.wallMilliseconds) + Self.grace) { [weak self] in
            self?.finish(.lost)
        }
    }

    private func closeDoor() {
        door?.close()
        (door, doorNumber) = (nil, -1)
    }

    /// Ends a box that waits.
    func discard() { finish(.lost) }

    /// The keeper could not begin it.
    func refuse(_ cause: Errno) { finish(.refused(cause)) }

    /// Nobody wants it any more: everything in the box is killed, and the answer says so.
    func cancel() { tell(BoxFrame.unwanted) }

    private func take(_ kind: OutputKind, _ bytes: ArraySlice<UInt8>) {
        if !bytes.isEmpty { heard?(kind, bytes) }
        if output?.isOver == true || errors?.isOver == true { tell(BoxFrame.outputFull) }
    }

    private func tell(_ word: UInt8) {
        guard !isTold, !isFinished, controlNumber >= 0 else { return }
        isTold = true
        var word = word
        // SAFETY: one byte. Where the box is gone already its end is about to be read.
        unsafe _ = send(controlNumber, &word, 1, CBOX_NO_SIGNAL | CBOX_DONT_WAIT)
    }

    private func listen(_ file: borrowing FileDescriptor) {
        switch frames.read(from: file.rawValue) {
        case .more: return
        case .report(let report):
            // Every other process is dead: what they wrote is in the pipes, and nobody holds them.
            output?.drain()
            errors?.drain()
            finish(
                .ended(
                    RunResult(
                        report: report, output: output?.bytes ?? [], errors: errors?.bytes ?? [],
                        isOutputCut: output?.isOver ?? false, areErrorsCut: errors?.isOver ?? false,
                        files: frames.files)))
        case .end: finish(.lost)
        }
    }

    private func finish(_ outcome: RunOutcome) {
        guard !isFinished else { return }
        isFinished = true
        backstop?.cancel()
        output?.close()
        errors?.close()
        control?.close()
        closeDoor()
        (output, errors, control, controlNumber) = (nil, nil, nil, -1)
        finished(outcome)
    }

    // MARK: Descriptors

    private static func nothing() throws(Errno) -> FileDescriptor {
        FileDescriptor(owning: try Errno.check { unsafe open("/dev/null", O_RDONLY | O_CLOEXEC) })
    }
}

/// Two ends of something: ours, which does not block, and the other side's.
struct DescriptorPair: ~Copyable {
    let near: FileDescriptor
    let far: FileDescriptor

    /// SOCK_STREAM and SOCK_SEQPACKET, which Glibc's module has as an enum.
    static let stream: CInt = 1
    static let messages: CInt = 5

    private init(_ near: CInt, _ far: CInt) throws(Errno) {
        self.near = FileDescriptor(owning: near)
        self.far = FileDescriptor(owning: far)
        try Errno.check { fcntl(near, F_SETFL, O_NONBLOCK) }
    }

    /// A pipe to be read from.
    static func pipe() throws(Errno) -> DescriptorPair {
        var ends: (CInt, CInt) = (-1, -1)
        // SAFETY: two numbers one after the other, as pipe2(2) wants.
        try Errno.check { unsafe withUnsafeMutableBytes(of: &ends) { unsafe cbox_pipe($0.baseAddress) } }
        return try DescriptorPair(ends.0, ends.1)
    }

    /// A connection to a keeper that listens.
    static func connection(to path: String) throws(Errno) -> FileDescriptor {
        let end = FileDescriptor(owning: try Errno.check { socket(AF_UNIX, messages | 0o2000000, 0) })
        let number = end.rawValue
        try Errno.check { unsafe cbox_connect(number, path) }
        try Errno.check { fcntl(number, F_SETFL, O_NONBLOCK) }
        return end
    }

    static func sockets(_ kind: CInt) throws(Errno) -> DescriptorPair {
        var ends: [CInt] = [-1, -1]
        // 0o2000000 is SOCK_CLOEXEC. SAFETY: two numbers.
        try Errno.check { unsafe socketpair(AF_UNIX, kind | 0o2000000, 0, &ends) }
        return try DescriptorPair(ends[0], ends[1])
    }
}

/// Files in memory that nobody can change any more.
enum MemoryFile {
    static func sealed(_ name: String, _ bytes: [UInt8]) throws(Errno) -> FileDescriptor {
        let file = FileDescriptor(owning: try Errno.check { unsafe cbox_memory_file(name) })
        let number = file.rawValue
        var place = 0
        while place < bytes.count {
            // SAFETY: `place` is within the array.
            place += try Errno.check {
                unsafe bytes.withUnsafeBytes {
                    unsafe write(number, $0.baseAddress.map { unsafe $0 + place }, bytes.count - place)
                }
            }
        }
        // A program that could write its input would keep as much memory of the gateway's as it liked.
        try Errno.check { cbox_seal(number) }
        lseek(number, 0, SEEK_SET)
        return file
    }
}

/// Reads one output of a program, up to its limit; what is more is read and dropped, so that nobody is kept waiting.
private final class OutputReader {
    var most: Int
    private let taken: (ArraySlice<UInt8>) -> Void
    private let loop: EventLoop
    private var watched: WatchedDescriptor?
    private let number: CInt
    private(set) var bytes: [UInt8] = []
    private(set) var isOver = false

    init(
        _ file: consuming FileDescriptor, on loop: EventLoop, max most: Int,
        taken: @escaping (ArraySlice<UInt8>) -> Void
    ) throws(Errno) {
        self.most = most
        self.taken = taken
        self.loop = loop
        number = file.rawValue
        watched = try WatchedDescriptor(file, on: loop) { [unowned self] _ in _ = self.read() }
    }

    /// Reads once. False where there is nothing, or nothing more ever.
    private func read() -> Bool {
        guard watched != nil else { return false }
        // SAFETY: the loop's scratch memory is ours until it next waits.
        let count = unsafe Glibc.read(number, loop.scratch.baseAddress, loop.scratch.count)
        guard count > 0 else {
            if count == 0 || errno != EAGAIN && errno != EINTR { close() }
            return false
        }
        let room = min(count, most - bytes.count)
        if room < count { isOver = true }
        let part = unsafe Array(loop.scratch[..<room])
        bytes += part
        taken(part[...])
        return true
    }

    /// Reads what is there, without waiting.
    func drain() { while read() {} }

    func close() {
        watched?.close()
        watched = nil
    }
}

/// What a box says, as it comes in pieces. The box's first process is ours, but whatever shares its kernel with a program
/// is compared before it is believed.
struct BoxFrames {
    enum Progress {
        case more
        case report(BoxReport)
        /// It says no more, or what it may not.
        case end
    }

    private let limits: BoxLimits
    private var bytes: [UInt8] = []
    private var bytesLeft: Int
    private(set) var files: [BoxOrder.File] = []

    init(_ limits: BoxLimits) {
        self.limits = limits
        bytesLeft = limits.fileBytesMax
    }

    mutating func read(from socket: CInt) -> Progress {
        var part = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            // SAFETY: the array is as long as said.
            let count = unsafe recv(socket, &part, part.count, CBOX_DONT_WAIT)
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EAGAIN { return .more }
            guard count > 0 else { return .end }
            switch take(part[..<count]) {
            case .more: if count < part.count { return .more }
            case let other: return other
            }
        }
    }

    /// Takes further bytes.
    mutating func take(_ more: ArraySlice<UInt8>) -> Progress {
        bytes += more
        while true {
            do throws(WordReader.Malformed) {
                guard let length = try frameLength(), bytes.count >= length else { return .more }
                var reader = WordReader(Array(bytes[..<length]))
                if try reader.word() == BoxFrame.report {
                    return .report(try BoxReport(decoding: Array(bytes[8..<length])))
                }
                let name = try reader.text(max: Self.nameMax)
                let content = try reader.text(max: limits.fileBytesMax)
                bytesLeft -= content.count
                files.append(BoxOrder.File(name: name, content: content))
                bytes.removeFirst(length)
            } catch {
                return .end
            }
        }
    }

    private static let nameMax = 4096

    /// The length of the frame at the front, as soon as it can be known.
    private func frameLength() throws(WordReader.Malformed) -> Int? {
        guard let kind = try word(at: 0) else { return nil }
        if kind == Int(BoxFrame.report) { return 8 + BoxReport.wordCount * 8 }
        guard kind == Int(BoxFrame.file), files.count < limits.filesMax else { throw WordReader.Malformed() }
        guard let name = try word(at: 8) else { return nil }
        guard name <= Self.nameMax else { throw WordReader.Malformed() }
        guard let content = try word(at: 16 + name) else { return nil }
        guard content <= bytesLeft else { throw WordReader.Malformed() }
        return 24 + name + content
    }

    private func word(at place: Int) throws(WordReader.Malformed) -> Int? {
        guard bytes.count >= place + 8 else { return nil }
        var reader = WordReader(Array(bytes[place..<place + 8]))
        return try reader.number()
    }
}
