// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc
import Platform

/// The listening sockets that whoever started this process bound for it: systemd's socket activation (sd_listen_fds(3)).
///
///     LISTEN_PID       the process they are meant for
///     LISTEN_FDS       how many there are, from descriptor 3 on
///     LISTEN_FDNAMES   their names (FileDescriptorName=), with colons between
struct InheritedSockets {
    /// One of them, not yet looked at.
    struct Item: Equatable {
        /// The number, which belongs to whoever adopts it.
        let descriptor: CInt
        /// `tls`, `redirect` or `admin` decide; any other (systemd's default is the unit's name) says nothing.
        let name: String
    }

    /// The first descriptor that is passed (SD_LISTEN_FDS_START).
    static let firstDescriptor: CInt = 3
    /// More than these are a mistake.
    static let countMax = 64

    let items: [Item]

    static let none = InheritedSockets(items: [])

    private init(items: [Item]) {
        self.items = items
    }

    /// Reads the variables.
    ///
    /// - Parameter variable: gives the value of a variable of the environment.
    /// - Throws: what is said there but cannot be so.
    init(processID: pid_t, _ variable: (String) -> String?) throws(StartFailure) {
        // Variables that were meant for a parent, and came down to us, are not ours.
        guard let count = variable("LISTEN_FDS"), variable("LISTEN_PID") == String(processID) else {
            items = []
            return
        }
        guard let number = Int(count), (0...Self.countMax).contains(number) else {
            throw StartFailure("LISTEN_FDS is no number from 0 to \(Self.countMax)")
        }
        let names = variable("LISTEN_FDNAMES").map {
            $0.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        }
        if let names, names.count != number {
            throw StartFailure("LISTEN_FDNAMES has \(names.count) names for \(number) descriptors")
        }
        items = (0..<number).map { index in
            Item(descriptor: Self.firstDescriptor + CInt(index), name: names?[index] ?? "")
        }
    }

    /// What this process was given. Before the first thread: the variables are removed, so that no program started by
    /// this one takes them for its own, and the environment must not change under a thread that reads it.
    static func take() throws(StartFailure) -> InheritedSockets {
        defer {
            for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] { unsafe unsetenv(name) }
        }
        let inherited = try InheritedSockets(processID: getpid()) { name in
            // SAFETY: the environment does not change meanwhile; the text is copied at once.
            guard let value = unsafe getenv(name) else { return nil }
            return unsafe String(cString: value)
        }
        for item in inherited.items {
            // Here, and not when it is adopted: no program started in between may have it.
            guard fcntl(item.descriptor, F_SETFD, FD_CLOEXEC) == 0 else {
                throw StartFailure("LISTEN_FDS promises a descriptor \(item.descriptor) that is not open")
            }
        }
        return inherited
    }
}

/// Which door a listening socket belongs to.
enum Door: String, CaseIterable {
    /// `[http] listen`
    case secure = "tls"
    /// `[http] redirect`
    case plain = "redirect"
    /// `[admin] socket`
    case admin

    /// The door of a socket that was handed over: as its name says, else the one whose configured address it has.
    ///
    /// - Throws: if neither tells, or the socket is of the wrong kind for its door.
    static func of(
        _ item: InheritedSockets.Item, at address: SocketAddress, _ settings: HTTPSettings, socketPath: String?
    ) throws(StartFailure) -> Door {
        let what = "descriptor \(item.descriptor)\(item.name.isEmpty ? "" : " (\(item.name))"), \(address),"
        let isLocal = address.port == nil
        guard let door = Door(rawValue: item.name) ?? match(address, settings, socketPath) else {
            throw StartFailure(
                "\(what) is none of the addresses in [http] and [admin]",
                hint: "set FileDescriptorName=tls, redirect or admin in the socket unit, or its address in the file")
        }
        guard isLocal == (door == .admin) else {
            throw StartFailure(
                "\(what) cannot be \(door.rawValue): \(isLocal ? "a local socket" : "not a local socket")")
        }
        return door
    }

    private static func match(_ address: SocketAddress, _ settings: HTTPSettings, _ socketPath: String?) -> Door? {
        if settings.listen.contains(address) { return .secure }
        if settings.redirect.contains(address) { return .plain }
        if case .unix(let path) = address, path == socketPath { return .admin }
        return nil
    }
}
