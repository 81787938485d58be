// SPDX-License-Identifier: Apache-2.0

import Bytes
import Glibc
package import Platform
package import Store

/// Looks for a text that must not be there, in every form in which a program would write it.
package struct Sweep: Sendable {
    /// A finding: which form, and where.
    package struct Finding: Hashable, Sendable, CustomStringConvertible {
        package let form: String
        package let place: String
        package init(form: String, place: String) {
            self.form = form
            self.place = place
        }

        package var description: String { "\(form) in \(place)" }
    }

    private let forms: [(name: String, bytes: [UInt8])]

    /// `marker` is ASCII, long and random enough to be nowhere by chance.
    package init(_ marker: String) {
        let bytes = Array(marker.utf8)
        let hex = Hex.encode(bytes.span)
        var forms: [(name: String, bytes: [UInt8])] = [
            ("plain", bytes), ("backwards", bytes.reversed()), ("hex", Array(hex.utf8)),
            ("HEX", Array(hex.uppercased().utf8)), ("UTF-16", bytes.flatMap { [$0, 0] }),
            ("percent", Array(bytes.map { "%" + Hex.encode([$0].span) }.joined().utf8)),
            ("JSON escapes", Array(bytes.map { "\\u00" + Hex.encode([$0].span) }.joined().utf8)),
        ]
        // Three ways to lie on base64's groups; the first and the last group depend on the neighbours.
        for shift in 0..<3 {
            let text = Base64.encode([UInt8](repeating: 0, count: shift) + bytes, isPadded: false)
            let inner = Array(text.utf8.dropFirst(shift == 0 ? 0 : 4).prefix((bytes.count - 3) / 3 * 4))
            forms.append(("base64, shifted by \(shift)", inner))
            forms.append(("base64url, shifted by \(shift)", inner.map { $0 == 0x2B ? 0x2D : $0 == 0x2F ? 0x5F : $0 }))
        }
        self.forms = forms
    }

    /// The forms in which it is in `bytes`.
    package func findings(in bytes: [UInt8], place: String) -> Set<Finding> {
        var found: Set<Finding> = []
        for form in forms where Sweep.contains(bytes, form.bytes) {
            found.insert(Finding(form: form.name, place: place))
        }
        return found
    }

    /// In every file below a directory, as the bytes lie there.
    package func findings(below directory: String) throws(Errno) -> Set<Finding> {
        var found: Set<Finding> = []
        for name in try TestFile.names(in: directory) {
            let path = "\(directory)/\(name)"
            let status = try FileStatus(path: path, followingLinks: false)
            switch status.kind {
            case .directory: found.formUnion(try findings(below: path))
            case .regular:
                found.formUnion(findings(in: try AtomicFile.read(path: path, bytesMax: 1 << 30), place: path))
            default: break
            }
        }
        return found
    }

    /// In the opened pages of a sealed database and its log: free ones, and what the log kept of earlier lives, included.
    /// No connection of this process may have the file open.
    package func findings(inPagesOf file: SealedFile) throws -> Set<Finding> {
        var found: Set<Finding> = []
        _ = try PageScan(file) { page in found.formUnion(findings(in: page, place: file.path)) }
        return found
    }

    private static func contains(_ bytes: [UInt8], _ needle: [UInt8]) -> Bool {
        // memmem stands behind _GNU_SOURCE; memchr for the first byte makes the rest rare.
        guard let first = needle.first, bytes.count >= needle.count else { return false }
        return unsafe bytes.withUnsafeBytes { bytes in
            unsafe needle.withUnsafeBytes { needle in
                guard let base = bytes.baseAddress, let pattern = needle.baseAddress else { return false }
                var offset = 0
                while offset + needle.count <= bytes.count {
                    let room = bytes.count - needle.count + 1 - offset
                    guard let hit = unsafe memchr(base + offset, CInt(first), room) else { return false }
                    if unsafe memcmp(hit, pattern, needle.count) == 0 { return true }
                    offset = unsafe UnsafeRawPointer(hit) - base + 1
                }
                return false
            }
        }
    }
}
