// SPDX-License-Identifier: Apache-2.0

import Arguments
import Configuration
import Glibc

/// Which configuration a command means: the file of `--config`, else `./gatehouse.toml`, else the one of the package, else,
/// for `gatehouse dev`, the embedded one.
struct ConfigurationFile {
    /// `nil` for the embedded one.
    private let path: String?

    /// Where the Debian package's service looks for it.
    static let packaged = "/etc/gatehouse/gatehouse.toml"
    static let searched = ["./gatehouse.toml", packaged]

    /// - Throws: if there is none.
    init(_ invocation: Invocation) throws(CommandFailure) {
        guard let path = Self.find(invocation) else {
            throw CommandFailure(
                "there is no configuration file: neither \(Self.searched.joined(separator: " nor "))",
                hint: "name one with --config, or begin with: gatehouse dev --print > gatehouse.toml")
        }
        self.path = path
    }

    init(orEmbedded invocation: Invocation) {
        path = Self.find(invocation)
    }

    func read() throws(ConfigurationError) -> Configuration {
        guard let path else { return try Configuration(text: developmentConfiguration, file: "embedded configuration") }
        return try Configuration(file: path)
    }

    private static func find(_ invocation: Invocation) -> String? {
        if let named = invocation.string("config") { return named }
        return searched.first { unsafe access($0, F_OK) == 0 }
    }
}
