// SPDX-License-Identifier: Apache-2.0

package import Configuration
package import Core
import EventLoop
package import Log
package import Platform
import SQLite
import Synchronization

/// The section `[nodes]`: nodes, threads, files, consents, and how long all of it is kept.
package final class Nodes: Module {
    private let context: NodesContext
    private let settings: NodesSettings
    /// The thread of the background work; nil until started and after the stop.
    private let background = Mutex<EventLoop?>(nil)

    /// - Parameter models: nil without a gateway.
    /// - Parameter ownership: which threads, files and runs of its tenant a caller gets to.
    /// - Parameter now: the clock, by which everything here is dated and outlives its time.
    package init(
        _ section: Section, settings house: HouseSettings, store: any TenantStore, directory: any TenantDirectory,
        models: (any ModelCaller)?, ownership: OwnershipRule = .standard, log: Logger,
        now: @escaping @Sendable () -> WallTime = WallTime.now
    ) throws(ConfigurationError) {
        settings = try NodesSettings(section)
        context = NodesContext(
            store: store, directory: directory, consents: ConsentBook(), models: models, settings: settings,
            mode: house.mode, ownership: ownership, log: log, schedule: SweepSchedule(), uploads: Uploads(), now: now)
    }

    /// What tenants have agreed to, for the other modules.
    package var consents: any Consents { context.consents }

    /// What tenants keep, for the other modules.
    package var files: any TenantFiles { KeptFiles(context: context) }

    /// What clients name with `node/<alias>`, for the gateway.
    package var names: any NodeDirectory { NodeNames(context: context) }

    package var schemas: [Schema] { [NodesSchema.schema] }

    package var routes: [Route] {
        NodeRoutes(context: context).all + ChatRoutes(context: context).all + InvocationRoutes(context: context).all
            + ChitRoutes(context: context).all + ThreadRoutes(context: context).all + FileRoutes(context: context).all
            + ConsentRoutes(context: context).all + RetentionRoutes(context: context).all
            + OperatorRoutes(context: context).all
    }

    package var archiveParts: [ArchivePart] { NodesArchive(context: context).parts }

    package func start() throws(StartFailure) {
        try context.store.register(NodesSchema.migrations)
        context.store.onRestore(Reconciliation.run)
        context.store.onKeyRenewal(Renewal.content)
        let context = context
        context.store.onDeletion { tenant in
            context.schedule.hasten(tenant)
            context.chat.forget(tenant)
        }
        let loop: EventLoop
        do throws(Errno) {
            loop = try EventLoop(name: "sweeper")
            try loop.start()
        } catch {
            throw StartFailure("the sweeper's thread cannot be started: \(error)")
        }
        background.withLock { $0 = loop }
        let interval = settings.sweepInterval
        loop.spawn {
            let sweeper = Sweeper(context: context)
            // Not at once: the modules behind this one still have tables to name, and opening a file ends that.
            await loop.sleep(min(interval, .seconds(5)))
            while true {
                await sweeper.run()
                await loop.sleep(interval)
            }
        }
    }

    package func reload(_ section: Section) throws(ConfigurationError) -> ReloadReport {
        let new = try NodesSettings(section)
        return ReloadReport(needsRestart: new == settings ? [] : ["nodes"])
    }

    package func stop(by deadline: Instant) {
        let loop = background.withLock { loop in
            defer { loop = nil }
            return loop
        }
        loop?.stop()
        loop?.join()
    }
}
