// SPDX-License-Identifier: Apache-2.0

import Core
import EventLoop
import JSON
import Log
import SQLite

extension OpenStore {
    /// Changes the page keys that have sealed as much as they may. On the thread that minds the clock: the work itself is done
    /// on another, and not while the operator has work on keys under way.
    func renewWornPages(_ work: StoreWork, _ tenants: Tenants, _ limits: PageWear.Limits) {
        let worn = wornFiles(tenants, limits)
        guard !worn.isEmpty, (try? work.begin("worn page keys")) != nil else { return }
        do throws(Worker.Refusal) {
            try worker.post { [self] in
                for file in worn { renew(file, tenants) }
                mark()
                work.end(["files": .int(worn.count)])
            }
        } catch {
            work.end(failure: "the store is busy")
        }
    }

    private enum WornFile {
        case keyring, control
        case tenant(TenantID)
    }

    private func wornFiles(_ tenants: Tenants, _ limits: PageWear.Limits) -> [WornFile] {
        var worn = tenants.takeWorn().map { WornFile.tenant($0) }
        do throws(KeyringFailure) {
            if try keyring.notePageWrites(of: database.file, as: Self.control, limits) { worn.append(.control) }
            let file = try keyring.read { connection throws(KeyringFailure) in SealedFile.of(connection) }
            if let file, try keyring.notePageWrites(of: file, as: KeyringFile.name, limits) { worn.append(.keyring) }
        } catch {
            log.warning("what page keys have sealed is not noted", ["cause": .string(error.description)])
        }
        return worn
    }

    private func renew(_ file: WornFile, _ tenants: Tenants) {
        do {
            switch file {
            case .keyring: try keyring.rotateKeyringPages()
            case .control: try renewControlPages()
            case .tenant(let tenant): try tenants.renewPages(of: tenant) { _ in }
            }
            // The key that older backups of this file are sealed with is gone.
            log.notice("a worn page key is changed: make a new backup", ["file": .string("\(file)")])
        } catch {
            // It is found worn again with the next write.
            log.error("a worn page key is not changed", ["file": .string("\(file)"), "cause": .string("\(error)")])
        }
    }
}
