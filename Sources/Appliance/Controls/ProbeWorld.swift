// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc
import HTTP
import Platform
import Sandbox

/// What probes know of the server they try, for one round.
struct ProbeWorld: Sendable {
    /// What does not change while a server serves: what its configuration promises, and where its files are.
    struct Facts: Sendable {
        /// The hosts and origins that it answers to.
        var names: DoorPolicy.Names
        /// The oldest version of TLS that it is to speak.
        var minimum: TLSSettings.Minimum
        /// The file of its certificate.
        var certificate: String
        var routes: [Route]
        var schemas: [Schema]
        var dataDirectory: String
        /// Files with a root key.
        var keyFiles: [String]
        /// The operator's door; nil where there is none.
        var socketPath: String?
        /// Code runs here; nil where there is no sandbox.
        var sandbox: Sandbox?
        /// The house's own database, and tenants'; nil without a store.
        var database: (any Database)?
        var tenants: (any TenantStore)?
        var directory: (any TenantDirectory)?
        /// The largest image of its memory that this process would leave at a crash.
        var coreBytesMax: @Sendable () -> UInt = { Facts.coreLimit }

        init(_ composition: Composition) {
            names = composition.settings.http.names
            minimum = composition.settings.http.tls.minimum
            certificate = composition.settings.http.tls.certificate
            routes = composition.routes.routes
            schemas = composition.modules.flatMap(\.module.schemas)
            dataDirectory = composition.settings.dataDirectory
            keyFiles = composition.keyFiles
            socketPath = composition.roles.socketPath
            sandbox = composition.modules.lazy.compactMap { $0.module as? Sandbox }.first
            database = composition.roles.database
            tenants = composition.roles.tenants
            directory = composition.roles.directory
        }

        private static var coreLimit: UInt {
            var limit = rlimit()
            // SAFETY: the structure lives through the call (getrlimit(2)).
            guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &limit) == 0 else { return .max }
            return UInt(limit.rlim_cur)
        }
    }

    let facts: Facts
    let client: ProbeClient
    /// Counts rounds, so that what is too much for one is spread over several.
    var round = 0
    /// Whether somebody asked, and waits for all of it.
    var isWhole = false

    /// - Parameters:
    ///   - secure: where the server speaks TLS.
    ///   - plain: where it redirects; nil where it does not.
    init(_ facts: Facts, at secure: SocketAddress, _ plain: SocketAddress?) throws(ProbeClient.Failure) {
        self.facts = facts
        client = try ProbeClient(
            host: facts.names.hosts.sorted().first { !$0.hasPrefix("[") } ?? "localhost", secure: secure,
            plain: plain, certificate: facts.certificate)
    }

    /// The name by which the server is asked.
    var host: String { client.origin.host }
}
