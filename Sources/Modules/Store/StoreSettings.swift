// SPDX-License-Identifier: Apache-2.0

import Configuration
import Core

/// The keys of `[store]`.
struct StoreSettings: Equatable {
    let mode: Mode
    /// `unlock`: where the root key may be, tried in order.
    let unlock: [UnlockSource]
    /// `open_files`: tenants' databases that are open at once.
    let openFiles: Int
    /// `tenant_bytes_max`: the most bytes one tenant's database may have.
    let tenantBytesMax: Int
    /// `retention`: how long content is kept where neither plan nor tenant nor node says.
    let retention: Retention

    /// In development a missing key file is made; in production it is an error, because a server that makes itself a new
    /// key has silently lost what the old one opened.
    var createsRootKey: Bool { mode == .development }

    init(_ section: Section, mode: Mode, dataDirectory: String) throws(ConfigurationError) {
        self.mode = mode
        let texts = try section.takeStrings("unlock", count: 1...16, default: ["file:/etc/gatehouse/root.key"])
        var unlock: [UnlockSource] = []
        for (index, text) in texts.enumerated() {
            guard let source = UnlockSource(text) else {
                throw section.error(
                    at: "unlock", element: index, "this is no place for a root key",
                    hint: "file:/etc/gatehouse/root.key or credential:root-key")
            }
            // Whoever copies the data directory must not get its key with it.
            if case .file(let path) = source, Self.lies(path, below: dataDirectory) {
                throw section.error(
                    at: "unlock", element: index, "the root key must not be inside the data directory",
                    hint: "beside it, for example: file:/etc/gatehouse/root.key")
            }
            unlock.append(source)
        }
        self.unlock = unlock
        openFiles = try section.takeInt("open_files", in: 4...10_000, default: 64)
        tenantBytesMax = try section.takeSize("tenant_bytes_max", in: TenantLimit.bytesMaxRange, default: 10 << 30)
        let period = try section.takeDuration(
            "retention", in: .seconds(60)...(.seconds(Retention.secondsMax)), default: .seconds(30 * 86_400))
        retention = Retention(seconds: Int(clamping: period.components.seconds))
    }

    /// Whether a path lies below a directory, as they are written.
    private static func lies(_ path: String, below directory: String) -> Bool {
        let path = path.split(separator: "/").filter { $0 != "." }
        let directory = directory.split(separator: "/").filter { $0 != "." }
        return path.starts(with: directory)
    }
}

/// A place where the root key may be.
enum UnlockSource: Equatable, CustomStringConvertible {
    /// A file of 32 random bytes, or their 64 hexadecimal digits.
    case file(String)
    /// A systemd credential (systemd.exec(5), LoadCredential=).
    case credential(String)

    init?(_ text: String) {
        guard let colon = text.firstIndex(of: ":") else { return nil }
        let place = String(text[text.index(after: colon)...])
        guard !place.isEmpty else { return nil }
        switch text[..<colon] {
        case "file": self = .file(place)
        case "credential" where !place.contains("/"): self = .credential(place)
        default: return nil
        }
    }

    var description: String {
        switch self {
        case .file(let path): "file:\(path)"
        case .credential(let name): "credential:\(name)"
        }
    }
}
