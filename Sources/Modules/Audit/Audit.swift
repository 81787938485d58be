// SPDX-License-Identifier: Apache-2.0

package import Configuration
package import Core
import Crypto
import EventLoop
import Glibc
package import Log
package import Platform
import SQLite
import Synchronization

/// The section `[audit]`: what happened, in records that nobody can change unseen.
package final class Audit: Module {
    static let signingLabel = "audit/signing"
    static let digestLabel = "audit/digest"
    static let cursorLabel = "audit/cursor"

    /// The label of a segment's key in the keyring.
    static func segmentLabel(_ number: Int) -> String { "audit/segment/\(number)" }

    /// What other modules play for this one.
    package struct Roles {
        let database: any Database
        let vault: any SecretVault
        let salts: any TenantSalts
        let tenants: any TenantStore
        let directory: any TenantDirectory

        package init(
            database: any Database, vault: any SecretVault, salts: any TenantSalts, tenants: any TenantStore,
            directory: any TenantDirectory
        ) {
            (self.database, self.vault, self.salts) = (database, vault, salts)
            (self.tenants, self.directory) = (tenants, directory)
        }
    }

    private let settings: AuditSettings
    private let directory: LogDirectory
    private let roles: Roles
    private let log: Logger
    private let disk: any AuditDisk
    private let usage: Usage
    private let open = Mutex<Open?>(nil)
    /// Beside what is open: asked for each call that names somebody, it is found without a lock and a reference more.
    let endUsers = KnownEndUsers()
    /// Whether this is the log of the process, as what each loop writes records with then is.
    private let isOfProcess = Atomic(false)
    private let prices = Mutex<(any PriceBook)?>(nil)
    private let spending = Mutex<(any SpendingBook)?>(nil)

    /// What a started log holds.
    private struct Open: Sendable {
        let desk: RecordingStage.Desk
        let reader: AuditReader
        let key: NoteKey
    }

    package convenience init(
        _ section: Section, settings house: HouseSettings, roles: Roles, log: Logger
    ) throws(ConfigurationError) {
        try self.init(section, settings: house, roles: roles, log: log, disk: SystemDisk())
    }

    /// - Parameter disk: stands between the log and its files, for tests.
    init(
        _ section: Section, settings house: HouseSettings, roles: Roles, log: Logger, disk: any AuditDisk
    ) throws(ConfigurationError) {
        settings = try AuditSettings(section)
        directory = LogDirectory(path: "\(house.dataDirectory)/audit")
        (self.roles, self.log, self.disk) = (roles, log, disk)
        usage = Usage(
            .init(
                store: roles.tenants, directory: roles.directory, control: roles.database, log: log, now: WallTime.now),
            detail: settings.usageDetail)
    }

    /// Lets usage be reckoned by today's prices. Before the start.
    package func join(_ book: any PriceBook) {
        prices.withLock { $0 = book }
    }

    /// Writes down that the keys of what was erased are out of reach: a new epoch has begun. Any thread.
    package func note(epoch: Int) {
        open.withLock { $0?.desk.log }?.note(.house("epoch.roll", generation: epoch))
    }

    /// Writes down that somebody was blocked for what they did. Any thread.
    package func note(block subject: BlockSubject, of tenant: TenantID?) {
        guard let desk = open.withLock({ $0?.desk }) else { return }
        desk.log.note(.block(subject, of: tenant, desk.digests.ofHouse))
    }

    /// Tells who keeps budgets what every record says of money and tokens. Before the start.
    package func join(_ book: any SpendingBook) {
        spending.withLock { $0 = book }
    }

    /// Writes down what the house did by itself to something of a tenant's. Any thread.
    package func note(_ action: String, of tenant: TenantID, object: String) {
        open.withLock { $0?.desk.log }?.note(.house(action, of: tenant, object: object))
    }

    package func write(metrics: inout MetricsText) {
        UsageMetrics.write(usage.ledger.totals, to: &metrics)
    }

    package var stages: [any Stage] {
        [
            RecordingStage(
                desk: { [self] in open.withLock { $0?.desk } }, directory: roles.directory, endUsers: endUsers,
                areForever: { [self] in isOfProcess.load(ordering: .relaxed) })
        ]
    }

    package func isForever() { isOfProcess.store(true, ordering: .relaxed) }

    package var routes: [Route] {
        let audit = AuditRoutes(
            desk: { [self] () throws(Failure) in
                let open = try opened()
                return .init(reader: open.reader, digests: open.desk.digests, key: open.key)
            }, tenants: roles.tenants, directory: roles.directory)
        let usage = usage.routes(
            userDigest: { [self] tenant, name async throws(Failure) in
                try await opened().desk.digests.endUser(name, of: tenant).bytes
            },
            prices: { [self] in prices.withLock { $0 } },
            sync: { [self] () async throws(Failure) in try await opened().desk.log.sync() })
        return audit.all + usage
    }

    package var archiveParts: [ArchivePart] {
        AuditArchive(
            desk: { [self] () throws(Failure) in
                let open = try opened()
                return .init(reader: open.reader, digests: open.desk.digests, key: open.key)
            }, tenants: roles.tenants,
            flush: { [self] tenant, loop async throws(Failure) in
                try await opened().desk.log.sync()
                try await usage.flush(tenant, on: loop)
            }
        ).parts
    }

    /// While the log is open.
    var digests: Digests? { open.withLock { $0?.desk.digests } }

    private func opened() throws(Failure) -> Open {
        guard let open = open.withLock({ $0 }) else { throw Failure(.disabled, "the audit log is not open") }
        return open
    }

    package var schemas: [Schema] { [AuditState.schema, AuditTables.schema] + Usage.schemas }

    /// What budgets are made of, where somebody keeps them; at the start, behind `usage.prepare`.
    private func makeSpending() throws(StartFailure) -> SpendingProjection? {
        guard let book = spending.withLock({ $0 }) else { return nil }
        return SpendingProjection(book, from: try book.open(log: usage.ledger.log))
    }

    package func reload(_ section: Section) throws(ConfigurationError) -> ReloadReport {
        let new = try AuditSettings(section)
        open.withLock { $0?.desk.log }?.note(.house("reload"))
        return ReloadReport(needsRestart: new == settings ? [] : ["audit"])
    }

    package func start() throws(StartFailure) {
        do throws(Errno) {
            try AtomicFile.makeDirectory(path: directory.path, mode: 0o700)
        } catch {
            throw StartFailure("the audit log's directory \(directory.path) cannot be made: \(error)")
        }
        let signer = try key(Self.signingLabel)
        let state: AuditState
        let privateKey: Ed25519.PrivateKey
        do {
            try roles.database.migrate(AuditState.migrations)
            state = try roles.database.writeBlocking { connection throws(SQLiteError) in
                try AuditState.read(connection)
            }
            privateKey = try Ed25519.PrivateKey(seed: signer)
        } catch {
            throw StartFailure("the state of the audit log cannot be read: \(error)")
        }
        try usage.prepare()
        let spending = try makeSpending()
        // What is made of the records and kept in memory.
        let projections: [any AuditProjection] = [usage.ledger] + (spending.map { [$0] } ?? [])
        let opened = try LogOpening(
            parts: try parts(), state: state, key: NoteKey(name: settings.origin, key: privateKey.publicKey),
            readKey: { [vault = roles.vault] number throws(AuditFailure) in try Self.key(of: number, in: vault) }
        ).open(projections)
        spending?.begin(leftOpen: opened.intents.open.values)
        do throws(Errno) {
            try AuditInspection.write(NoteKey(name: settings.origin, key: privateKey.publicKey), to: directory)
        } catch {
            throw StartFailure("the audit log's public key cannot be written beside it: \(error)")
        }
        let started = try run(opened, state, privateKey, projections)
        open.withLock { $0 = started }
        try usage.start()
        try roles.tenants.register(AuditTables.migrations)
        roles.tenants.onDeletion { [self] tenant in open.withLock { $0?.desk.digests }?.forget(tenant) }
    }

    private func run(
        _ opened: LogOpening.Opened, _ state: AuditState, _ signer: Ed25519.PrivateKey,
        _ projections: [any AuditProjection]
    ) throws(StartFailure) -> Open {
        let mail = AuditMail()
        let vault = roles.vault
        let (digestKey, cursorKey) = (try key(Self.digestLabel), try key(Self.cursorLabel))
        let search = LogSearch(directory: directory) { number throws(AuditFailure) in
            try Self.key(of: number, in: vault)
        }
        let reader = try AuditReader(search, cursorKey: cursorKey)
        do throws(Errno) {
            let digests = try Digests(house: digestKey, salts: roles.salts, endUsers: endUsers)
            let floods = Floods { try? mail.order { $0.expectFloods() } }
            let working = try AuditLog(
                opened, AuditOffice.Settings(sync: settings.sync, syncInterval: settings.syncInterval),
                projections: projections, generation: state.generation, mail: mail,
                keeper: try keeper(signer, mail, oldest: opened.oldest),
                log: log
            ) { all in
                let (counts, isEmpty) = floods.take(at: .now(), all: all)
                let entries = counts.map { count -> AuditEntry in
                    AuditEntry.flood(count, count.kind.tenant.map(digests.load) ?? digests.ofHouse)
                }
                return (entries, isEmpty)
            }
            return Open(
                desk: .init(log: working, digests: digests, floods: floods), reader: reader,
                key: NoteKey(name: settings.origin, key: signer.publicKey))
        } catch {
            throw StartFailure("the audit log's threads cannot be started: \(error)")
        }
    }

    private func keeper(
        _ signer: Ed25519.PrivateKey, _ mail: AuditMail, oldest: Int
    ) throws(Errno) -> CheckpointKeeper {
        let vault = roles.vault
        return try CheckpointKeeper(
            origin: settings.origin, key: signer, directory: directory, copyPath: settings.checkpointCopy,
            retention: settings.retention, oldest: oldest, database: roles.database,
            destroyKey: { number in try? vault.destroyKey(label: Self.segmentLabel(number)) }, clock: WallTime.now,
            log: log
        ) { action, file in
            try? mail.post([AuditMail.Entry(item: (.house(action, file: file), .act), answer: nil)])
        }
    }

    package func stop(by deadline: Instant) {
        let old = open.withLock { open in
            defer { open = nil }
            return open
        }
        old?.desk.log.stop()
        usage.stop(by: deadline)
        old?.desk.digests.stop()
        old?.reader.stop()
    }

    // MARK: Keys

    private func key(_ label: String) throws(StartFailure) -> SecretBytes {
        let keys = try roles.vault.keys(label: label)
        // The newest generation: what older ones have signed is verified with their own public keys.
        guard let newest = keys.max(by: { $0.key < $1.key }) else { throw StartFailure("there is no key \(label)") }
        return newest.value
    }

    static func key(of segment: Int, in vault: any SecretVault) throws(AuditFailure) -> SecretBytes? {
        do throws(DatabaseFailure) {
            return try vault.key(label: segmentLabel(segment))
        } catch {
            throw .keys("the key of segment \(segment) cannot be had: \(error)")
        }
    }

    private func parts() throws(StartFailure) -> LogWriter.Parts {
        let vault = roles.vault
        return LogWriter.Parts(
            directory: directory.path, disk: disk,
            key: { number throws(AuditFailure) in
                if let key = try Self.key(of: number, in: vault) { return key }
                do throws(DatabaseFailure) {
                    return try vault.createKey(label: Self.segmentLabel(number))
                } catch {
                    throw .keys("a key for segment \(number) cannot be made: \(error)")
                }
            },
            clock: WallTime.now, monotonic: Instant.now, boot: try BootID.read(), segmentBytes: settings.segmentBytes)
    }
}

extension Audit: HouseRecords {}

/// The kernel's id of this start of the machine. random(4).
enum BootID {
    static func read() throws(StartFailure) -> [UInt8] {
        let path = "/proc/sys/kernel/random/boot_id"
        guard let text = try? AtomicFile.read(path: path, bytesMax: 64), let id = bytes(of: text) else {
            throw StartFailure("\(path) cannot be read")
        }
        return id
    }

    /// The 16 bytes of a UUID as text.
    private static func bytes(of text: [UInt8]) -> [UInt8]? {
        let digits = text.filter { $0 != UInt8(ascii: "-") && $0 != 0x0A }
        var bytes: [UInt8] = []
        for start in stride(from: 0, to: digits.count - 1, by: 2) {
            guard let byte = UInt8(String(decoding: digits[start..<start + 2], as: UTF8.self), radix: 16) else {
                return nil
            }
            bytes.append(byte)
        }
        return bytes.count == 16 ? bytes : nil
    }
}
