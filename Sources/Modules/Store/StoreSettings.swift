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

    /// `roll_interval`: the longest time from an erasure to the moment when no earlier copy of the files can be read any
    /// more: the published erasure time.
    let rollInterval: Duration

    /// `backup`: where backups go.
    let backup: String

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
                    hint: "file:/etc/gatehouse/root.key, credential:root-key or passphrase:terminal")
            }
            // Whoever copies the data directory must not get its key with it.
            if let path = source.path, Self.lies(path, below: dataDirectory) {
                throw section.error(
                    at: "unlock", element: index, "the root key must not be inside the data directory",
                    hint: "beside it, for example: file:/etc/gatehouse/root.key")
            }
            unlock.append(source)
        }
        self.unlock = unlock
        openFiles = try section.takeInt("open_files", in: 4...10_000, default: 64)
        tenantBytesMax = try section.takeSize("tenant_bytes_max", in: TenantLimit.bytesMaxRange, default: 10 << 30)
        rollInterval = try section.takeDuration(
            "roll_interval", in: .seconds(60)...(.seconds(30 * 86_400)), default: .seconds(86_400))
        backup = try section.takePath("backup", default: "\(dataDirectory)/backup")
        let taken = ["tenants", "audit"].map { "\(dataDirectory)/\($0)" }
        let backup = self.backup
        guard backup != dataDirectory, !taken.contains(where: { Self.lies(backup, below: $0) }) else {
            throw section.error(
                at: "backup", "this is where the store keeps what is to be copied", hint: "another disk, for example")
        }
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

/// A place where a secret may be that unlocks the store.
enum UnlockSource: Equatable, CustomStringConvertible {
    /// A file of 32 random bytes, or their 64 hexadecimal digits, or a recovery key.
    case file(String)
    /// The same from systemd (systemd.exec(5), LoadCredential=).
    case credential(String)
    /// A passphrase, or a recovery key, as somebody types it.
    case passphrase(Passphrase)

    enum Passphrase: Equatable {
        case terminal
        case file(String)
        case credential(String)
    }

    init?(_ text: String) {
        guard let (kind, place) = Self.split(text) else { return nil }
        switch kind {
        case "file": self = .file(place)
        case "credential" where !place.contains("/"): self = .credential(place)
        case "passphrase" where place == "terminal": self = .passphrase(.terminal)
        case "passphrase":
            switch Self.split(place) {
            case ("file", let path)?: self = .passphrase(.file(path))
            case ("credential", let name)? where !name.contains("/"): self = .passphrase(.credential(name))
            default: return nil
            }
        default: return nil
        }
    }

    private static func split(_ text: String) -> (String, String)? {
        guard let colon = text.firstIndex(of: ":") else { return nil }
        let place = String(text[text.index(after: colon)...])
        return place.isEmpty ? nil : (String(text[..<colon]), place)
    }

    /// The file it names, if it names one.
    var path: String? {
        switch self {
        case .file(let path), .passphrase(.file(let path)): path
        case .credential, .passphrase: nil
        }
    }

    /// What a slot made from it is called.
    var kindName: String {
        switch self {
        case .file: "file"
        case .credential: "credential"
        case .passphrase: "passphrase"
        }
    }

    var description: String {
        switch self {
        case .file(let path): "file:\(path)"
        case .credential(let name): "credential:\(name)"
        case .passphrase(.terminal): "passphrase:terminal"
        case .passphrase(.file(let path)): "passphrase:file:\(path)"
        case .passphrase(.credential(let name)): "passphrase:credential:\(name)"
        }
    }
}
