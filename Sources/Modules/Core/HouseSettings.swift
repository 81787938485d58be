// SPDX-License-Identifier: Apache-2.0

package import Configuration

/// The keys that stand above every section, `mode` and `data`, and the section `[http]`.
package struct HouseSettings: Sendable {
    /// `mode`: development listens on loopback only, mints a key at each start, and says so.
    package let mode: Mode
    /// `data`: the data directory.
    package let dataDirectory: String
    package let http: HTTPSettings

    /// Where the package keeps its data.
    package static let standardDataDirectory = "/var/lib/gatehouse"

    /// Takes the keys from the root of the configuration.
    package init(_ configuration: Configuration) throws(ConfigurationError) {
        let root = configuration.root
        mode = try root.takeEnum("mode", default: .production)
        dataDirectory = try root.takePath("data", default: Self.standardDataDirectory)
        // No module hangs on this section: without it every key has its default.
        let section = try configuration.section("http")
        let empty = try Configuration(text: "", file: configuration.file).root
        http = try HTTPSettings(section ?? empty, mode: mode, dataDirectory: dataDirectory)
    }
}
