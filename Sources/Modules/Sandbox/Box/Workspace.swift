// SPDX-License-Identifier: Apache-2.0

import CLinux
import CSeccomp
import Glibc
import Platform

extension Box {
    static let workspace = "/work"

    /// Puts the files of the order into the workspace. Runs in the program's process, so that they count as its own.
    func fillWorkspace() throws(BoxFailure) {
        let root = FileDescriptor(
            owning: try BoxStep.workspace.take { unsafe open(Self.workspace, O_RDONLY | O_DIRECTORY | O_CLOEXEC) })
        for file in order.files { try fill(file, below: root) }
        try BoxStep.workspace.take { unsafe chdir(Self.workspace) }
    }

    private func fill(_ file: BoxOrder.File, below root: borrowing FileDescriptor) throws(BoxFailure) {
        let folder = root.rawValue
        for (place, byte) in file.name.enumerated() where byte == UInt8(ascii: "/") {
            let made = unsafe mkdirat(folder, BoxPath.text(file.name[..<place]), 0o755)
            if made != 0, Errno.last != .fileExists { throw BoxFailure(.workspace) }
        }
        // Nothing of the program's has run, so there is no link to be followed; the call would not follow it either.
        let number = try BoxStep.workspace.take {
            unsafe cbox_open_beneath(folder, BoxPath.text(file.name[...]), O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        }
        let output = FileDescriptor(owning: number)
        try Self.writeAll(file.content, to: output)
    }

    private static func writeAll(_ bytes: [UInt8], to file: borrowing FileDescriptor) throws(BoxFailure) {
        let number = file.rawValue
        var place = 0
        while place < bytes.count {
            // SAFETY: `place` is within the array.
            place += try BoxStep.workspace.take {
                unsafe bytes.withUnsafeBytes {
                    unsafe Glibc.write(number, $0.baseAddress.map { unsafe $0 + place }, bytes.count - place)
                }
            }
        }
    }
}

/// Paths as bytes: what a program calls its files need not be text.
enum BoxPath {
    /// The path as the kernel wants it.
    static func text(_ path: ArraySlice<UInt8>) -> [CChar] { path.map { CChar(bitPattern: $0) } + [0] }
}

/// Finds what a program left in its workspace, when nothing lives there any more. Only regular files, found without following
/// anything: a link, a device or a pipe is passed over, and what is too deep, too large or too much is counted and left.
struct Harvest {
    static let depthMax = 16
    static let foldersMax = 4096
    static let entriesMax = 50_000
    static let time = Duration.milliseconds(1500)

    private let order: BoxOrder
    private let inputs: [[UInt8]: [UInt8]]
    private let deadline = Instant.now() + Harvest.time
    private var left: Int
    private var bytesLeft: Int
    private var entriesLeft = Harvest.entriesMax
    /// Files that are there and are not given back.
    private(set) var leftOut = 0

    init(_ order: BoxOrder) {
        self.order = order
        inputs = Dictionary(order.files.map { ($0.name, $0.content) }) { first, _ in first }
        left = order.limits.filesMax
        bytesLeft = order.limits.fileBytesMax
    }

    /// Calls `give` with each file's path and content; it answers false where nobody listens any more.
    mutating func run(_ give: ([UInt8], [UInt8]) -> Bool) {
        let number = unsafe open(Box.workspace, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard number >= 0 else { return }
        let root = FileDescriptor(owning: number)
        // A list and not a recursion: a program makes folders as deep as it likes.
        var folders: [(path: [UInt8], depth: Int)] = [([], 0)]
        var seen = 0
        while seen < folders.count {
            let (path, depth) = folders[seen]
            seen += 1
            let opened =
                path.isEmpty
                ? fcntl(root.rawValue, F_DUPFD_CLOEXEC, 3)
                : unsafe cbox_open_beneath(root.rawValue, BoxPath.text(path[...]), O_RDONLY | O_DIRECTORY, 0)
            guard opened >= 0 else { continue }
            let folder = FileDescriptor(owning: opened)
            for name in names(in: folder) {
                let whole = path.isEmpty ? name : path + [UInt8(ascii: "/")] + name
                var status = stat()
                let looked = unsafe fstatat(folder.rawValue, BoxPath.text(name[...]), &status, AT_SYMLINK_NOFOLLOW)
                guard looked == 0 else { continue }
                switch status.st_mode & S_IFMT {
                case S_IFDIR:
                    guard depth + 1 < Self.depthMax, folders.count < Self.foldersMax else {
                        leftOut += 1
                        continue
                    }
                    folders.append((whole, depth + 1))
                case S_IFREG:
                    if !take(whole, name, in: folder, give) { return }
                default: continue
                }
            }
        }
    }

    /// One file. False where nobody listens any more.
    private mutating func take(
        _ path: [UInt8], _ name: [UInt8], in folder: borrowing FileDescriptor, _ give: ([UInt8], [UInt8]) -> Bool
    ) -> Bool {
        let number = folder.rawValue
        let opened = unsafe cbox_open_beneath(number, BoxPath.text(name[...]), O_RDONLY | O_NOFOLLOW, 0)
        guard opened >= 0 else { return true }
        let file = FileDescriptor(owning: opened)
        var status = stat()
        guard unsafe fstat(file.rawValue, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return true }
        // A file with a hole is as large as it says to whoever reads it.
        guard left > 0, status.st_size <= bytesLeft, Instant.now() < deadline else {
            leftOut += 1
            return true
        }
        let content = Self.read(file, bytes: Int(status.st_size))
        if !order.keepsAll, inputs[path] == content { return true }
        left -= 1
        bytesLeft -= content.count
        return give(path, content)
    }

    private static func read(_ file: borrowing FileDescriptor, bytes: Int) -> [UInt8] {
        let number = file.rawValue
        return unsafe [UInt8](unsafeUninitializedCapacity: bytes) { buffer, count in
            while count < bytes {
                // SAFETY: the room behind `count` is `bytes - count` long.
                let got = unsafe Glibc.read(number, buffer.baseAddress.map { unsafe $0 + count }, bytes - count)
                guard got > 0 else { return }
                count += got
            }
        }
    }

    /// The names in a folder, without `.` and `..`.
    private mutating func names(in folder: borrowing FileDescriptor) -> [[UInt8]] {
        var found: [[UInt8]] = []
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 32 << 10, alignment: 8)
        defer { unsafe room.deallocate() }
        while entriesLeft > 0, Instant.now() < deadline, let start = room.baseAddress {
            let count = unsafe cbox_entries(folder.rawValue, start, UInt(room.count))
            guard count > 0 else { break }
            var place = 0
            while place < count, entriesLeft > 0 {
                // SAFETY: the kernel wrote whole records into the first `count` bytes, each with its length.
                let record = unsafe start + place
                place += Int(unsafe cbox_entry_bytes(record))
                let name = unsafe Self.bytes(cbox_entry_name(record))
                if name == [0x2e] || name == [0x2e, 0x2e] { continue }
                entriesLeft -= 1
                found.append(name)
            }
        }
        return found.sorted { $0.lexicographicallyPrecedes($1) }
    }

    private static func bytes(_ text: UnsafePointer<CChar>) -> [UInt8] {
        // SAFETY: zero-terminated, as the kernel writes it.
        let count = unsafe strlen(text)
        return (0..<Int(count)).map { index in unsafe UInt8(bitPattern: text[index]) }
    }
}
