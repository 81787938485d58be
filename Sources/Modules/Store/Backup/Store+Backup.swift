// SPDX-License-Identifier: Apache-2.0

package import Core
package import JSON

extension Store {
    /// Makes a backup of a store that was started, on this thread. Its name.
    package func backupBlocking() throws(StartFailure) -> String {
        guard let backups = try? opened().backups else { throw StartFailure("the store is not open") }
        do throws(BackupFailure) {
            return try backups.create().name
        } catch {
            throw StartFailure(error)
        }
    }

    /// Puts a backup into the data directory, which must be empty.
    ///
    /// - Parameter name: of the copy; the newest where there is none.
    /// - Parameter source: the directory of backups, where that is not the configured one.
    /// - Parameter progress: told of each file, how many there are, and each piece of it in bytes.
    package func restore(
        _ name: String?, from source: String?, progress: @escaping (_ file: String, _ files: Int, _ bytes: Int) -> Void
    ) throws(StartFailure) -> RestoreReport {
        let place = BackupPlace(path: source ?? settings.backup)
        return try Restore(directory: directory, place: place, unlock: settings.unlock, progress: progress).run(name)
    }

    /// The names of the backups there are, with their times and sizes; for a command without a server.
    package func backups(at source: String?) throws(StartFailure) -> [JSONValue] {
        do throws(BackupFailure) {
            return try BackupPlace(path: source ?? settings.backup).manifests().map(\.json)
        } catch {
            throw StartFailure(error)
        }
    }
}
