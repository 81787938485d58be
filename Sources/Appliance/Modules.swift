// SPDX-License-Identifier: Apache-2.0

import Admin
import Audit
import Auth
import Configuration
import Core
import Crypto
import Gateway
import Limiter
import Log
import Nodes
import Platform
import Sandbox
import Store

/// One row of the list of modules: the section that turns it on, what it cannot be without, and how it is made.
struct ModuleKind: Sendable {
    let section: String
    let requires: [String]
    let make: @Sendable (Section, inout Roles) throws(ConfigurationError) -> any Module

    /// The roles that modules made so far play for those that follow.
    struct Roles {
        let settings: HouseSettings
        let log: Logger
        /// The clock by which what is kept is dated and outlives its time.
        var now: @Sendable () -> WallTime = WallTime.now
        var database: (any Database)?
        var vault: (any SecretVault)?
        var salts: (any TenantSalts)?
        var secrets: (any SecretSource)?
        var store: Store?
        var tenants: (any TenantStore)?
        var directory: (any TenantDirectory)?
        var models: (any ModelCaller)?
        /// Where clients name models, and nodes among them.
        var joinNodes: (@Sendable (any NodeDirectory) -> Void)?
        /// Where usage is reckoned by today's prices.
        var joinPrices: (@Sendable (any PriceBook) -> Void)?
        /// Whom every record tells what was spent.
        var joinSpending: (@Sendable (any SpendingBook) -> Void)?
        /// Whose models write code.
        var joinRunner: (@Sendable (any CodeRunner) -> Void)?
        /// Where it is written down that somebody was blocked for what they did.
        var recordBlock: (@Sendable (BlockSubject, TenantID?) -> Void)?
        /// Who tells end users apart.
        var people: (any EndUserDigests)?
        var consents: (any Consents)?
        /// What tenants keep.
        var files: (any TenantFiles)?
        /// Which threads, files and runs of its tenant a caller gets to.
        var ownership = OwnershipRule.standard
        /// What log-ins are held to. No setting: a test takes cheaper passwords, and nothing else can.
        var logins = LoginRules()
        var developmentKeys: (any DevelopmentKeys)?
        /// The origins of keys that are meant for pages.
        var keyOrigins = OriginBook()
        /// Who hears of credentials that came in clear.
        var exposureWatch: (any ExposureWatch)?
        /// Who has what the house does by itself written down.
        var joinRecords: (@Sendable (any HouseRecords) -> Void)?
        /// Where the limits of single keys are in force.
        var joinKeyLimits: (@Sendable (any KeyLimits) -> Void)?
        var socketPath: String?
        /// The program that the sandbox starts as its keeper: this one.
        var keeper = "/proc/self/exe"
        /// How the sandbox is made. No setting: a test makes one whose boxes lack a layer.
        var makeSandbox: @Sendable (Section, HouseSettings, String, Logger) throws(ConfigurationError) -> Sandbox = {
            section, settings, keeper, log throws(ConfigurationError) in
            try Sandbox(section, settings: settings, keeper: keeper, log: log)
        }
    }
}

/// The modules of this binary, in the order in which they are made and started.
let moduleKinds: [ModuleKind] = [
    ModuleKind(section: "store", requires: []) { section, roles throws(ConfigurationError) in
        let store = try Store(section, settings: roles.settings, log: roles.log)
        roles.database = store
        roles.vault = store
        roles.salts = store
        roles.secrets = store
        roles.store = store
        roles.tenants = store.tenants
        roles.directory = store.tenants
        return store
    },
    ModuleKind(section: "auth", requires: ["store"]) { section, roles throws(ConfigurationError) in
        guard let database = roles.database, let vault = roles.vault, let directory = roles.directory,
            let tenants = roles.tenants
        else { throw section.error("[auth] needs [store]") }
        // Who issues the tokens of sessions: this server, by its name.
        let issuer = "https://" + (roles.settings.http.names.hosts.sorted().first ?? "gatehouse")
        let auth = try Auth(
            section, issuer: issuer, database: database, vault: vault, directory: directory, tenants: tenants,
            rules: roles.logins, log: roles.log)
        roles.developmentKeys = auth
        roles.keyOrigins = auth.keyOrigins
        roles.exposureWatch = auth
        roles.joinRecords = { auth.join(records: $0) }
        roles.joinKeyLimits = { auth.join($0) }
        return auth
    },
    ModuleKind(section: "audit", requires: ["store"]) { section, roles throws(ConfigurationError) in
        guard let database = roles.database, let vault = roles.vault, let salts = roles.salts,
            let tenants = roles.tenants, let directory = roles.directory
        else { throw section.error("[audit] needs [store]") }
        let audit = try Audit(
            section, settings: roles.settings,
            roles: Audit.Roles(
                database: database, vault: vault, salts: salts, tenants: tenants, directory: directory),
            log: roles.log)
        roles.joinPrices = { audit.join($0) }
        // Who asks for a roll is recorded as an act; of one that comes by itself the log hears so.
        roles.store?.onRoll { audit.note(epoch: $0) }
        roles.people = audit
        roles.joinSpending = { audit.join($0) }
        roles.recordBlock = { audit.note(block: $0, of: $1) }
        roles.joinRecords?(audit)
        return audit
    },
    ModuleKind(section: "limiter", requires: ["store"]) { section, roles throws(ConfigurationError) in
        guard let database = roles.database, let tenants = roles.tenants, let directory = roles.directory else {
            throw section.error("[limiter] needs [store]")
        }
        let limiter = try Limiter(
            section,
            roles: Limiter.Roles(
                database: database, tenants: tenants, directory: directory, people: roles.people,
                recordBlock: roles.recordBlock),
            log: roles.log)
        roles.joinSpending?(limiter.book)
        roles.joinKeyLimits?(limiter.keyRules)
        return limiter
    },
    ModuleKind(section: "gateway", requires: ["auth"]) { section, roles throws(ConfigurationError) in
        guard let secrets = roles.secrets else { throw section.error("[gateway] needs [store]") }
        let gateway = try Gateway(section, settings: roles.settings, secrets: secrets, log: roles.log)
        roles.models = gateway
        roles.joinNodes = { gateway.join($0) }
        roles.joinRunner = { gateway.join($0) }
        roles.joinPrices?(gateway)
        return gateway
    },
    ModuleKind(section: "nodes", requires: ["store"]) { section, roles throws(ConfigurationError) in
        guard let store = roles.tenants, let directory = roles.directory else {
            throw section.error("[nodes] needs [store]")
        }
        let nodes = try Nodes(
            section, settings: roles.settings, store: store, directory: directory, models: roles.models,
            ownership: roles.ownership, log: roles.log, now: roles.now)
        roles.consents = nodes.consents
        roles.files = nodes.files
        roles.joinNodes?(nodes.names)
        return nodes
    },
    ModuleKind(section: "sandbox", requires: []) { section, roles throws(ConfigurationError) in
        let sandbox = try roles.makeSandbox(section, roles.settings, roles.keeper, roles.log)
        roles.joinRunner?(sandbox)
        if let tenants = roles.tenants { sandbox.follow(tenants) }
        if let files = roles.files { sandbox.join(files) }
        return sandbox
    },
    ModuleKind(section: "admin", requires: []) { section, roles throws(ConfigurationError) in
        let admin = try Admin(section, settings: roles.settings, version: Version.text)
        roles.socketPath = admin.socketPath
        return admin
    },
]
