// SPDX-License-Identifier: Apache-2.0

import Configuration
import Core
import JSON
import Log

/// What one reading of the configuration makes: modules, routes and stages. Making it has no effect outside memory, so
/// `gatehouse check` makes one and starts nothing.
struct Composition {
    let settings: HouseSettings
    let logging: LogSettings
    /// In the order of start.
    let modules: [(section: String, module: any Module)]
    let roles: ModuleKind.Roles
    let routes: RouteTable
    let stages: Stages
    /// What this server promises.
    let controls: ControlBook
    /// Files with a root key, as `[store] unlock` names them.
    let keyFiles: [String]

    /// Takes everything from a configuration and refuses what nobody took.
    ///
    /// - Parameter staging: gives the stages of a section in place of its own. For tests that show that a proof can fail; the
    ///   binary has no way to say it.
    /// - Parameter rerouting: gives the routes that are served in place of those that are described, for the same.
    /// - Parameter controls: what is promised; for tests.
    /// - Parameter altering: called with the roles after each module of a section is made, for tests that put another player
    ///   in a role. The binary has no way to say it either.
    init(
        _ configuration: Configuration, log: Logger,
        staging: (_ section: String, _ stages: [any Stage]) -> [any Stage] = { $1 },
        rerouting: ([Route]) -> [Route] = { $0 }, controls: [Control] = Controls.all,
        altering: (_ section: String, _ roles: inout ModuleKind.Roles) -> Void = { _, _ in }
    ) throws(ConfigurationError) {
        settings = try HouseSettings(configuration)
        logging = try LogSettings(configuration.section("log"))
        var roles = ModuleKind.Roles(settings: settings, log: log)
        var modules: [(section: String, module: any Module)] = []
        for kind in moduleKinds {
            guard let section = try configuration.section(kind.section) else { continue }
            for other in kind.requires where !modules.contains(where: { $0.section == other }) {
                throw section.error(
                    "[\(kind.section)] needs [\(other)], which is not there",
                    hint: "an empty [\(other)] takes every default")
            }
            modules.append((kind.section, try kind.make(section, &roles)))
            altering(kind.section, &roles)
        }
        keyFiles = try Self.keyFiles(configuration.section("store"))
        try configuration.finish()
        self.modules = modules
        self.roles = roles
        stages = Stages(modules.flatMap { staging($0.section, $0.module.stages) })
        let export = roles.directory.map { directory in
            AccountExport(parts: modules.flatMap(\.module.archiveParts), directory: directory)
        }
        let book = ControlBook(controls, sections: Set(modules.map(\.section)))
        self.controls = book
        let tables = StoredTables(modules.flatMap(\.module.schemas))
        let more =
            ControlRoutes(book: book, inventory: { tables.all }).all + ManualRoutes.all
            + ConfigurationRoute.all(configuration.keysTaken)
        routes = try Self.table(
            modules.map(\.module), configuration,
            beside: more + (modules.contains { $0.section == "auth" } ? [export?.route].compactMap(\.self) : []),
            rerouting)
    }

    /// The files that the section names.
    static func keyFiles(_ section: Section?) throws(ConfigurationError) -> [String] {
        try section?.takeStrings("unlock", default: ["file:/etc/gatehouse/root.key"])
            .filter { $0.hasPrefix("file:") }.map { String($0.dropFirst("file:".count)) } ?? []
    }

    private static func table(
        _ modules: [any Module], _ configuration: Configuration, beside others: [Route],
        _ rerouting: ([Route]) -> [Route]
    ) throws(ConfigurationError) -> RouteTable {
        do {
            return try RouteTable(
                rerouting(
                    HouseRoutes.all(beside: modules.flatMap(\.routes) + others) { text in
                        for module in modules { module.write(metrics: &text) }
                    }))
        } catch {
            // Two modules claim one path: a fault of this program, which every start would show at once.
            throw ConfigurationError(file: configuration.file, message: "routes collide: \(error)")
        }
    }
}

/// The section `[log]`.
struct LogSettings {
    /// `level`: lines below it are not written.
    let level: Logger.Level
    /// `addresses`: whether peers' addresses are written whole.
    let showsAddresses: Bool

    init(_ section: Section?) throws(ConfigurationError) {
        level = try section?.takeEnum("level", default: .info) ?? .info
        showsAddresses = try section?.takeBool("addresses", default: false) ?? false
    }
}
