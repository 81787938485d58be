// SPDX-License-Identifier: Apache-2.0

package import Core
import EventLoop
package import JSON
import SQLite

extension Tenants {
    /// The database files of the store, as `check` takes them: the keyring, `control.db`, every tenant's.
    package func files() -> [String] {
        [Self.keyringFile, Self.controlFile] + index.all.map { "tenants/\($0.id.text).db" }
    }

    private static let keyringFile = "keyring.db"
    private static let controlFile = "control.db"

    /// Checks one file, beside the work on it: a tenant's is read through a connection of its own.
    ///
    /// - Throws: `not_found` for what is no file of the store.
    func check(_ file: String) async throws(Failure) -> FileCheck {
        let services = try running()
        do throws(Worker.Failure<Failure>) {
            return try await services.checker.run { () throws(Failure) in try self.check(file, services) }
        } catch {
            switch error {
            case .refused: throw Failure(DatabaseFailure.busy)
            case .failed(let failure): throw failure
            }
        }
    }

    /// The same for a thread that may block.
    package func checkBlocking(_ file: String) throws(Failure) -> JSONValue {
        try check(file, try running()).json
    }

    private func check(_ file: String, _ services: Services) throws(Failure) -> FileCheck {
        switch file {
        case Self.keyringFile: return services.keys.checkKeyring(as: file)
        case Self.controlFile:
            do throws(DatabaseFailure) {
                return try services.database.writeBlocking { connection throws(SQLiteError) in
                    FileCheck.run(file, on: connection)
                }
            } catch {
                throw Failure(error)
            }
        default:
            guard let tenant = index.all.first(where: { "tenants/\($0.id.text).db" == file }) else {
                throw Failure(.notFound, "there is no such file")
            }
            return check(tenant.id, as: file, services)
        }
    }

    private func check(_ tenant: TenantID, as file: String, _ services: Services) -> FileCheck {
        var options = SQLiteOptions()
        // Whoever ships the log decides when it is written into the database: not a check.
        options.checkpointPages = 0
        let path = TenantPaths.file(of: tenant, in: services.directory)
        do throws(SQLiteError) {
            let connection = try services.keys.openFile(at: path, of: tenant, options: options, mayCreate: false)
            return FileCheck.run(file, on: connection)
        } catch {
            return FileCheck(file: file, error: error, scan: services.keys.scanFile(at: path, of: tenant))
        }
    }
}
