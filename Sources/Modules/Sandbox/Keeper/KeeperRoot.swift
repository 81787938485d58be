// SPDX-License-Identifier: Apache-2.0
//
// The root of the keeper, which every box copies: a tmpfs of its own with the host's programs and libraries, read-only, and
// nothing else of the host. It is made once; a box lays its own writable places and its own /proc over it. What is not here
// cannot be reached by a box, whatever it does to its own mounts.

import CLinux
import CSeccomp
import Glibc
import Platform

enum KeeperRoot {
    /// Devices that do nothing to anybody.
    static let devices = ["null", "zero", "full", "random", "urandom"]
    static let emptyFolder = "/dev/empty"
    /// Where a box's own `/tmp` hides it.
    static let emptyFile = "/tmp/empty"

    /// Folders of the host with programs and libraries. On a host where `/bin` is a link into `/usr`, it is one here.
    private static let systemFolders = ["usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32"]
    /// What the dynamic linker and Debian's alternatives need of `/etc`, without which numpy does not load; and where fonts are.
    private static let settings = ["ld.so.cache", "alternatives", "localtime", "mime.types", "fonts"]

    /// Where it is made: any folder that every host has.
    private static let place = "/tmp"

    /// Makes it the root of this process, which must have its own mount namespace.
    ///
    /// - Parameter more: further folders that boxes may read, at their own paths.
    static func enter(more: [String]) throws(BoxFailure) {
        // Nothing that happens here is seen outside.
        try root { unsafe cbox_mount(nil, "/", nil, CBOX_RECURSIVE | CBOX_PRIVATE, nil) }
        let options = "size=1m,nr_inodes=512,mode=0755"
        try root { unsafe cbox_mount("tmpfs", place, "tmpfs", CBOX_NOSUID, options) }
        for folder in systemFolders { try copy(folder) }
        try makeDevices()
        try makeSettings()
        for folder in ["proc", "work", "tmp"] { try make(folder) }
        try touch("tmp/empty")
        for path in more { try bindFolder(path) }
        // Boxes mount a /proc of their own, which the kernel allows to whoever sees one that hides nothing (mount_namespaces(7)).
        try root { unsafe cbox_mount("/proc", place + "/proc", nil, CBOX_BIND | CBOX_RECURSIVE, nil) }
        try root { unsafe chdir(place) }
        try root { unsafe cbox_pivot_root(".", ".") }
        try root { unsafe cbox_unmount(".") }
        try root { unsafe chdir("/") }
        try root { unsafe cbox_restrict_mount("/", 0, UInt64(CBOX_ATTR_READ_ONLY | CBOX_ATTR_NOSUID)) }
    }

    private static func root(_ call: () -> CInt) throws(BoxFailure) { try BoxStep.root.take(call) }

    private static func make(_ folder: String, _ mode: mode_t = 0o755) throws(BoxFailure) {
        try root { unsafe mkdir("\(place)/\(folder)", mode) }
    }

    private static func copy(_ folder: String) throws(BoxFailure) {
        var target = [CChar](repeating: 0, count: Int(PATH_MAX))
        let length = unsafe readlink("/" + folder, &target, target.count - 1)
        if length > 0 {
            let text = String(decoding: target[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self)
            return try root { unsafe symlink(text, "\(place)/\(folder)") }
        }
        var status = stat()
        guard unsafe stat("/" + folder, &status) == 0 else { return }
        try bindFolder("/" + folder)
    }

    /// A folder of the host at its own path: readable, and no more.
    private static func bindFolder(_ path: String) throws(BoxFailure) {
        var whole = place
        for part in path.split(separator: "/") {
            whole += "/" + part
            if unsafe mkdir(whole, 0o755) != 0, Errno.last != .fileExists { throw BoxFailure(.root) }
        }
        try bind(path, whole, UInt64(CBOX_ATTR_READ_ONLY | CBOX_ATTR_NOSUID | CBOX_ATTR_NODEV))
    }

    private static func bind(_ source: String, _ target: String, _ attributes: UInt64) throws(BoxFailure) {
        try root { unsafe cbox_mount(source, target, nil, CBOX_BIND | CBOX_RECURSIVE, nil) }
        // Recursively, unlike a remount: what is mounted below /usr would stay writable.
        try root { unsafe cbox_restrict_mount(target, 1, attributes) }
    }

    private static func makeDevices() throws(BoxFailure) {
        for folder in ["dev", "dev/shm", "dev/empty"] { try make(folder) }
        for name in devices {
            try touch("dev/" + name)
            let attributes = UInt64(CBOX_ATTR_NOSUID | CBOX_ATTR_NOEXEC)
            try bind("/dev/" + name, "\(place)/dev/\(name)", attributes)
        }
        let links = [("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")]
        for (name, target) in links { try root { unsafe symlink(target, "\(place)/dev/\(name)") } }
    }

    private static func makeSettings() throws(BoxFailure) {
        try make("etc")
        let files = [
            ("passwd", "user:x:\(Box.userID):\(Box.userID):user:/work:/bin/bash\n"),
            ("group", "user:x:\(Box.userID):\n"), ("hosts", "127.0.0.1 localhost sandbox\n::1 localhost\n"),
            // Names come from the file alone: there is nobody to ask, and asking would wait for an answer.
            (
                "nsswitch.conf",
                "passwd: files\ngroup: files\nhosts: files\nnetworks: files\nprotocols: files\nservices: files\n"
            ),
            ("host.conf", "multi on\n"), ("hostname", "sandbox\n"),
        ]
        for (name, text) in files {
            try touch("etc/" + name)
            try Box.write(text, to: "\(place)/etc/\(name)", .root)
        }
        for name in settings {
            var status = stat()
            guard unsafe stat("/etc/" + name, &status) == 0 else { continue }
            if status.st_mode & S_IFMT == S_IFDIR { try make("etc/" + name) } else { try touch("etc/" + name) }
            try bind(
                "/etc/" + name, "\(place)/etc/\(name)",
                UInt64(CBOX_ATTR_READ_ONLY | CBOX_ATTR_NOSUID | CBOX_ATTR_NODEV | CBOX_ATTR_NOEXEC))
        }
    }

    private static func touch(_ path: String) throws(BoxFailure) {
        let number = try BoxStep.root.take { unsafe open("\(place)/\(path)", O_WRONLY | O_CREAT | O_CLOEXEC, 0o644) }
        close(number)
    }
}
