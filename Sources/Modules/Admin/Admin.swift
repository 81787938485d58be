// SPDX-License-Identifier: Apache-2.0

package import Configuration
package import Core
import HTTP
import JSON
import Platform

/// The section `[admin]`: the operator's door. The composition root opens a listener at its path; whoever the kernel says
/// is root or the server's own user is the operator there, and nobody else is let in.
package final class Admin: Module {
    /// `socket`: path of the admin socket; relative to the data directory unless it begins with a slash.
    package let socketPath: String
    private let mode: Mode
    private let version: String
    private let startedAt = WallTime.now()

    package init(_ section: Section, settings: HouseSettings, version: String) throws(ConfigurationError) {
        socketPath = try AdminSettings(section, dataDirectory: settings.dataDirectory).socketPath
        mode = settings.mode
        self.version = version
    }

    package var routes: [Route] {
        [
            Route(.get, "/admin/v1/status", guard: .operator, summary: "Version, mode and time of start") {
                [version, mode, startedAt] _ throws(Failure) in
                .json([
                    "object": "status", "version": .string(version), "mode": .string(mode.rawValue),
                    "started_at": .string(startedAt.rfc3339),
                ])
            }
        ]
    }

    package func reload(_ section: Section) throws(ConfigurationError) -> ReloadReport {
        _ = try section.takePath("socket", default: AdminSettings.standardSocket)
        return ReloadReport()
    }
}

/// The keys of `[admin]`.
package struct AdminSettings {
    static let standardSocket = "admin.sock"

    /// Where the socket is.
    package let socketPath: String

    /// Takes the keys. The command line reads them too, to find a running server.
    package init(_ section: Section, dataDirectory: String) throws(ConfigurationError) {
        let path = try section.takePath("socket", default: Self.standardSocket)
        socketPath = path.hasPrefix("/") ? path : dataDirectory + "/" + path
        // The kernel's own bound (unix(7)), told here and not at the bind.
        guard socketPath.utf8.count <= 107 else {
            throw section.error(at: "socket", "the socket's path \(socketPath) is longer than 107 bytes")
        }
    }
}
